"""`harness score arc-agi`: submissions under three rules, by hand and against recorded runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from edits import command, refused
from small_puzzles import GOLD, WRONG, answered, write_mirror

from harness.doctor import Asked, State
from harness.doctor.names import mirror_files
from harness.errors import MissingData
from harness_tasks.arc_agi import data

LATER = {"Copy1": [{"attempt_1": WRONG, "attempt_2": GOLD["Copy1"][0]}, {"attempt_3": WRONG}]}


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Score a submission of three small puzzles; returns the JSON."""
    monkeypatch.setenv("HARNESS_DATA", str(write_mirror(tmp_path / "mirror")))
    monkeypatch.delenv("HARNESS_TASK_OPTION", raising=False)
    data.problems.cache_clear()

    def call(document, *more):
        path = document
        if not isinstance(document, Path):
            path = tmp_path / "submission.json"
            path.write_text(json.dumps(document))
        done = command("score", "arc-agi", str(path), "-T", "subset=concept", *more, "--json")
        assert done.code == 0, done.err
        return done.json

    yield call
    data.problems.cache_clear()


def solved(found):
    return {name: found[name]["solved"] for name in ("task_mean", "strict", "pooled")}


def test_a_perfect_submission(score):
    found = score(answered())
    assert (found["k"], found["n_expected"], found["subset"]) == (2, 3, "concept")
    assert solved(found) == {"task_mean": 3.0, "strict": 3, "pooled": 6}
    assert {found[name]["percent"] for name in solved(found)} == {100}
    assert found["malformed"] == []
    # Wilson's interval of 3 in 3 begins at 3 / (3 + 1.96**2).
    assert found["task_mean"]["low"] == pytest.approx(43.85, abs=0.005)
    assert found["task_mean"]["high"] == 100
    assert found["intervals"]["task_mean"]["low"] == pytest.approx(0.4385, abs=5e-5)


def test_partial_credit_under_three_rules(score):
    # A half of Copy1 by its second attempt, a third of Fill1, Copy2 is missing.
    thirds = [{"attempt_1": one} for one in (WRONG, GOLD["Fill1"][1], WRONG)]
    found = score({**LATER, "Fill1": thirds})
    assert solved(found) == {"task_mean": pytest.approx(5 / 6), "strict": 0, "pooled": 2}
    assert found["task_mean"]["expected"] == found["strict"]["expected"] == 3
    assert found["pooled"]["expected"] == 6
    assert found["task_mean"]["percent"] == pytest.approx(500 / 18)
    assert found["tasks"] == {"Copy1": 0.5, "Copy2": 0, "Fill1": pytest.approx(1 / 3)}
    assert found["metrics"]["pooled"] == 1 / 3
    assert found["n"]["pooled"] == 6
    assert found["first"]["task_mean"]["solved"] == pytest.approx(1 / 3)
    kinds = {(one["task"], one["kind"]) for one in found["malformed"]}
    assert kinds == {("Copy1", "beyond-k"), ("Copy2", "missing-task")}
    assert found["n_unanswered"] == 2
    assert any("1 tasks are missing" in note for note in found["notes"])


def test_thirds_add_up_to_whole_tasks(score, tmp_path):
    corpus = tmp_path / "mirror" / "concept_arc" / "corpus" / "Fill"
    text = (corpus / "Fill1.json").read_text()
    for number in range(2, 11):
        (corpus / f"Fill{number}.json").write_text(text)
    third = [{"attempt_1": GOLD["Fill1"][0]}, {"attempt_1": WRONG}, {"attempt_1": WRONG}]
    found = score({f"Fill{number}": third for number in range(1, 7)})
    assert sum([1 / 3] * 6) != 2
    assert found["task_mean"]["solved"] == 2.0


def test_k_decides_which_attempts_count(score):
    later = answered(**LATER)
    assert score(later)["task_mean"]["solved"] == 2.5
    one = score(later, "--k", "1")
    assert (one["k"], one["task_mean"]["solved"]) == (1, 2.0)
    assert [tried["attempt"] for tried in one["malformed"]] == [3]  # a second one is allowed
    assert (one["n_beyond_k"], score(later)["n_beyond_k"]) == (2, 1)
    assert any("2 attempts are beyond K = 1" in note for note in one["notes"])
    assert one == score(later, "-T", "k=1")
    assert one["task_mean"] == score(later)["first"]["task_mean"]
    third = answered(Copy1=[{"attempt_1": GOLD["Copy1"][0]}, {"attempt_3": GOLD["Copy1"][1]}])
    assert score(third)["task_mean"]["solved"] == 2.5
    assert score(third, "--k", "3")["task_mean"]["solved"] == 3.0


