"""What a user relies on: the verdict and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from comparing_support import Results, call, streams

from harness.errors import ResultsError, UnknownName, UsageError
from harness.results.schema import Status


def test_a_planted_regression_is_found_and_exits_with_3(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(lost=0.3))
    done = call(before, after)
    assert done.code == 3
    assert done.out.startswith("REGRESSED: candidate ")
    assert "0 better" in done.out


def test_an_improvement_exits_with_0_and_its_mirror_with_3(sides):
    before, after = sides
    before.run("exprag", streams(lost=0.3))
    after.run("exprag", streams())
    done, mirrored = call(before, after, "--json"), call(after, before, "--json")
    assert (done.code, done.json["verdict"]) == (0, "improved")
    assert (mirrored.code, mirrored.json["verdict"]) == (3, "regressed")
    forth, back = done.one["total"], mirrored.one["total"]
    assert forth["difference"] == pytest.approx(-back["difference"])
    assert (forth["low"], forth["high"]) == pytest.approx((-back["high"], -back["low"]))
    assert forth["p"] == back["p"]


def test_one_folder_against_itself_is_not_worse(sides):
    before, _ = sides
    before.run("exprag", streams(groups=1, items=5))
    done = call(before, before, "--json")
    assert (done.code, done.json["verdict"]) == (0, "not_worse")
    assert done.one["total"]["reason"] == "the same runs on both sides"


def test_two_attempts_of_one_command_are_compared_by_their_ids(sides):
    before, _ = sides
    one = before.run("exprag", streams(), work_key="same")
    two = before.run("exprag", streams(lost=0.4), work_key="same")
    done = call(one, two, "--results", before.root, "--json")
    assert done.code == 3
    assert done.one["baseline_runs"] == [one]
    assert done.one["candidate_runs"] == [two]
    assert call(one, "latest", "--results", before.root).code == 3
    assert call(one[-4:], two[-4:], "--results", before.root).code == 3


@pytest.mark.parametrize("groups", [1, 5])
def test_few_streams_never_decide(sides, groups):
    before, after = sides
    before.run("exprag", {f"s{k}": [1] * 50 for k in range(groups)})
    after.run("exprag", {f"s{k}": [0] * 50 for k in range(groups)})
    done = call(before, after, "--json")
    assert done.code == 4
    assert "cannot decide" in done.one["total"]["reason"]
    assert done.one["total"]["detectable"] is None


def test_enough_equal_items_are_not_worse_and_few_are_inconclusive(sides):
    before, after = sides
    for side in sides:
        side.run("exprag", {f"s{k}": [1] for k in range(400)})
    assert call(before, after).code == 0
    assert call(before, after, "--min-effect", "0.001").code == 4


def test_strict_forgives_nothing_and_needs_no_significance(sides):
    before, after = sides
    before.run("exprag", {"s": [1, 1, 1]})
    after.run("exprag", {"s": [1, 1, 0]})
    assert call(before, after).code == 4
    assert call(before, after, "--policy", "strict").code == 3
    assert call(after, before, "--policy", "strict").code == 0
    assert call(before, before, "--policy", "strict").code == 0


def test_missing_items_are_no_pass(sides):
    before, after = sides
    full = {f"s{k}": [1] * 30 for k in range(12)}
    before.run("exprag", full)
    after.run("exprag", {**full, "s0": [1] * 29}, sample_limit=29)
    done = call(before, after, "--json", "--min-effect", "0.2")
    assert (done.code, done.one["total"]["missing"]) == (4, 1)
    assert "missing" in done.one["total"]["reason"]
    assert call(before, after, "--min-effect", "0.2", "--allow", "missing").code == 4  # all tie
    assert call(before, after, "--policy", "strict").code == 3
    assert call(before, after, "--policy", "strict", "--allow", "missing").code == 0


def test_what_a_candidate_gains_by_leaving_items_out_is_no_improvement(sides):
    before, after = sides
    before.run("exprag", {f"s{k}": [0, 0, 1] for k in range(12)})
    after.run("exprag", {f"s{k}": [1, 1] for k in range(12)})
    assert call(before, after, "--json").json["verdict"] == "inconclusive"


def test_a_missing_subset_or_method_is_missing(sides):
    before, after = sides
    for name in ("babyai", "reasoning"):
        before.run("exprag", streams(), subset=name)
    before.run("react", streams(), subset="babyai")
    after.run("exprag", streams(), subset="babyai")
    done = call(before, after, "--json")
    assert done.code == 4
    missing = {one["candidate_method"]: one["total"]["missing"] for one in done.json["comparisons"]}
    assert missing == {"exprag": 200, "": 200}
    chosen = call(before, after, "--json", "--subset", "babyai", "--method", "exprag")
    assert chosen.one["total"]["missing"] == 0


def test_unfinished_runs_are_named_and_do_not_count(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams())
    broken = after.run("exprag", {"s0": [1, Status.ERROR]})
    done = call(before, after)
    assert f"run {broken} of the candidate" in done.out
    assert "it does not count" in done.out


def test_only_unfinished_runs_are_bad_input(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", {"s0": [1, Status.ERROR]})
    with pytest.raises(ResultsError, match="is complete .* is incomplete"):
        call(before, after)


def test_two_methods_are_compared_where_each_side_has_one(sides):
    before, after = sides
    before.run("baseline", streams())
    after.run("exprag", streams(lost=0.4))
    done = call(before, after, "--json")
    assert done.code == 3
    assert (done.one["baseline_method"], done.one["candidate_method"]) == ("baseline", "exprag")


def test_two_methods_of_one_folder_are_chosen_by_name(sides):
    before, _ = sides
    before.run("baseline", streams())
    before.run("exprag", streams(lost=0.4))
    words = (before, before, "--method", "exprag", "--baseline-method", "baseline")
    assert call(*words).code == 3
    with pytest.raises(UnknownName, match="did you mean exprag"):
        call(before, before, "--method", "expragg")


def test_options_of_a_method_are_a_difference_not_another_method(sides):
    before, after = sides
    parts = '[{"role": "memory", "name": "exprag", "options": {"k": %d}}]'
    before.run("exprag", streams(), method_parts=parts % 4)
    after.run("exprag", streams(), method_parts=parts % 8)
    (found,) = call(before, after, "--json").one["differences"]
    assert (found["name"], found["baseline"], found["candidate"]) == (
        *("method", "exprag k=4", "exprag k=8"),
    )


def test_the_newest_run_of_equal_work_counts(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(lost=0.9))
    newest = after.run("exprag", streams())
    assert call(before, after, "--json").one["candidate_runs"] == [newest]


@pytest.mark.parametrize(
    ("column", "option"), [("task_version", "task_version"), ("content_hash", "data")]
)
def test_other_data_or_rules_are_refused_unless_allowed(sides, column, option):
    before, after = sides
    before.run("exprag", streams(), **{column: "one"})
    after.run("exprag", streams(), **{column: "two"})
    with pytest.raises(UsageError, match=f"--allow {option}"):
        call(before, after)
    assert call(before, after, "--allow", option).code in (0, 4)


def test_items_of_other_content_are_found_by_their_hash(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(), hashes="-other")  # the first of each stream
    with pytest.raises(UsageError, match="10 items of evo-memory have another content"):
        call(before, after)
    done = call(before, after, "--allow", "data", "--json")
    assert done.one["changed_content"] == 10
    assert done.one["total"]["n"] == 190
    assert done.json["counts"]["not_comparable"] == 10


def test_what_differs_is_told(sides):
    before, after = sides
    before.run("exprag", streams(), model_revision="abc", versions='{"harness": "1"}')
    after.run("exprag", streams(), model_revision="abd", versions='{"harness": "2"}')
    found = {d["name"]: d["candidate"] for d in call(before, after, "--json").one["differences"]}
    assert found == {"model revision": "abd", "package harness": "2"}


def test_another_model_is_compared_and_told_where_each_side_has_one(sides):
    before, after = sides
    before.run("exprag", streams(), model="a", model_id="org/a")
    after.run("exprag", streams(lost=0.4), model="b", model_id="org/b")
    done = call(before, after, "--json")
    assert done.code == 3
    assert [d["name"] for d in done.one["differences"]] == ["model"]


def test_failed_samples_count_with_the_worst_score_and_are_shown_without(sides):
    before, after = sides
    before.run("exprag", {f"s{k}": [1] * 10 for k in range(10)})
    after.run("exprag", {f"s{k}": [1] * 8 + [Status.FAILED] * 2 for k in range(10)})
    done = call(before, after, "--json")
    assert done.code == 3
    total = done.one["total"]
    assert (total["candidate"], total["candidate_ok"]) == (pytest.approx(0.8), 1.0)
    assert done.one["failed"] == [0, 20]


def test_seeds_of_an_item_are_averaged_and_only_common_ones_count(sides):
    before, after = sides
    for seed in (0, 1):
        before.run("exprag", streams(seed=seed), sample_seed=seed)
    for seed in (1, 2):
        after.run("exprag", streams(seed=seed), sample_seed=seed)
    done = call(before, after, "--json")
    assert done.one["total"]["n"] == 200
    assert done.one["total"]["difference"] == 0
    assert sum("left out" in note for note in done.one["notes"]) == 2


def test_orders_are_crossed_with_streams(sides):
    before, after = sides
    for order in ("shuffle:1", "shuffle:2", "shuffle:3"):
        before.run("exprag", streams(), order=order)
        after.run("exprag", streams(lost=0.5), order=order)
    total = call(before, after, "--json").one["total"]
    assert (total["n"], total["clusters"]) == (200, 10)
    assert total["test"] == "two-way t test"


def test_one_stream_in_several_orders_can_be_decided_item_by_item(sides):
    before, after = sides
    for order in range(4):
        scores = streams(groups=1, items=60, wrong=0.2)
        before.run("exprag", scores, order=f"shuffle:{order}")
        lost = {"s0": [v and (k + order) % 3 > 0 for k, v in enumerate(scores["s0"])]}
        after.run("exprag", lost, order=f"shuffle:{order}")
    assert call(before, after).code == 3


def test_subsets_weigh_the_same_and_are_told_behind_the_gate(sides):
    before, after = sides
    before.run("exprag", streams(groups=10, items=40), subset="reasoning")
    before.run("exprag", streams(groups=10, items=4), subset="babyai")
    after.run("exprag", streams(groups=10, items=40), subset="reasoning")
    after.run("exprag", streams(groups=10, items=4, lost=0.6), subset="babyai")
    done = call(before, after, "--json")
    assert done.code == 3
    verdicts = {one["name"]: one["verdict"] for one in done.one["subsets"]}
    assert verdicts["babyai"] == "regressed"
    assert verdicts["reasoning"] != "regressed"
    means = [one["difference"] for one in done.one["subsets"]]
    assert done.one["total"]["difference"] == pytest.approx(sum(means) / 2)
    gate = done.one["total"]["adjusted_p"]
    assert all(one["adjusted_p"] >= gate for one in done.one["subsets"])


def test_a_saved_board_stands_for_its_runs(sides):
    from typer import Typer
    from typer.testing import CliRunner

    from harness_leaderboards.command import leaderboard

    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(lost=0.4))
    app = Typer()
    app.command()(leaderboard)
    CliRunner().invoke(app, ["--results", str(before.root)], catch_exceptions=False)
    board = before.root / "leaderboards" / "evo-memory.parquet"
    assert call(board, after).code == 3
    with pytest.raises(UsageError, match="cannot read the board"):
        call(before.root / "nothing.parquet", after)


def test_unreadable_files_exit_with_1_but_not_before_a_regression(sides):
    before, after = sides
    before.run("exprag", streams())
    after.run("exprag", streams(), work_key="x")
    (after.root / "runs" / "broken.parquet").write_bytes(b"junk")
    done = call(before, after)
    assert done.code == 1
    assert "skipped runs/broken.parquet" in done.err
    after.run("exprag", streams(lost=0.5))
    assert call(before, after).code == 3


def test_a_run_whose_samples_are_damaged_is_missing(sides):
    before, after = sides
    before.run("exprag", streams())
    run = after.run("exprag", streams())
    (after.root / "samples" / "task=evo-memory" / f"{run}.parquet").write_bytes(b"junk")
    done = call(before, after, "--json")
    assert done.code == 1
    assert done.one["total"]["missing"] == 200
    assert run in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--alpha", "2"], "--alpha is an error rate"),
        (["--min-effect", "-1"], "--min-effect is a size"),
        (["--policy", "strikt"], "did you mean strict"),
        (["--allow", "everything"], "unknown allowance"),
        (["--permutations", "0"], "--permutations is 1 to"),
        (["--metric", "scoore"], "did you mean score"),
        (["--metric", "q100:score"], "unknown metric|no quantile"),
        (["--metric", "median:nothing"], "unknown value of samples"),
        (["--direction", "up"], "unknown direction"),
        (["--task", "evo-memori"], "did you mean evo-memory"),
        (["--subset", "baby"], "did you mean babyai"),
    ],
)
def test_bad_input_is_one_sentence(sides, words, sentence):
    for side in sides:
        side.run("exprag", streams())
    with pytest.raises(UsageError, match=sentence):
        call(*sides, *words)


def test_a_folder_without_runs_says_what_to_name(sides, tmp_path):
    sides[0].run("exprag", streams())
    with pytest.raises(UsageError, match="is no results folder"):
        call(sides[0], tmp_path)
    with pytest.raises(UsageError, match="no folder 'nowhere'"):
        call(sides[0], "nowhere", "--results", tmp_path / "none")


def test_sides_without_common_work_are_bad_input(sides):
    before, after = sides
    before.run("exprag", streams(), task="evo-memory")
    after.run("exprag", streams(), task="tofu", protocol="edit")
    with pytest.raises(UsageError, match="no work in common"):
        call(before, after)


def test_options_come_from_the_environment(sides):
    before, after = sides
    before.run("exprag", {"s": [1, 1]})
    after.run("exprag", {"s": [1, 0]})
    assert call(before, after, env={"HARNESS_POLICY": "strict"}).code == 3
    done = call(before, after, env={"HARNESS_ALLOW": "data,missing"})
    assert done.code == 4


def test_importing_the_command_is_light():
    heavy = ["pandas", "pyarrow", "numpy", "duckdb", "scipy"]
    code = (
        "import sys, typer; before = set(sys.modules); "
        "import harness_leaderboards.comparing.command; "
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", json.dumps(done.stdout)


@pytest.mark.parametrize(
    "folder", ["score=9", "run_id=x", "sample_id=x", "status=failed", "metrics=5", "checkpoint=x"]
)
def test_a_folder_on_the_way_to_the_results_is_no_column(tmp_path, folder):
    before, after = (Results(tmp_path / folder / name) for name in ("before", "after"))
    before.run("exprag", streams())
    after.run("exprag", streams(lost=0.4))
    total = call(before, after, "--json").one["total"]
    assert total["verdict"] == "regressed"
    assert total["baseline"] <= 1
    steps = call(before, after, "--metric", "steps", "--json").one["total"]
    assert (steps["baseline"], steps["candidate"], steps["n"]) == (1.0, 1.0, 200)


def test_settings_that_cannot_be_read_are_a_difference():
    from harness_leaderboards.comparing.differences import differences
    from harness_leaderboards.comparing.matching import RunPair
    from harness_leaderboards.comparing.runs import Run

    whole, broken = (Run(None, {"run_id": "x", "task_options": one}) for one in ("{}", "{bad"))
    assert broken.options != whole.options
    (one,) = differences([RunPair(whole, broken)])
    assert (one.name, one.candidate) == ("task option that cannot be read", "{bad")
