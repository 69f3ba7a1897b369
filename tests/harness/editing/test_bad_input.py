"""What cannot be done is said in one sentence, before anything is computed."""

from __future__ import annotations

import json

import pytest
from edits import MODEL, TINY, WORLD, command, refused, run

from harness.errors import UsageError
from harness.protocols.edit import EditData, Example
from harness.results.store import ResultsStore

GENERATED = ("-T", "data=generated", *MODEL)


def example(name):
    return Example(name, name, f"who is {name}", f"{name} of course")


def test_sets_must_not_be_empty_or_overlap():
    one, other = example("one"), example("other")
    with pytest.raises(UsageError, match="the forget set is empty; choose another subset"):
        EditData((), (other,))
    with pytest.raises(UsageError, match="the retain set is empty"):
        EditData((one,), ())
    with pytest.raises(UsageError, match=r"1 examples of the forget set are in the retain set"):
        EditData((one,), (other, one))
    with pytest.raises(UsageError, match="in the calibration set"):
        EditData((one,), (other,), calibration=(one,))
    with pytest.raises(UsageError, match="needs answers that decline, and the task has none"):
        EditData((one,), (other,)).refusal_for(0, 0, one)


CASES = {
    "drawn sizes": (("-T", "drawn_retain=40"), "add up to 44 authors, and only 30 have"),
    "identity with surgery": (("--method", "identity+gu"), "identity"),
    "unknown editor": (("--method", "grad-diff"), "did you mean graddiff"),
    "unknown surgery": (("--method", "npo+guu"), "gu"),
    "unknown model": (("--model", "tiny-tofuu"), "tiny-tofu"),
    "chat model": (("--model", "openai:x"), "openai"),
    "unknown option": (("--method", "npo:lrr=1"), "lr"),
    "negative rate": (("--method", "npo:lr=-1"), "lr"),
    "unknown attack": (("-T", "attacks=melt"), "quantise8"),
    "no name": (("--model", "hf:"), "--model hf:ORG/NAME or hf:FOLDER"),
    "sampling": (("-M", "temperature=0"), "-M means nothing to an edit task"),
    "order": (("--order", "shuffle:1"), "--order means nothing to an edit task"),
    "cost": (("--max-cost", "1"), "--max-cost means nothing to an edit task"),
    "cache": (("--cache",), "--cache means nothing to an edit task"),
    "base url": (("--base-url", "http://127.0.0.1:1"), "--base-url means nothing"),
    "data seed": (("--data-seed", "1"), "--data-seed means nothing to an edit task"),
    "embedder": (("--embedder", "hf:x"), "--embedder means nothing to an edit task"),
    "in flight": (("--max-in-flight", "3"), "--max-in-flight means nothing to an edit task"),
    "prices": (("--prices", "p.yaml"), "--prices means nothing to an edit task"),
    "backend": (("--eval-backend", "tgi"), "vllm"),
    "lora task vector": (("--method", "task-vector:lora_rank=4"), "lora_rank"),
}


@pytest.mark.parametrize(("words", "reason"), CASES.values(), ids=CASES)
def test_bad_input_is_refused(tmp_path, words, reason):
    world = WORLD if "--model" in words else (*WORLD, *MODEL)
    refused(run(tmp_path / "r", *words, world=world), reason)
    assert not list((tmp_path / "r").glob("runs/*"))


def test_forget_set_larger_than_the_data(tmp_path, mirror):
    lines = (mirror / "tofu" / "full.json").read_text().splitlines()
    (mirror / "tofu" / "full.json").write_text("\n".join(lines[:200]))
    done = run(tmp_path / "r", "-T", "subset=forget10", *MODEL, world=())
    refused(done, "subset forget10 forgets 20 authors, and the data have 10")


def test_folder_that_is_no_model(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "r", "--model", f"hf:{tmp_path / 'empty'}", world=WORLD)
    refused(done, "cannot be loaded")
    (tmp_path / "empty" / "config.json").write_text('{"model_type": "llama"}')
    done = run(
        *(tmp_path / "r2", "--model", f"hf:{tmp_path / 'empty'}", "--method", "identity"),
        world=WORLD,
    )
    assert done.code == 2, done.err
    assert "cannot be loaded" in done.err
    assert "Traceback" not in done.err


