"""What only evaluation may know reaches no editor, and all editors see the same minibatches."""

from __future__ import annotations

import json

import pytest
from edits import MODEL, WORLD, run

from harness.protocols.edit.task import Probe
from harness_tasks.unlearning.tofu.task import Tofu, TofuSettings

RECORDER = """
import json
import re
from collections.abc import Mapping
from pathlib import Path

from harness.protocols.edit import ModelEditor
from harness.registry import About
from harness_methods.unlearning.graddiff import GradDiff

HERE = Path(__file__).parent

def reachable(value, seen, texts, kinds):
    if id(value) in seen:
        return
    seen[id(value)] = value
    kinds.add(type(value).__name__)
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, Mapping):
        for name, one in list(value.items()):
            reachable(name, seen, texts, kinds)
            reachable(one, seen, texts, kinds)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in list(value):
            reachable(one, seen, texts, kinds)
    elif type(value).__module__.split(".")[0] in ("torch", "transformers", "tokenizers"):
        if type(value).__name__ == "PreTrainedTokenizerFast" or "Backend" in type(value).__name__:
            texts.append(value.backend_tokenizer.to_str())
    elif not isinstance(value, type) and not callable(value):
        reachable(dict(getattr(value, "__dict__", {})), seen, texts, kinds)
        for name in getattr(type(value), "__slots__", ()):
            reachable(getattr(value, name, None), seen, texts, kinds)

class Recorder(GradDiff):
    about = About("writes down what it is given", "a test")

    def begin(self, model, data, budget):
        import sys
        frame = sys._getframe(1)  # `train`, which has the progress
        seen, texts, kinds = {}, [], set()
        for one in (model, data, budget, frame.f_locals["progress"], self):
            reachable(one, seen, texts, kinds)
        for name in ("forget", "retain", "calibration", "refusals"):
            assert getattr(data, name)[0] in seen.values()
        (HERE / "canary.json").write_text(json.dumps([texts, sorted(kinds)]))

class Batches(GradDiff):
    about = About("writes down its minibatches", "a test")

    def forget_loss(self, step):
        with (HERE / "batches.jsonl").open("a") as file:
            ids = [step.forget.example_ids, step.retain.example_ids]
            file.write(json.dumps([step.index, *ids, step.forget.ids.tolist()]) + "\\n")
        return super().forget_loss(step)

class Again(Batches):
    about = About("the same with another loss", "a test")

    def forget_loss(self, step):
        return 2 * super().forget_loss(step)
"""

TASK = Tofu(
    TofuSettings(
        subset="drawn",
        data="generated",
        drawn_forget=2,
        drawn_retain=4,
        drawn_held=2,
        questions=4,
    )
)


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "recorder.py"
    path.write_text(RECORDER)
    return f"file:{path}#"


def test_evaluation_only_texts_reach_no_editor(tmp_path, plugin):
    words = (*WORLD, *MODEL, "-T", "steps=1", "--limit", "1")
    done = run(tmp_path / "r", "--method", plugin + "Recorder", world=words)
    assert done.code == 0, done.err
    texts, kinds = json.loads((tmp_path / "canary.json").read_text())
    everything = "\n".join(texts)
    edited = {
        text
        for request in TASK.requests(0)
        for one in (*request.forget, *request.retain)
        for text in (one.question, one.answer)
    }
    assert '"merges"' in everything  # the tokenizer was read too
    assert all(text in everything for text in edited)  # the recorder sees what it should see
    hidden = set()
    for probe in TASK.probes(0):
        question = probe.question
        hidden |= {question.paraphrase, *question.wrong, probe.sample_id}
        if probe.group not in ("forget", "retain"):
            hidden |= {question.example.question, question.example.answer}
    hidden -= {"", *edited}
    # A short answer about the world may be a word of the tokenizer, which is made of the corpus.
    whole = {text for text in hidden if len(text) > 14}
    assert len(whole) > 150
    assert not [text for text in sorted(whole) if text in everything]
    assert not {"Probe", "Question", "Tofu", "EditRun", "EditExecution", "_Work"} & set(kinds)
    assert {"EditData", "Budget", "Example", "CausalLM", "Codec"} <= set(kinds)
    assert Probe.__name__ == "Probe"


def batches(folder):
    lines = (folder / "batches.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_methods_under_one_seed_take_the_same_minibatches(tmp_path, plugin):
    words = (*WORLD, *MODEL, "-T", "steps=4", "--limit", "1", "--seeds", "0,1")
    done = run(
        *(tmp_path / "r", "--method", plugin + "Batches", "--method", plugin + "Again+gu"),
        world=words,
    )
    assert done.code == 0, done.err
    first, again, other, other_again = (
        batches(tmp_path)[start : start + 4] for start in range(0, 16, 4)
    )
    assert first == again
    assert other == other_again
    assert [one[0] for one in first] == [0, 1, 2, 3]
    assert [one[1] for one in first] != [one[1] for one in other]
    assert [one[2] for one in first] != [one[2] for one in other]
    # Two epochs over eight questions in minibatches of four: each is a permutation.
    for epoch in (first[:2], first[2:]):
        assert len({example for one in epoch for example in one[1]}) == 8
    assert first[0][1] != first[2][1]


def test_drawn_authors_vary_with_the_seed_and_are_disjoint():
    splits = [TASK._split(seed) for seed in range(8)]
    assert len({split["forget"] for split in splits}) == 8
    assert TASK._split(3) == splits[3]
    for split in splits:
        names = [name for members in split.values() for name in members]
        assert len(names) == len(set(names)) == 8
        assert [len(split[name]) for name in ("forget", "retain", "held")] == [2, 4, 2]
