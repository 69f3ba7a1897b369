"""``arc-challenge`` and ``arc-easy`` as commands: equal to lm-eval run alone, and edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edits import command, refused, save_folder_model
from lm_eval_alone import directly, hflm, simple

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.causal import Corpus, HubCausalLM
from harness.protocols.edit.task import Probe, ProbeResult
from harness.quiet import quiet
from harness.results.store import ResultsStore

TOLERANCE = 1e-4
TEST, TRAIN = 26, 30


@pytest.fixture
def world(lab, tmp_path, monkeypatch, no_hub):
    """A mirror with made-up questions in both configurations, and a model in a folder."""
    folder = tmp_path / "mirror" / "ai2_arc"
    folder.mkdir(parents=True)
    for number, name in enumerate(("ARC-Challenge", "ARC-Easy")):
        for split, count in (("test", TEST), ("train", TRAIN)):
            rows = lab.arc_items(count, seed=7 * number + count)
            text = "\n".join(json.dumps(row) for row in rows)
            (folder / f"{name}-{split}.jsonl").write_text(text)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "mirror"))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_folder_model(tmp_path_factory.mktemp("model"))


def run(results: Path, task: str, *words: str):
    return command("run", "--task", task, "--results", str(results), *words)


def samples(results: Path, task: str) -> list[dict]:
    store = ResultsStore(results)
    (one,) = store.runs()
    rows = store.samples(task, [one.run_id]).to_dict("records")
    return sorted(rows, key=lambda row: int(row["sample_id"].partition("/")[2]))


@pytest.mark.filterwarnings("default")  # of lm-eval and datasets as they load files themselves
@pytest.mark.parametrize(
    ("task", "name", "shots"),
    [
        ("arc-challenge", "arc_challenge", 0),
        ("arc-challenge", "arc_challenge", 3),
        ("arc-easy", "arc_easy", 0),
    ],
)
def test_a_run_equals_lm_eval_run_alone(world, model, tmp_path, task, name, shots):
    words = ("--model", f"hf:{model}", "-T", f"shots={shots}", "-T", "forget=4")
    done = run(tmp_path / "r", task, *words)
    assert done.code == 0, done.err
    configuration = {"arc_challenge": "ARC-Challenge", "arc_easy": "ARC-Easy"}[name]
    files = {split: world / f"{configuration}-{split}.jsonl" for split in ("test", "train")}
    files["validation"] = files["train"]
    with quiet():
        manager, local = directly(name, "arc", files)
    loaded = HubCausalLM(ModelRequest.parse(f"hf:{model}")).base(Corpus((), ()), 0)
    theirs = simple(hflm(loaded), [local], manager, num_fewshot=shots)
    expected = {one["doc_id"]: one for one in theirs["samples"][local]}

    rows = [row for row in samples(tmp_path / "r", task) if row["group"] == "test"]
    assert len(rows) == len(expected) == TEST
    for row in rows:
        other = expected[int(row["sample_id"].removeprefix("test/"))]
        likelihoods = [one[0] for one in other["filtered_resps"]]
        mine = [row["metrics"][f"logprob_{place}"] for place in range(len(likelihoods))]
        assert mine == pytest.approx(likelihoods, abs=TOLERANCE)
        assert row["metrics"]["acc"] == other["acc"]
        assert row["score"] == row["metrics"]["acc_norm"] == other["acc_norm"]
    (one,) = ResultsStore(tmp_path / "r").runs()
    found = dict(ResultsStore(tmp_path / "r").row(one.run_id)["metrics"])
    for metric in ("acc", "acc_norm"):
        assert found[metric] == pytest.approx(theirs["results"][local][f"{metric},none"], abs=1e-12)
        assert found[f"{metric}_low"] < found[metric] < found[f"{metric}_high"]
    assert found["score"] == found["acc_norm"]


@pytest.mark.filterwarnings("default")
def test_any_editor_can_be_asked_and_its_own_questions_are_told_apart(world, model, tmp_path):
    words = ("--model", f"hf:{model}", "-T", "forget=6", "-T", "steps=2", "-T", "batch_size=4")
    done = run(tmp_path / "r", "arc-challenge", "--method", "graddiff", *words)
    assert done.code == 0, done.err
    rows = [row for row in samples(tmp_path / "r", "arc-challenge") if row["checkpoint"] == "final"]
    assert [row["group"] for row in rows].count("forget") == 6
    assert [row["group"] for row in rows].count("test") == TEST
    done = command("leaderboard", "arc-challenge", "--results", str(tmp_path / "r"))
    assert done.code == 0, done.err
    assert "acc_norm" in done.out


def test_missing_questions_are_named(tmp_path, monkeypatch, model, no_hub):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = run(tmp_path / "r", "arc-easy", "--model", f"hf:{model}")
    refused(done, "allenai/ai2_arc (ARC-Easy-t", "is not at hand")


def test_no_test_question_is_among_what_editors_get(world):
    from harness_tasks.ai2_arc.task import ArcChallenge, ArcSettings

    task = ArcChallenge(ArcSettings(forget=9))
    (data,) = task.requests(0)
    assert len(data.forget) == 9
    assert len(data.forget) + len(data.retain) < TRAIN  # a test question is among these
    tests = {one.sample_id for one in task.probes(0) if one.group == "test"}
    assert len(tests) == TEST
    given = {one.question for one in (*data.forget, *data.retain)}
    asked = {task._tests[name].document.pairs[0].context for name in tests}
    assert not given & asked
    other = task.requests(1)[0]
    assert {one.example_id for one in other.forget} != {one.example_id for one in data.forget}


@pytest.mark.parametrize(
    ("right", "low", "high"),
    [  # Wilson 1927 at z = 1.96: 0 of 3 ends at z**2 / (3 + z**2), 1 of 3 by hand.
        (0, 0.0, 0.5615),
        (1, 0.0615, 0.7923),
        (3, 0.4385, 1.0),
    ],
)
def test_intervals_are_wilsons_and_stay_within_0_and_1(right, low, high):
    from harness_tasks.ai2_arc.task import ArcChallenge, ArcSettings

    rows = [
        ProbeResult(Probe(f"test/{n}", "test", f"test/{n}", "hash"), score, {"acc_norm": score})
        for n, score in enumerate([1.0] * right + [0.0] * (3 - right))
    ]
    found = ArcChallenge(ArcSettings()).aggregate(rows, None).metrics
    assert found["acc_norm"] == pytest.approx(right / 3)
    ends = found["acc_norm_low"], found["acc_norm_high"]
    assert ends == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("shots=31", "forget=4"), f"shots=31 is refused: arc_easy has {TRAIN} training questions"),
        (("forget=50",), "forget=50 is refused: arc_easy has"),
    ],
)
def test_more_questions_than_there_are_are_refused(world, model, tmp_path, words, said):
    options = [word for one in words for word in ("-T", one)]
    done = run(tmp_path / "r", "arc-easy", "--model", f"hf:{model}", *options)
    refused(done, said, "take at most")


def test_all_training_questions_but_one_can_be_used(world):
    from harness_tasks.ai2_arc.task import ArcEasy, ArcSettings

    usable = len(ArcEasy(ArcSettings())._usable)
    task = ArcEasy(ArcSettings(forget=usable - 1, shots=TRAIN))
    assert len(task.probes(0)) == TEST + usable - 1
    with pytest.raises(UsageError, match=f"take at most {usable - 1}"):
        ArcEasy(ArcSettings(forget=usable)).requests(0)


def test_the_two_arcs_cannot_be_confused(tmp_path):
    refused(command("run", "--task", "arc", "--results", str(tmp_path)), "arc-agi", "arc-easy")
