"""Runs as evaluation results of the Hugging Face Hub: ``MODEL/.eval_results/NAME.yaml``.

Such a file belongs into a model's repository; the Hub shows it on the model's page and in the
leaderboard of the benchmark's data set. A file holds one run, its method in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import UsageError
from harness_leaderboards.exchange.chosen import Exported

_SEGMENT = r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?"
_HUB_ID = re.compile(f"{_SEGMENT}/{_SEGMENT}", re.ASCII)
"""As the Hub has them: no segment begins or ends with a dot or a dash."""


def hf_results(
    runs: Sequence[Exported], dataset: str | None, task_id: str | None
) -> tuple[dict[str, bytes], list[str]]:
    """The files by path, and a sentence for each run that has none.

    Args:
        runs: what to export.
        dataset: Hub id of the benchmark; none: that of a run's first data source.
        task_id: the benchmark's name of the task; none: the subset, or ``default``.

    Raises:
        UsageError: the data set's id is not one of the Hub's.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if dataset is not None and not _HUB_ID.fullmatch(dataset):
        raise UsageError(f"'{dataset}' is no Hub id such as cais/hle.")
    files, left_out = dict[str, bytes](), list[str]()
    for one in runs:
        row = one.row
        benchmark, model = dataset or _benchmark(one), str(row["model_id"])
        reason = ""
        if one.value is None:
            reason = f"it has no {one.spec.metric.name}"
        elif not benchmark:
            reason = "its data have no Hub id; name the benchmark with --dataset"
        elif not _HUB_ID.fullmatch(model):
            reason = f"its model '{model}' has no Hub id"
        if reason:
            left_out.append(f"left out run {row['run_id']}: {reason}")
            continue
        entry = EvalResultEntry(
            dataset_id=benchmark,
            task_id=task_id or row["subset"] or "default",
            value=one.value,
            date=one.when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            notes=f"{row['method']}, {one.spec.metric.name}, run {row['run_id']}",
        )
        name = "-".join((row["task"], row["subset"] or "all", row["run_id"]))
        path = f"{model}/.eval_results/{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.yaml"
        entries = eval_result_entries_to_yaml([entry])
        files[path] = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True).encode()
    return files, left_out


def _benchmark(one: Exported) -> str:
    """The Hub id of a run's first data source that has one; a configuration after it is cut."""
    for source in one.read("data") or ():
        found = _HUB_ID.match(str(source.get("id", "")))
        if found:
            return found.group()
    return ""
