from __future__ import annotations

import math

import pytest
from scipy import stats

from harness.results.schema import Status
from harness.statistics import Verdict
from harness_leaderboards.boards import Board, board_named, detailed
from harness_leaderboards.build import build

EVO_MEMORY = detailed(board_named("evo-memory"))

# Case 1 of section 5.3 of the notes on Evo-Memory (arXiv 2511.20857).
METHOD, BASELINE = [0, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 0]


def section_of(results, board=EVO_MEMORY):
    (section,) = build(board, results.store).sections
    return section


def row_of(results, method, board=EVO_MEMORY):
    return next(row for row in section_of(results, board).rows if row.method == method)


def test_reference_case_as_one_stream(results):
    results.run("baseline", {"s": BASELINE})
    results.run("exprag", {"s": METHOD})
    row = row_of(results, "exprag")
    gain = row.gain
    assert gain.difference == pytest.approx(0.33333, abs=5e-6)
    assert (gain.n, gain.clusters, gain.wins, gain.losses, gain.ties) == (6, 1, 2, 0, 4)
    assert gain.slope == pytest.approx(0.1142857, abs=5e-8)
    assert (gain.first_third, gain.last_third) == (0.0, 0.5)
    assert (gain.p, gain.smallest_p, gain.verdict) == (1.0, 1.0, Verdict.INCONCLUSIVE)
    assert (row.score.mean, row.score.low) == (pytest.approx(2 / 3), None)
    assert [point.cumulative for point in row.curve] == pytest.approx(
        [0, 0.5, 0.6667, 0.5, 0.6, 0.6667], abs=5e-5
    )
    assert [point.rolling for point in row.curve[:2]] == [None, None]
    assert [point.rolling for point in row.curve[2:]] == pytest.approx([2 / 3] * 4)


def test_reference_case_as_one_item_streams_is_mcnemar(results):
    results.run("baseline", {f"s{i}": [y] for i, y in enumerate(BASELINE)})
    results.run("exprag", {f"s{i}": [y] for i, y in enumerate(METHOD)})
    gain = row_of(results, "exprag").gain
    assert (gain.clusters, gain.test.value) == (6, "mcnemar")
    assert gain.p == pytest.approx(0.5)


def test_many_streams_give_an_interval_and_a_verdict(results):
    results.run("baseline", {f"s{i}": [0, 0] for i in range(8)})
    results.run("exprag", {f"s{i}": [1, i % 2] for i in range(8)})
    row = row_of(results, "exprag")
    values = [1.0 if i % 2 else 0.5 for i in range(8)]
    half = stats.t.ppf(0.975, 7) * stats.sem(values)
    assert (row.score.low, row.score.high) == pytest.approx((0.75 - half, 0.75 + half))
    assert row.gain.p == pytest.approx(2**-7)
    assert row.gain.verdict is Verdict.IMPROVED


def test_p_is_adjusted_over_the_other_methods_only(results):
    results.run("baseline", {f"s{i}": [0] for i in range(7)})
    results.run("good", {f"s{i}": [1] for i in range(7)})
    results.run("same", {f"s{i}": [0] for i in range(7)})
    good, same = row_of(results, "good").gain, row_of(results, "same").gain
    assert (good.comparisons, good.p, good.adjusted_p) == (2, 2**-6, 2**-5)
    assert (good.smallest_p, good.verdict) == (2**-5, Verdict.IMPROVED)
    assert (same.adjusted_p, same.verdict) == (1.0, Verdict.INCONCLUSIVE)


def test_equal_scores_are_not_worse_only_on_very_many_streams(results):
    for method in ("baseline", "same"):
        results.run(method, {f"s{i}": [i % 2] for i in range(300)})
    assert row_of(results, "same").gain.verdict is Verdict.NOT_WORSE
    steps = Board("steps", "evo-memory", metric="steps", higher_is_better=False, worst=64)
    assert row_of(results, "same", steps).gain.verdict is Verdict.INCONCLUSIVE