def test_every_form_has_the_same_score(score, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name, entries in answered(**LATER).items():
        tries = [
            {
                key: {"answer": grid, "metadata": {"pair_index": n, "cost": {"total_cost": 1.0}}}
                for key, grid in entry.items()
            }
            for n, entry in enumerate(entries)
        ]
        (folder / f"{name}.json").write_text(json.dumps(tries))
    assert solved(score(folder)) == solved(score(answered(**LATER)))
    assert solved(score(folder))["task_mean"] == 2.5


def test_a_task_alone_counts_against_all_expected_ones(score, tmp_path):
    path = tmp_path / "Copy2.json"
    path.write_text(json.dumps(answered()["Copy2"]))
    assert score(path)["task_mean"]["solved"] == 1
    assert score(path)["task_mean"]["expected"] == 3


def test_malformed_answers_are_listed_and_unsolved(score):
    bad = [{"attempt_1": [[7], [1, 2]]}, {"attempt_1": None}, {"attempt_1": [[9.0]]}]
    found = score(answered(Fill1=bad, Other=[]))
    assert solved(found) == {"task_mean": 2.0, "strict": 2, "pooled": 3}
    assert found["malformed"] == [
        {
            "task": "Fill1",
            "test_input": 0,
            "attempt": 1,
            "kind": "no-grid",
            "problem": "row 2 has 2 cells, row 1 has 1",
        },
        {
            "task": "Fill1",
            "test_input": 2,
            "attempt": 1,
            "kind": "no-grid",
            "problem": "row 1, column 1 is 9.0, no integer",
        },
        {
            "task": "Other",
            "test_input": None,
            "attempt": None,
            "kind": "unknown-task",
            "problem": "no such task is expected; it counts nothing",
        },
    ]
    assert (found["n_malformed"], found["n_null_attempts"], found["n_unanswered"]) == (3, 1, 3)


def test_a_task_twice_is_listed_and_the_first_counts(score, tmp_path):
    path = tmp_path / "twice.json"
    again = f', "Copy2": {json.dumps([{"attempt_1": WRONG}])}}}'
    path.write_text(json.dumps(answered())[:-1] + again)
    found = score(path)
    assert found["task_mean"]["solved"] == 3
    (one,) = found["malformed"]
    assert (one["task"], one["kind"]) == ("Copy2", "repeated-name")


def test_published_scores_are_compared(score):
    published = {
        "score": 3.0,
        "total_tasks": 3,
        "task_results": {"Copy1": 1.0, "Copy2": 1.0, "Fill1": 0.0, "Elsewhere": 1.0},
    }
    found = score({"submission": answered(**LATER), "published": published})
    assert found["recorded"] == {"solved": 3.0, "task_mean": 1.0}
    assert found["published"] == {
        "score": 3.0,
        "total_tasks": 3.0,
        "sum_of_tasks": 3.0,
        "n_tasks": 4,
        "n_equal": 1,
        "n_not_expected": 1,
        "differing": [
            {"task": "Copy1", "published": 1.0, "computed": 0.5},
            {"task": "Fill1", "published": 0.0, "computed": 1.0},
        ],
    }
    assert any("1 are equal to these, 2 differ" in note for note in found["notes"])
    assert not any("is not the sum" in note for note in found["notes"])
    assert score(answered())["published"] is None


def test_a_total_that_is_not_its_own_sum_is_told(score):
    published = {"score": 4.0, "task_results": {"Copy1": 1.0, "Copy2": 1.0, "Fill1": 1.0}}
    found = score({"submission": answered(), "published": published})
    assert any("total 4 is not the sum of its own task scores, 3." in one for one in found["notes"])


def test_what_a_fit_gives_away_is_told(score):
    assert score(answered())["leaked"] is None
    found = score(answered(), "-T", "fitted_on=concept")
    assert found["leaked"] == {
        "fitted_on": ["concept"],
        "n_tasks": 3,
        "tasks": ["Copy1", "Copy2", "Fill1"],
        "task_mean_of_others": None,
    }
    assert any("holds answers of 3 of the 3 tasks" in note for note in found["notes"])


def test_a_foreign_submission_scores_nothing_and_says_why(score):
    found = score({"f0afb749": [{"attempt_1": WRONG}]})
    assert found["task_mean"]["percent"] == 0
    assert any("has none of these tasks; -T subset=" in note for note in found["notes"])


def test_the_table_shows_what_was_recorded(score, tmp_path):
    score({"submission": answered(**LATER), "published": {"score": 2.5, "total_tasks": 3}})
    path = str(tmp_path / "submission.json")
    lines = command("score", "arc-agi", path, "-T", "subset=concept").out.splitlines()
    assert lines[0].split() == ["metric", "value", "interval", "recorded", "n"]
    assert lines[1].split()[:2] == ["task_mean", "0.833333"]
    assert lines[1].split()[-2:] == ["0.833333", "3"]


def test_bad_input_is_one_sentence(score, tmp_path):
    score(answered())
    path, subset = str(tmp_path / "submission.json"), ("-T", "subset=concept")
    call = ("score", "arc-agi", path, *subset)
    refused(command(*call, "--reference", path), "takes no --reference")
    refused(command(*call, "--k", "0"), "k='0' is refused")
    refused(command(*call, "--k", "2", "-T", "k=3"), "--k 2 and -T k=3 contradict each other")
    assert command(*call, "--k", "3", "-T", "k=3", "--json").json["k"] == 3
    refused(command(*call, "-T", "subset=3-training"), "subset='3-training' is refused")
    refused(command("score", "imagenet-c", path, "--k", "2"), "--k says how many attempts count")
    refused(command("score", "imagenet-c", str(tmp_path)), "is a folder; a file is wanted")
    refused(command("score", "arc-agi", str(tmp_path / "none"), *subset), "there is no file")
    refused(command("score", "arc-agi", str(tmp_path / "mirror"), *subset), "holds no .json file")
    for name, text in (("empty.json", "{}"), ("none.json", "[]"), ("mine.json", "[{}]")):
        (tmp_path / name).write_text(text)
        refused(command("score", "arc-agi", str(tmp_path / name), *subset), "holds no submission")
    (tmp_path / "text.json").write_text("hello")
    refused(command("score", "arc-agi", str(tmp_path / "text.json"), *subset), "is no JSON")


def test_doctor_says_that_conceptarc_needs_a_mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (missing,) = (one for one in mirror_files(Asked()) if "arc-agi/" in one.detail)
    assert (missing.state, missing.name.split("/")[0]) == (State.MISSING, "concept_arc")
    assert "arc-agi/concept" in missing.detail
    assert "victorvikram/ConceptARC" in missing.detail
    path = tmp_path / missing.name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    (there,) = (one for one in mirror_files(Asked()) if "arc-agi/" in one.detail)
    assert there.state is State.OK


# Recorded runs on the 400 evaluation tasks of ARC-AGI-1; arcprize/arc-agi-benchmarking @f9fc31a.
# Task mean under K = 2 and K = 1, test inputs and whole tasks under K = 2, published total.
RUNS = {
    "claude_sonnet_20241022": (81.0, 74.0, 88, 78, 81.0),
    "open_ai_o1_high_20241217": (157.0, 129.5, 172, 155, 157.0),
    "open_ai_o1_mini_20241217": (54.0, 44.0, 62, 52, 55.0),
}


@pytest.mark.mirror
@pytest.mark.parametrize("run", RUNS)
def test_recorded_runs_have_their_published_task_scores(run):
    folder = Path(os.environ.get("HARNESS_DATA", "")) / "arc_submissions"
    if "HARNESS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("HARNESS_DATA does not point at a mirror with arc_submissions")
    try:
        data.problems("1-evaluation")
    except MissingData as error:
        pytest.skip(f"the wheel with ARC-AGI's puzzles is not at hand ({error})")
    task_mean, first, inputs, whole, published = RUNS[run]
    path = str(folder / f"{run}.json")
    call = ("score", "arc-agi", path, "-T", "subset=1-evaluation", "--json")
    found = command(*call, "-T", "fitted_on=2-training").json
    assert (found["k"], found["n_expected"]) == (2, 400)
    assert solved(found) == {"task_mean": task_mean, "strict": whole, "pooled": inputs}
    assert found["pooled"]["expected"] == 419
    assert found["first"]["task_mean"]["solved"] == first
    assert command(*call, "--k", "1").json["task_mean"]["solved"] == first
    assert found["published"]["n_equal"] == 400
    assert found["published"]["differing"] == []
    assert found["recorded"] == {"solved": published, "task_mean": published / 400}
    wrong_total = [note for note in found["notes"] if "is not the sum of its own" in note]
    assert len(wrong_total) == (published != task_mean)
    assert found["leaked"]["n_tasks"] == 376
    assert found["leaked"]["task_mean_of_others"]["expected"] == 24