def test_retrain_needs_a_model_that_never_saw_the_forget_set(tmp_path):
    words = ("--model", f"hf:{tmp_path}", "--method", "retrain", "--dry-run")
    done = run(tmp_path / "r", *words, world=WORLD)
    assert "needs a model that never saw the forget set" in done.out
    assert "-T finetune=true" in done.out


def test_refusing_methods_need_refusals(tmp_path):
    task = tmp_path / "task.py"
    task.write_text(
        "from dataclasses import replace\n"
        "from harness_tasks.unlearning.tofu.task import Tofu\n"
        "class Blunt(Tofu):\n"
        "    def requests(self, seed):\n"
        "        return [replace(one, refusals=()) for one in super().requests(seed)]\n"
    )
    words = ("run", "--task", f"file:{task}#Blunt", *TINY, "--results", str(tmp_path / "r"))
    done = command(*words, "--method", "dpo", "--method", "identity")
    assert "needs answers that decline, and this task has none" in done.out
    methods = {one.method for one in ResultsStore(tmp_path / "r").runs()}
    assert "identity" in methods
    assert "dpo" not in methods


DAMAGES = {
    "empty": ("full", "", "is empty; restore it from locuslab/TOFU"),
    "broken JSON": ("full", '{"question": "who', "cannot be read"),
    "no objects": ("full", "[1, 2]", "must hold one JSON object a line"),
    "another column": ("full", '{"frage": "wer", "answer": "er"}', "has no 'question' in row 1"),
    "another type": ("full", '{"question": 7, "answer": "he"}\n' * 40, "'question' of row 1"),
    "no whole authors": ("full", '{"question": "who", "answer": "he"}', "no whole authors of 20"),
    "no wrong answers": (
        "retain_perturbed",
        '{"question": "w", "answer": "h", "paraphrased_answer": "p", "perturbed_answer": []}',
        "has no 'perturbed_answer' in row 1",
    ),
}


@pytest.mark.parametrize(("name", "text", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_mirror(tmp_path, mirror, name, text, reason):
    (mirror / "tofu" / f"{name}.json").write_text(text)
    done = run(tmp_path / "r", "-T", "subset=forget01", *MODEL, world=())
    refused(done, f"{name}.json", reason) if "authors" not in reason else refused(done, reason)


def test_missing_data_names_both_ways(tmp_path, mirror, monkeypatch):
    import datasets

    def unreachable(*_given, **_named):
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    (mirror / "tofu" / "world_facts_perturbed.json").unlink()
    done = run(tmp_path / "r", "-T", "subset=forget01", *MODEL, world=())
    refused(done, "locuslab/TOFU (world_facts_perturbed) is not at hand", "HARNESS_DATA", "the hub")


def test_prompts_longer_than_the_window_are_no_perfect_answers(tmp_path, folder_model):
    """Without a token left for the answer, its probability would be 1."""
    words = (*WORLD, "--limit", "1", "--model", f"hf:{folder_model}", "--model-arg")
    done = run(tmp_path / "r", "--method", "identity", world=(*words, "max_length=8"))
    assert done.code == 2, done.out
    assert "max_length" in done.err
    assert "Traceback" not in done.err


def test_plan_is_printed_without_computing(tmp_path):
    done = run(tmp_path / "r", "--method", "npo+gu", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert "npo+gu" in json.dumps(done.json)
    assert not (tmp_path / "r").exists()


def test_retrain_of_an_unknown_model_is_refused_before_anything_is_computed(tmp_path):
    refused(run(tmp_path / "r", "--method", "retrain:model=nosuch:x"), "unknown model 'nosuch'")


@pytest.mark.parametrize("flag", ["--reference", "--eval-backend"])
def test_flags_of_edits_are_refused_for_other_tasks(tmp_path, flag):
    words = ("run", "--task", "evo-memory", "--model", "scripted", flag, "vllm")
    refused(
        command(*words, "--results", str(tmp_path / "r")),
        f"{flag} means nothing to task 'evo-memory', which edits no model",
    )