def test_progress_of_failed_samples_counts_zero(results):
    results.run("baseline", {"s": [0]}, metrics={"progress": 0.5})
    failing = results.run("exprag", {"s": [1, Status.FAILED]}, metrics={"progress": 0.5})
    results.run("react", {"s": [Status.FAILED]}, metrics={"steps": 2.0})
    assert failing in row_of(results, "exprag").run_ids
    assert row_of(results, "exprag").progress == 0.25
    assert row_of(results, "react").progress == 0.0  # it broke before it could report any


def test_baseline_is_first_then_best_to_worst(results):
    for method, score in (("a-bad", 0), ("baseline", 0.1), ("good", 1), ("b-bad", 0)):
        results.run(method, {"s": [score]})
    methods = [row.method for row in section_of(results).rows]
    assert methods == ["baseline", "good", "a-bad", "b-bad"]


def test_failed_counts_as_zero_and_invalid_is_left_out_of_both_sides(results):
    results.run("baseline", {"s": [1, 1, Status.INVALID, 1]})
    results.run("exprag", {"s": [1, Status.FAILED, 1, Status.INVALID]})
    row = row_of(results, "exprag")
    assert (row.n_scored, row.n_planned, row.n_failed, row.n_invalid) == (3, 4, 1, 1)
    assert row.score.mean == pytest.approx(2 / 3)
    assert (row.gain.n, row.gain.left_out, row.gain.difference) == (2, 2, -0.5)


def test_items_are_paired_only_with_equal_content(results):
    results.run("baseline", {"s": [0, 0, 0]})
    results.run("exprag", {"s": [1, 1, 0]}, hashes="-edited")
    gain = row_of(results, "exprag").gain
    assert (gain.n, gain.changed_content, gain.wins, gain.ties) == (2, 1, 1, 1)


def test_items_of_one_side_are_counted_not_compared(results):
    results.run("baseline", {"s": [0, 0]})
    results.run("exprag", {"s": [1, 1, 1], "t": [1]})
    gain = row_of(results, "exprag").gain
    assert (gain.n, gain.unmatched) == (2, 2)


def test_without_a_common_item_there_is_a_reason(results):
    results.run("baseline", {"s": [0]})
    results.run("exprag", {"t": [1]})
    row = row_of(results, "exprag")
    assert (row.gain, row.no_gain) == (None, "no scored item in common with baseline")


def test_without_a_baseline_gains_are_empty_and_the_section_says_so(results):
    results.run("exprag", {"s": [1, 0]})
    section = section_of(results)
    assert section.rows[0].gain is None
    assert "no complete run of baseline here" in section.notes[0]
    assert "--method baseline" in section.notes[0]


def test_unfinished_runs_are_listed_unranked(results):
    results.run("baseline", {"s": [1, 0]})
    broken = results.run("exprag", {"s": [1, Status.ERROR]}, n_planned=4, n_done=1)
    board = build(EVO_MEMORY, results.store)
    assert [row.method for row in board.sections[0].rows] == ["baseline"]
    (one,) = board.unranked
    assert (one.run_id, one.status) == (broken, "incomplete")
    assert (one.n_done, one.n_planned, one.n_error) == (1, 4, 1)


def test_a_journal_without_tables_is_listed_as_interrupted(results):
    results.run("baseline", {"s": [1]})
    attempt = results.store.claim("v1-other", "code", fresh=True)
    summary = {"work_key": "v1-other", "code_hash": "code", "task": "evo-memory"}
    summary |= {"subset": "babyai", "method": "exprag", "model": "smollm2", "order": "native"}
    summary |= {"sample_seed": 0, "n_planned": 9, "started_at": ""}
    attempt.journal.append({"kind": "run", "summary": summary})
    running = build(EVO_MEMORY, results.store).unranked
    attempt.journal.close()
    interrupted = build(EVO_MEMORY, results.store).unranked
    assert [one.status for one in running + interrupted] == ["running", "interrupted"]
    assert interrupted[0].n_planned == 9


