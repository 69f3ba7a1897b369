"""Ranked tables of small runs whose figures are known by hand."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.results.schema import Status
from harness.statistics import mean_with_interval
from harness_leaderboards.boards.spec import parse_board
from harness_leaderboards.ranking.build import build_ranked
from harness_leaderboards.ranking.export import ranking_csv, ranking_rows
from harness_leaderboards.ranking.tables import ranking_table, wins_table

FIELDS = {"name": "mine", "task": "evo-memory", "protocol": "stream", "baseline": "baseline"}
STREAM = {"cluster": "stream"}


def board(metric=None, **fields):
    return parse_board({**FIELDS, "metric": {**STREAM, **(metric or {})}, **fields})


def built(results, **fields):
    return build_ranked(board(**fields), results.store)


def only(results, **fields):
    (table,) = built(results, **fields).tables
    return table


def rows(table):
    return {row.method: row for row in table.rows}


def streams(scores):
    """Streams with one score each."""
    return {f"s{at}": [score] for at, score in enumerate(scores)}


def test_values_intervals_and_counts(results):
    scores = {"s": [0, 1, 1], "t": [1, 0], "u": [0, 0, 0, 1]}
    results.run("exprag", scores)
    table = only(results)
    cell = rows(table)["exprag"].average
    names = [name for name, some in scores.items() for _ in some]
    expected = mean_with_interval([one for some in scores.values() for one in some], names)
    assert (cell.value, cell.low, cell.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert (cell.n, cell.n_planned, cell.clusters, cell.seeds) == (9, 9, 3, (0,))
    assert cell.cost.input_tokens == 100
    assert cell.cost.seconds == 0.5
    assert table.title == "babyai, org/smollm2"


def test_a_clear_winner_has_rank_one_and_the_rest_share_theirs(results):
    random = np.random.default_rng(0)
    base = random.random(12)
    results.run("best", streams(base + 2))
    results.run("one", streams(base + random.normal(0, 0.1, 12)))
    results.run("two", streams(base + random.normal(0, 0.1, 12)))
    table = only(results)
    assert table.rows[0].method == "best"
    ranks = {name: (row.rank_low, row.rank_high) for name, row in rows(table).items()}
    assert ranks == {"best": (1, 1), "one": (2, 3), "two": (2, 3)}
    assert [(pair.row, pair.better) for pair in table.pairs] == [(0, 1), (0, 1), (1, 0)]
    assert all(pair.low > 0 for pair in table.pairs[:2])


def test_where_lower_is_better_the_order_turns(results):
    for name, steps in (("slow", 9.0), ("fast", 2.0)):
        results.run(name, streams([1.0] * 8), metrics={"steps": lambda at, n=steps: n})
    table = only(results, metric={"name": "steps", "higher_is_better": False, "worst": 99})
    assert [row.method for row in table.rows] == ["fast", "slow"]
    assert (table.rows[0].rank_low, table.rows[0].rank_high) == (1, 1)
    assert table.pairs[0].difference == -7
    assert table.pairs[0].better == 1


def test_five_streams_rank_nobody_and_it_is_said(results):
    results.run("best", streams([1.0] * 5))
    results.run("worst", streams([0.0] * 5))
    table = only(results)
    assert {(row.rank_low, row.rank_high) for row in table.rows} == {(1, 2)}
    assert table.notes == ("5 streams decide no rank at 0.05: at least 6 streams are needed.",)


def test_a_method_with_fewer_samples_is_unranked(results):
    results.run("baseline", streams([0.5] * 8))
    results.run("exprag", streams([0.4] * 8))
    results.run("exprecent", streams([1.0, *[Status.INVALID] * 7]))
    table = only(results)
    assert table.rows[-1].method == "exprecent"
    assert table.rows[-1].rank_low is None
    assert table.rows[-1].unranked == "7 samples that others have are not scored"
    assert [row.rank_high for row in table.rows[:2]] == [1, 2]


def test_samples_that_nobody_can_answer_keep_nobody_from_a_rank(results):
    for name, score in (("baseline", 0.5), ("exprag", 0.4)):
        results.run(name, streams([*[score] * 7, Status.INVALID]))
    assert [row.average.n for row in only(results).rows] == [7, 7]
    assert all(row.rank_low for row in only(results).rows)


def test_failed_samples_count_with_the_worst_score(results):
    results.run("exprag", streams([1.0, Status.FAILED]))
    cell = rows(only(results))["exprag"].average
    assert (cell.value, cell.n, cell.n_failed) == (0.5, 2, 1)
    cell = rows(only(results, metric={"worst": -1.0}))["exprag"].average
    assert cell.value == 0.0


def test_seeds_are_averaged_and_shown(results):
    results.run("exprag", streams([1.0] * 6), sample_seed=0)
    results.run("exprag", streams([0.0] * 6), sample_seed=1)
    cell = rows(only(results))["exprag"].average
    assert (cell.value, cell.seeds, cell.spread, cell.clusters) == (0.5, (0, 1), (1.0, 0.0), 6)


def test_too_few_seeds_are_unranked(results):
    results.run("exprag", streams([1.0] * 6))
    (row,) = only(results, minimum_seeds=3).rows
    assert row.unranked == "1 seed of the 3 that a rank needs"


def test_the_newest_run_of_equal_work_counts(results):
    results.run("exprag", streams([0.0] * 6))
    newest = results.run("exprag", streams([1.0] * 6))
    (row,) = only(results).rows
    assert row.average.value == 1.0
    assert row.average.run_ids == (newest,)


def test_other_data_are_another_table(results):
    results.run("baseline", streams([0.0] * 6), content_hash="old")
    results.run("baseline", streams([0.5] * 6), content_hash="new")
    results.run("exprag", streams([1.0] * 6), content_hash="new")
    titles = {table.title: len(table.rows) for table in built(results).tables}
    assert titles == {"babyai, org/smollm2": 2, "babyai, org/smollm2, older data 1: old": 1}


def test_models_and_orders_are_tables_of_their_own(results):
    for model in ("a", "b"):
        for order in ("native", "shuffled"):
            results.run("x", streams([0.5] * 6), model_id=model, model=model, order=order)
    titles = [table.title for table in built(results).tables]
    assert len(titles) == 4
    assert "babyai, a, shuffled order" in titles


def test_subsets_are_averaged_and_ranked_together(results):
    results.run("baseline", streams([0.0] * 8), subset="one")
    results.run("baseline", {"t0": [1.0], "t1": [1.0]}, subset="two")
    results.run("exprag", streams([1.0] * 8), subset="one")
    results.run("exprag", {"t0": [1.0], "t1": [1.0]}, subset="two")
    results.run("exprecent", streams([0.2] * 8), subset="one")
    tables = built(results).tables
    assert [table.subsets for table in tables] == [("one", "two"), ("one",), ("two",)]
    both = rows(tables[0])
    assert both["baseline"].average.value == 0.5
    assert both["baseline"].average.clusters == 10
    assert both["exprag"].rank_high == 1
    assert both["exprecent"].average.value is None
    assert (both["exprecent"].average.present, both["exprecent"].average.expected) == (1, 2)
    assert both["exprecent"].unranked == "1 of 2 subsets"
    by_samples = build_ranked(board(average="samples"), results.store).tables[0]
    assert rows(by_samples)["baseline"].average.value == pytest.approx(0.2)
    assert rows(tables[1])["exprecent"].rank_low == 2


def test_groups_have_tables_of_their_own(results):
    for subset in ("a", "b", "c"):
        results.run("baseline", streams([0.5] * 6), subset=subset)
    groups = [{"name": "single", "subsets": ["a", "b"]}, {"name": "multi", "subsets": ["c"]}]
    names = [table.group for table in built(results, groups=groups).tables]
    assert names == ["single", "a", "b", "c"]


def test_a_board_of_some_subsets_leaves_others_out(results):
    results.run("baseline", streams([0.5] * 6), subset="a")
    results.run("baseline", streams([0.5] * 6), subset="b")
    assert [table.subsets for table in built(results, subsets=["a"]).tables] == [("a",)]


def test_figures_of_runs_have_seeds_as_units(results):
    figures = {"good": (0.8, 0.9, 0.7), "bad": (0.1, 0.2, 0.3)}
    for name, values in figures.items():
        for seed, value in enumerate(values):
            results.run(
                name,
                streams([0.0]),
                train_seed=seed,
                work_key=f"{name}{seed}",
                protocol="edit",
                content_hash=f"data-{seed}",
                metrics_of_run=[("score", value)],
            )
    fields = {"protocol": "edit", "minimum_seeds": 2}
    spec = parse_board({**FIELDS, **fields, "metric": {"of": "runs"}})
    (table,) = build_ranked(spec, results.store).tables
    good = rows(table)["good"].average
    expected = mean_with_interval([0.8, 0.9, 0.7], range(3))
    assert (good.value, good.low) == pytest.approx((expected.mean, expected.low))
    assert good.clusters == 3
    assert table.notes == ("3 seeds decide no rank at 0.05: at least 6 seeds are needed.",)


def test_sources_of_unequal_size_can_weigh_the_same(results):
    of_first = dict.fromkeys(("s/0", "s/1", "s/2"), "first")
    results.run("exprag", {"s": [0, 0, 0, 1]}, sources={**of_first, "s/3": "second"})
    pooled = rows(only(results, metric={"cluster": "source"}))["exprag"].average
    assert (pooled.value, pooled.clusters, pooled.n) == (0.25, 2, 4)
    same = rows(only(results, metric={"cluster": "source", "equal_sources": True}))["exprag"]
    assert (same.average.value, same.average.clusters, same.average.n) == (0.5, 2, 4)
    assert 0 <= same.average.low < same.average.high <= 1


def test_a_run_whose_samples_are_gone_or_broken_is_named_and_left_out(results):
    gone, broken = (results.run(name, streams([0.5] * 6)) for name in ("gone", "broken"))
    results.run("baseline", streams([0.5] * 6))
    folder = results.root / "samples" / "task=evo-memory"
    (folder / f"{gone}.parquet").unlink()
    (folder / f"{broken}.parquet").write_bytes(b"PAR1 junk PAR1")
    found = built(results)
    assert [row.method for row in found.tables[0].rows] == ["baseline"]
    assert len(found.problems) == 2
    assert any(gone in one and "missing" in one for one in found.problems)
    assert any(broken in one and "cannot be read" in one for one in found.problems)


def test_samples_of_another_run_under_a_runs_name_are_named(results):
    one, other = (results.run(name, streams([0.5] * 6)) for name in ("one", "other"))
    folder = results.root / "samples" / "task=evo-memory"
    (folder / f"{one}.parquet").write_bytes((folder / f"{other}.parquet").read_bytes())
    found = built(results)
    assert [row.method for row in found.tables[0].rows] == ["other"]
    assert any("samples of another run" in problem for problem in found.problems)


def test_a_row_of_a_newer_schema_is_named_and_skipped(results):
    run = results.run("baseline", streams([0.5] * 6))
    results.store.replace({**results.store.row(run), "schema_version": 99})
    found = built(results)
    assert found.tables == ()
    assert (
        "written by a newer harness (schema 99; this harness reads 1); upgrade" in found.problems[0]
    )


def test_metrics_of_samples_that_not_all_have(results):
    results.run("exprag", streams([1.0] * 6), metrics={"progress": lambda at: 0.5})
    results.run("exprecent", streams([1.0] * 6))
    table = only(results, metric={"name": "progress"})
    assert rows(table)["exprag"].average.value == 0.5
    assert rows(table)["exprecent"].average.value is None
    assert rows(table)["exprecent"].rank_low is None


def test_tables_say_what_they_show(results):
    results.run("baseline", streams([0.0] * 8), metrics={})
    results.run("exprag", streams([1.0] * 8))
    table = only(results)
    shown = ranking_table(board(), table)
    assert shown.headers[:4] == ("rank", "method", "score", "n")
    assert shown.rows[0][:2] == ("1", "exprag")
    assert "8 streams leave possible" in shown.caption[0]
    wins = wins_table(board(), table)
    assert wins.rows == (("exprag", "baseline", "+1.00 [+1.00, +1.00]", ".008", "better"),)


def test_csv_has_a_line_for_each_row_and_no_formula(results):
    results.run("=cmd()", streams([0.5] * 6))
    found = built(results, columns=[{"metric": "steps", "header": "steps"}])
    (line,) = csv.DictReader(io.StringIO(ranking_csv(found)))
    assert line["method"] == "'=cmd()"
    assert float(line["value"]) == 0.5
    assert line["steps"] == ""
    assert len(list(ranking_rows(found))) == 1


@pytest.mark.parametrize("runs", [2, 9])
def test_names_in_the_path_of_a_folder_change_no_column(results, tmp_path, runs):
    results = type(results)(tmp_path / "score=9" / "method=zzz" / "results")
    for at in range(runs):
        results.run(f"m{at}", streams([0.5] * 6), work_key=f"k{at}")
    table = only(results)
    assert {row.average.value for row in table.rows} == {0.5}
    assert {row.method for row in table.rows} == {f"m{at}" for at in range(runs)}
    assert set(results.store.samples("evo-memory", ["01RUN" + "1".rjust(21, "0")]).score) == {0.5}


def test_a_file_that_lacks_samples_is_named_and_left_out(results):
    results.run("baseline", streams([0.5] * 8))
    short = results.run("exprag", streams([1.0] * 8))
    path = results.root / "samples" / "task=evo-memory" / f"{short}.parquet"
    pq.write_table(pq.read_table(path).slice(0, 5), path)
    found = built(results)
    assert [row.method for row in found.tables[0].rows] == ["baseline"]
    assert found.problems == (f"skipped run {short}: 5 of 8 samples are there",)


def test_what_is_no_number_is_no_score(results):
    results.run("baseline", streams([0.5] * 8))
    odd = results.run("exprag", streams([1.0] * 8))
    path = results.root / "samples" / "task=evo-memory" / f"{odd}.parquet"
    table = pq.read_table(path)
    scores = table["score"].to_pylist()
    scores[0], scores[1] = float("nan"), float("inf")
    place = table.schema.get_field_index("score")
    pq.write_table(table.set_column(place, table.schema.field(place), [scores]), path)
    row = rows(only(results))["exprag"]
    assert (row.average.value, row.average.n, row.average.n_planned) == (1.0, 6, 8)
    assert row.unranked == "2 samples that others have are not scored"


def of_runs(results, figures, **fields):
    """Runs whose figure is given, by method and seed."""
    for name, values in figures.items():
        for seed, value in values.items():
            results.run(
                name,
                streams([0.0]),
                train_seed=seed,
                work_key=f"{name}{seed}",
                protocol="edit",
                content_hash=f"data-{seed}",
                metrics_of_run=[("score", value)],
            )
    spec = parse_board({**FIELDS, "protocol": "edit", "metric": {"of": "runs"}, **fields})
    (table,) = build_ranked(spec, results.store).tables
    return table


def test_few_seeds_buy_nobody_a_tie(results):
    good = {seed: 0.9 + seed / 1000 for seed in range(10)}
    bad = {seed: 0.1 + seed / 700 for seed in range(10)}
    other = dict.fromkeys(range(10, 18), 0.5)
    table = of_runs(results, {"good": good, "bad": bad, "mid": other, "few": {0: 0.105, 1: 0.1}})
    ranks = {name: (row.rank_low, row.rank_high) for name, row in rows(table).items()}
    assert ranks == {"good": (1, 1), "bad": (2, 2), "mid": (None, None), "few": (None, None)}
    assert "lacks seeds" in rows(table)["mid"].unranked
    assert table.units == 10


def test_more_seeds_than_the_others_are_ranked_on_the_common_ones(results):
    same = {seed: 0.5 + seed / 100 for seed in range(6)}
    more = {**{seed: 0.9 + seed / 90 for seed in range(6)}, 6: 0.0, 7: 0.0}
    table = of_runs(results, {"a": same, "b": same, "more": more})
    assert (rows(table)["more"].rank_low, rows(table)["more"].rank_high) == (1, 1)
    assert table.units == 6
    assert "Ranks are over the 6 seeds that all ranked methods have." in table.notes


def trained(results, name, by_seed):
    for seed, values in by_seed.items():
        results.run(name, streams(values), train_seed=seed, work_key=f"{name}-{seed}")


def test_one_training_has_no_rank_and_several_are_a_factor(results):
    random = np.random.default_rng(4)
    base = random.random(25)
    results.run("floor", streams(base))
    trained(results, "lucky", {0: base + 0.3 + random.normal(0, 0.01, 25)})
    level = {0: 0.35, 1: 0.05, 2: -0.1}
    trained(
        results, "noisy", {s: base + one + random.normal(0, 0.02, 25) for s, one in level.items()}
    )
    steady = {s: base + 0.3 + random.normal(0, 0.02, 25) for s in level}
    trained(results, "steady", steady)
    table = only(results)
    found = rows(table)
    assert found["lucky"].unranked == "1 training seed; a rank needs two"
    # Every puzzle is better under `noisy` on average, but its seeds differ more than that.
    assert found["noisy"].average.low > found["floor"].average.value - 1
    pair = next(
        one
        for one in table.pairs
        if {table.rows[one.row].method, table.rows[one.column].method} == {"noisy", "floor"}
    )
    assert pair.better == 0
    assert (found["steady"].rank_low, found["floor"].rank_high) == (1, 3)
    assert any("training seeds" in note for note in table.notes)


def test_an_average_over_samples_weighs_subsets_alike_for_all(results):
    for seed in (0, 1, 2):
        results.run("three", streams([0.9] * 6), subset="a", sample_seed=seed)
    results.run("one", streams([0.9] * 6), subset="a")
    for name in ("three", "one"):
        results.run(name, streams([0.1] * 6), subset="b")
    table = built(results, average="samples").tables[0]
    assert [row.average.value for row in table.rows] == pytest.approx([0.5, 0.5])


def test_another_revision_of_a_model_is_a_point_of_the_same_trend(results):
    from harness_leaderboards.history.build import trends_of

    for at in range(12):
        value, revision = (0.8, "rev-a") if at < 6 else (0.2, "rev-b")
        results.run("exprag", streams([value] * 6), work_key=f"k{at}", model_revision=revision)
    (trend,) = trends_of(built(results), results.store)
    (step,) = trend.steps
    assert step.position == 6
    assert step.changed == ("model revision rev-a -> rev-b",)
