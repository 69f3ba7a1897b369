"""Transfer, forgetting and hold-out accuracy from published rows."""

from __future__ import annotations

import pytest

from harness.results.schema import Status

TWICE = '{"checkpoints": 2, "holdout": 1}'
PROBED = '{"checkpoints": 3, "holdout": 1, "revisit": true}'

# Case 2 of section 5.3 of the notes on Evo-Memory: score of task t (row) after s tasks (column).
REVISITED = ((0, 1, 1, 0), (0, 1, 1, 1), (1, 0, 0, 1))
HELD = (0, 1, 1, 0)


def probes_of(made, stream="s", revisited=REVISITED, held=HELD):
    for task, row in enumerate(revisited):
        for state, score in enumerate(row):
            if state != task:
                yield made.probe(f"{stream}/{task}", state, score, stream, task)
    for state, score in enumerate(held):
        yield made.probe(f"{stream}/held", state, score, stream)


def online(revisited=REVISITED):
    return [row[task] for task, row in enumerate(revisited)]


def transfer(built, method="exprag"):
    (section,) = built().sections
    return next(one for one in section.measures.transfers if one.method == method)


def test_reference_case_2(results, made, built):
    results.run("exprag", {"s": online()}, more=probes_of(made), task_options=PROBED)
    found = transfer(built)
    assert built().sections[0].rows[0].score.mean == pytest.approx(1 / 3)
    assert (found.forward.mean, found.forward.n) == (0.0, 2)
    assert (found.backward.mean, found.forgetting.mean, found.backward.n) == (-0.5, 0.5, 2)
    assert found.summed_gains == (2.0, 1.0)
    assert (found.forward.low, found.forward.high) == (None, None)  # one stream


def test_holdout_is_followed_over_the_states(results, made, built):
    results.run("exprag", {"s": online()}, more=probes_of(made), task_options=PROBED)
    found = transfer(built)
    assert [(round(p.part, 3), p.score.mean) for p in found.holdout] == [
        (0.0, 0.0),
        (0.333, 1.0),
        (0.667, 1.0),
        (1.0, 0.0),
    ]
    assert found.holdout_gain.mean == 0.0
    assert found.holdout_trend == pytest.approx(0.0)
    assert found.holdout_loss == 1.0


def test_states_of_streams_of_different_length_meet_by_their_share(results, made, built):
    long = [0, 0, 0, 0]
    results.run(
        "exprag",
        {"s": [0, 0], "t": long},
        more=[
            *(made.probe("s/held", state, score) for state, score in ((0, 0), (1, 1), (2, 1))),
            *(made.probe("t/held", state, 0, "t") for state in (0, 2, 4)),
        ],
        task_options=TWICE,
    )
    found = transfer(built)
    assert [(p.part, p.score.mean, p.score.clusters) for p in found.holdout] == [
        (0.0, 0.0, 2),
        (0.5, 0.5, 2),
        (1.0, 0.5, 2),
    ]
    assert (found.holdout_gain.mean, found.holdout_gain.clusters) == (0.5, 2)


def test_checkpoints_of_odd_streams_meet_where_they_were_planned(results, made, built):
    # 5 items: states 0, 2, 5; 4 items: 0, 2, 4; a single item: 0, 1
    lengths = {"s": (5, (0, 2, 5)), "t": (4, (0, 2, 4)), "u": (1, (0, 1))}
    results.run(
        "exprag",
        {name: [0] * size for name, (size, _) in lengths.items()},
        more=[
            made.probe(f"{name}/held", state, int(state == 2), name)
            for name, (_, states) in lengths.items()
            for state in states
        ],
        task_options=TWICE,
    )
    found = transfer(built)
    assert [(p.part, p.score.mean, p.streams) for p in found.holdout] == [
        (0.0, 0.0, 3),
        (0.5, 1.0, 2),
        (1.0, 0.0, 3),
    ]
    # the one that not all streams have would look like a gain and a loss
    assert (found.holdout_trend, found.holdout_loss) == (None, 0.0)


def test_the_end_is_compared_with_a_baseline_that_has_the_empty_state_only(results, made, built):
    streams = {name: [0, 0] for name in "stu"}
    results.run(
        "baseline",
        streams,
        more=[made.probe(f"{name}/held", 0, int(name == "s"), name) for name in "stu"],
        task_options=PROBED,
    )
    results.run(
        "exprag",
        streams,
        more=[
            made.probe(f"{name}/held", state, score, name)
            for name in "stu"
            for state, score in ((0, 0), (2, 1))
        ],
        task_options=PROBED,
    )
    found = transfer(built)
    assert (found.holdout_ahead.n, found.holdout_ahead.mean) == (3, pytest.approx(2 / 3))
    assert found.holdout_gain.mean == 1.0
    baseline = transfer(built, "baseline")
    assert (baseline.holdout_ahead, baseline.holdout_gain, baseline.backward) == (None, None, None)
    assert [point.part for point in baseline.holdout] == [0.0]


def test_failed_probes_count_as_the_worst_and_invalid_ones_not_at_all(results, made, built):
    results.run(
        "exprag",
        {"s": [1, 1]},
        more=[
            made.probe("s/0", 2, Status.FAILED, step=0),
            made.probe("held", 0, 1),
            made.probe("held", 2, Status.FAILED),
            made.probe("other", 0, Status.INVALID),
            made.probe("other", 2, 1),
        ],
        task_options=PROBED,
    )
    found = transfer(built)
    assert found.holdout_gain.mean == -1.0
    assert [(p.score.mean, p.score.n) for p in found.holdout] == [(1.0, 1), (0.5, 2)]
    # s/0 was not asked again right behind it, so there is no earlier score to lose
    assert found.backward is None


def test_of_a_repeated_order_the_end_is_behind_all_passes(results, made, built):
    results.run(
        "exprag",
        {},
        more=[
            *(made.record(f"s/{n}", 0, step=n) for n in range(2)),
            *(made.record(f"s/{n}", 1, step=2 + n, repeat=1) for n in range(2)),
            *(made.probe("s/0", state, score) for state, score in ((2, 1), (4, 0))),
        ],
        order="repeated:2",
        task_options=PROBED,
    )
    found = transfer(built)
    assert (found.backward.mean, found.forgetting.mean, found.backward.n) == (-1.0, 1.0, 1)
    assert found.summed_gains == (None, None)


def test_nothing_is_shown_of_runs_without_probes(results, text):
    results.run("exprag", {"s": [1, 0]})
    assert "Transfer" not in text()


def test_the_board_shows_it_and_the_ranking_counts_no_probe(results, made, text, built):
    from harness_leaderboards.boards import board_named
    from harness_leaderboards.ranking.build import build_ranked

    results.run("exprag", {"s": online()}, more=probes_of(made), task_options=PROBED)
    shown = text()
    assert "probed at 3 points (1 of each stream held out, earlier items asked again)" in shown
    assert "| exprag | .00 [n/a] (2) | -.50 [n/a] (2) | +.50 [n/a] (2) |" in shown
    ranked = build_ranked(board_named("evo-memory"), results.store)
    assert ranked.problems == ()
    assert ranked.tables[0].rows[0].average.n == 3