def test_unfinished_attempt_is_hidden_once_the_same_work_was_finished(results):
    results.run("exprag", {"s": [1, Status.ERROR]})
    results.run("exprag", {"s": [1, 1]})
    assert build(EVO_MEMORY, results.store).unranked == ()


def test_only_the_newest_run_of_a_method_and_seed_counts(results):
    results.run("exprag", {"s": [0, 0]})
    newest = results.run("exprag", {"s": [1, 1]}, work_key="v1-other-code")
    row = row_of(results, "exprag")
    assert (row.run_ids, row.score.mean) == ((newest,), 1.0)


def test_one_method_under_two_names_is_one_row(results):
    results.run("exprag", {"s": [0]}, method_parts='["P"]', work_key="k")
    results.run("direct+exprag", {"s": [1]}, method_parts='["P"]', work_key="k")
    assert [row.method for row in section_of(results).rows] == ["direct+exprag"]


def test_baseline_is_recognised_under_another_name(results):
    results.run("baseline", {"s": [0]}, method_parts='["P"]', work_key="k")
    results.run("direct", {"s": [1]}, method_parts='["P"]', work_key="k")
    row = row_of(results, "baseline")
    assert row.score.mean == 1.0


def test_seeds_are_repeats_of_items_not_more_items(results):
    results.run("baseline", {"s": [0, 0], "t": [0, 1]})
    results.run("exprag", {"s": [1, 0], "t": [0, 1]}, sample_seed=0)
    results.run("exprag", {"s": [1, 1], "t": [0, 1]}, sample_seed=1)
    row = row_of(results, "exprag")
    assert (row.sample_seeds, row.n_scored, row.n_planned, row.clusters) == ((0, 1), 8, 8, 2)
    assert row.score.mean == pytest.approx(5 / 8)
    assert (row.gain.n, row.gain.clusters, row.gain.wins) == (4, 2, 2)
    assert row.gain.difference == pytest.approx(1.5 / 4)


def test_seeds_of_different_code_are_noted(results):
    results.run("exprag", {"s": [1]}, sample_seed=0, code_hash="old")
    results.run("exprag", {"s": [1]}, sample_seed=1, code_hash="new")
    assert any("different code" in note for note in section_of(results).notes)


@pytest.mark.parametrize(
    "column",
    ["task_version", "subset", "task_options", "model_id", "model_revision", "sampling", "order"],
)
def test_different_settings_are_never_compared(results, column):
    results.run("baseline", {"s": [0]})
    value = '{"other": 1}' if column in ("task_options", "sampling") else "other"
    results.run("exprag", {"s": [1]}, **{column: value})
    board = build(EVO_MEMORY, results.store)
    assert sorted(len(section.rows) for section in board.sections) == [1, 1]


@pytest.mark.parametrize("column", ["data_seed", "sample_limit"])
def test_different_data_are_never_compared(results, column):
    results.run("baseline", {"s": [0]})
    results.run("exprag", {"s": [1]}, **{column: 3})
    assert len(build(EVO_MEMORY, results.store).sections) == 2


def test_methods_without_an_embedder_join_the_sections_of_each(results):
    results.run("baseline", {"s": [0]})
    results.run("exprag", {"s": [1]}, embedder="minilm")
    results.run("exprag", {"s": [1]}, embedder="bm25")
    sections = build(EVO_MEMORY, results.store).sections
    assert [section.setting.embedder for section in sections] == ["bm25", "minilm"]
    for section in sections:
        assert [row.method for row in section.rows] == ["baseline", "exprag"]


