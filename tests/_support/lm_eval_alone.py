"""lm-eval run alone, on the same model object and the same local files."""

from __future__ import annotations

import pytest

from harness.quiet import quiet


def hflm(model):
    from lm_eval.models.huggingface import HFLM

    with quiet():
        return HFLM(
            pretrained=model.module,
            tokenizer=model.codec.tokenizer,
            max_length=model.codec.max_length,
            batch_size=4,
        )


def directly(name, folder, files):
    """The task as lm-eval loads it itself: its YAML, and JSON files in place of the hub."""
    from pathlib import Path

    import lm_eval
    import yaml
    from lm_eval.tasks import TaskManager

    source = Path(lm_eval.__file__).parent / "tasks" / folder
    own = {
        "include": str(source / f"{name.removesuffix('_continuation')}.yaml"),
        "task": f"local_{name}",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(path) for split, path in files.items()}},
    }
    here = next(iter(files.values())).parent / "yaml"
    here.mkdir()
    (here / "local.yaml").write_text(yaml.safe_dump(own))
    return TaskManager(include_path=str(here), include_defaults=False), f"local_{name}"


def simple(lm, tasks, manager=None, **given):
    import lm_eval
    from lm_eval import evaluator
    from lm_eval.tasks import TaskManager

    # Without one, lm-eval indexes all of its tasks, which takes seconds.
    manager = manager or TaskManager(include_defaults=False)
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.setattr(evaluator, "add_env_info", lambda _: None)  # seconds of asking for versions
        return lm_eval.simple_evaluate(
            model=lm,
            tasks=tasks,
            task_manager=manager,
            bootstrap_iters=0,
            log_samples=True,
            **given,
        )