def test_costs_outputs_and_memory_by_hand(results):
    results.run(
        "exprag",
        {"s": [1, 0, 1, Status.FAILED], "t": [0, 0]},
        metrics={
            "steps": 4.0,
            "invalid_actions": lambda step: float(step % 2),
            "invalid_outputs": lambda step: 2.0 if step == 1 else 0.0,
            "memory_entries": lambda step: step + 1.0,
            "memory_chars": lambda step: 10.0 * (step + 1),
            "retrieved": lambda step: float(step),
            "pruned": lambda step: float(step > 1),
            "input_tokens_act": 60.0,
            "input_tokens_evolve": lambda step: 30.0 if step == 0 else 0.0,
            "output_tokens_act": 6.0,
            "seconds_act": 0.25,
            "progress": 0.5,
        },
        memory={"added": [entry("e")], "removed": ["old"], "fingerprint": "f"},
    )
    row = row_of(results, "exprag")
    assert (row.steps, row.steps_of_successes, row.n_failed) == (4.0, 4.0, 1)
    assert (row.usage.input_tokens, row.usage.output_tokens, row.usage.seconds) == (100, 10, 0.5)
    act, evolve = row.usage.phases
    assert (act.phase, act.input_tokens, act.output_tokens, act.seconds) == ("act", 60, 6, 0.25)
    assert (evolve.phase, evolve.input_tokens) == ("evolve", 10)
    assert row.usage.invalid_outputs == pytest.approx(2 / 6)
    assert row.usage.invalid_actions == pytest.approx(3 / 24)
    assert (row.memory.entries, row.memory.chars) == (3.0, 30.0)
    assert row.memory.retrieved == pytest.approx(7 / 6)
    assert row.memory.pruned == pytest.approx(2 / 7)
    assert row.memory.similarity is None
    assert (row.memory.added, row.memory.changed, row.memory.removed) == (1.0, 0.0, 1.0)
    assert row.progress == pytest.approx(0.5 * 5 / 6)


def entry(name):
    return {"id": name, "text": "t", "key": "k", "sample_id": "s/0", "step": 0, "meta": {}}


def test_curves_are_means_over_streams_at_each_step(results):
    results.run("exprag", {"s": [1, 1, 1, 1], "t": [0, Status.INVALID, 1]})
    curve = row_of(results, "exprag").curve
    assert [(point.step, point.streams) for point in curve] == [(0, 2), (1, 1), (2, 2), (3, 1)]
    assert [point.cumulative for point in curve] == [0.5, 1.0, 0.75, 1.0]
    assert [point.rolling for point in curve] == [None, None, 1.0, 1.0]


def test_lower_is_better_turns_wins_and_verdict_not_the_difference(results):
    board = Board("steps", "evo-memory", metric="steps", higher_is_better=False, worst=64)
    results.run("baseline", {f"s{i}": [1] for i in range(7)}, metrics={"steps": 9.0})
    results.run("exprag", {f"s{i}": [1] for i in range(7)}, metrics={"steps": 5.0})
    gain = row_of(results, "exprag", board).gain
    assert (gain.difference, gain.wins, gain.losses) == (-4.0, 7, 0)
    assert gain.verdict is Verdict.IMPROVED
    assert (gain.low, gain.high) == (-4.0, -4.0)


def test_a_run_without_any_score_has_none(results):
    results.run("baseline", {"s": [0]})
    results.run("exprag", {"s": [Status.INVALID]})
    row = row_of(results, "exprag")
    assert (row.score, row.n_scored, row.n_planned, row.gain) == (None, 0, 1, None)
    assert row.usage.invalid_outputs is None


def test_unreadable_samples_leave_their_run_unranked_and_are_named(results):
    results.run("baseline", {"s": [0]})
    broken = results.run("exprag", {"s": [1]})
    path = results.root / "samples" / "task=evo-memory" / f"{broken}.parquet"
    path.write_bytes(b"not parquet")
    board = build(EVO_MEMORY, results.store)
    assert [row.method for row in board.sections[0].rows] == ["baseline"]
    assert [(one.run_id, one.status) for one in board.unranked] == [(broken, "unreadable")]
    assert len(board.problems) == 1
    assert broken in board.problems[0]


def test_no_figure_is_nan(results):
    results.run("baseline", {"s": [0, 1]}, metrics={"steps": math.nan})
    assert row_of(results, "baseline").steps is None
