"""The paper's tables: which cells, which averages, and the published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.results.schema import Status
from harness_leaderboards.boards import Board
from harness_leaderboards.streams.paper import METHODS, Cell, multi_averages, single_average
from harness_leaderboards.streams.published import published, published_of

EMS = ("aime-24", "aime-25", "gpqa-diamond")
PRO = ("mmlu-pro-economics", "mmlu-pro-engineering", "mmlu-pro-philosophy")


def cells(*values):
    """The seven cells of a row of Table 1, the last one (API, Acc)."""
    return [
        *(Cell(s, v, None, 30, 1) for s, v in zip((*EMS, *PRO), values[:-1], strict=True)),
        Cell("toolbench", *values[-1], 750, 1),
    ]


def test_reference_case_12():
    row = cells(0.17, 0.13, 0.55, 0.84, 0.63, 0.78, (0.76, 0.62))
    assert single_average(row) == pytest.approx(0.5414, abs=5e-5)


def test_an_average_lacks_no_cell():
    row = cells(0.17, 0.13, 0.55, 0.84, 0.63, 0.78, (0.76, 0.62))
    assert single_average(row[1:]) is None
    assert single_average([*row[:-1], replace(row[-1], first=None)]) is None
    worlds = [Cell("alfworld", 0.5, 0.6, 10, 1), Cell("babyai", 0.5, None, 10, 1)]
    assert multi_averages(worlds) == (None, None)


@pytest.mark.parametrize("one", published(), ids=lambda one: one.backbone)
def test_published_averages_follow_from_the_cells_to_rounding(one):
    for row in one.single:
        values = [row.cells[s] for s in (*EMS, *PRO)]
        exact = single_average(cells(*(v[0] for v in values), row.cells["toolbench"]))
        # Each of seven cells is rounded by at most .005, and so is the average.
        assert exact == pytest.approx(row.average[0], abs=0.0101), row.method
    for row in one.multi:
        if row.cells:
            found = multi_averages([Cell(s, *v, 1, 1) for s, v in row.cells.items()])
            assert found == pytest.approx(row.average, abs=0.0101), row.method


def test_published_numbers_belong_to_methods_that_exist():
    for one in published():
        assert {row.method for row in (*one.single, *one.multi)} <= METHODS.keys()


@pytest.mark.parametrize(
    ("model", "backbone"),
    [
        ("openai:anthropic/claude-3.7-sonnet", "claude-3.7-sonnet"),
        ("claude-3-7-sonnet-20250219", "claude-3.7-sonnet"),
        ("google/gemini-2.5-flash", "gemini-2.5-flash"),
        ("google/gemini-2.5-flash-lite", None),
        ("smollm2", None),
    ],
)
def test_a_model_is_known_by_its_name(model, backbone):
    found = published_of(model)
    assert (found.backbone if found else None) == backbone


def publish(results, subset, method="exprag", scores=(1, 0), **row):
    metrics = row.pop("metrics", {})
    results.run(method, {"s": list(scores)}, metrics=metrics, subset=subset, **row)


def test_cells_are_what_the_paper_names(results, built, text):
    publish(results, "aime-24", "baseline")
    publish(results, "toolbench", "baseline", (1, 0, 0, 0), metrics={"api": 0.75})
    publish(results, "babyai", "remem", (1, Status.FAILED), metrics={"progress": 0.5})
    publish(results, "alfworld", "remem", metrics={"progress": 0.25})
    shown = text()
    assert "| Baseline | .50 (2) | n/a | n/a | n/a | n/a | n/a | .75/.25 (4) | 2 of 7 |" in shown
    assert "| ReMem | .50/.25 (2) | .50/.25 (2) | n/a | n/a | 2 of 4/2 of 4 |" in shown


def test_a_cell_is_the_mean_over_orders(results, built, text):
    for order, scores in (("native", (1, 1)), ("shuffle:1", (1, 0)), ("repeated:2", (0, 0))):
        publish(results, "aime-24", scores=scores, order=order)
    publish(results, "aime-25")
    (table,) = built().measures.papers
    assert [(c.subset, c.first, c.orders) for c in table.rows[0].cells] == [
        ("aime-24", 0.75, 2),
        ("aime-25", 0.5, 1),
    ]
    assert "Cells are means over 1 or 2 orders." in text()


def test_inherited_and_misled_runs_are_none_of_the_papers(results, built):
    publish(results, "aime-24", task_options='{"flip": 0.5}')
    publish(results, "aime-25", task_options='{"memory_from": "01X"}')
    publish(results, "babyai")
    assert built().measures.papers == ()


def test_of_one_data_set_the_setting_with_most_items_is_taken(results, built):
    publish(results, "aime-24", scores=(1, 1, 1), task_options='{"streams": 1}')
    publish(results, "aime-24", scores=(0,), task_options='{"items": 1}', content_hash="c")
    publish(results, "aime-25", task_options='{"streams": 1}')
    (table,) = built().measures.papers
    assert [(c.n, c.first) for c in table.rows[0].cells] == [(3, 1.0), (2, 0.5)]
    assert table.left_out == 1


def test_methods_with_another_embedder_have_a_table_of_their_own(results, built):
    for embedder in ("bge", "bm25"):
        for subset in ("aime-24", "aime-25"):
            publish(results, subset, embedder=embedder)
    for subset in ("aime-24", "aime-25"):
        publish(results, subset, "baseline")
    tables = built().measures.papers
    assert [(t.setting.embedder, [r.method for r in t.rows]) for t in tables] == [
        ("bge", ["baseline", "exprag"]),
        ("bm25", ["baseline", "exprag"]),
    ]


def test_one_data_set_has_its_own_table_already(results, built):
    publish(results, "aime-24")
    assert built().measures.papers == ()


def test_published_numbers_stand_beside_the_model_or_on_request(results, built):
    from harness_leaderboards.render.markdown import markdown

    for subset in ("aime-24", "aime-25"):
        publish(results, subset, model_id="google/gemini-2.5-flash")
    beside = markdown(built())
    assert "Published, gemini-2.5-flash: arXiv 2511.20857 v1, Table 1" in beside
    assert "Published, claude-3.7-sonnet" not in beside
    assert "missing AIME cells count as 0" in beside
    every = markdown(built(Board("evo-memory", "evo-memory", published=True)))
    assert "Published, claude-3.7-sonnet: arXiv 2511.20857 v1, Table 2" in every
    assert "| Baseline | .17 | .13 | .55 | .84 | .63 | .78 | .76/.62 | .54 |" in every


def test_the_command_shows_published_numbers_on_request(results):
    from support import harness

    for subset in ("aime-24", "aime-25"):
        publish(results, subset, "baseline")
    command = ("leaderboard", "evo-memory", "--no-site", "--results", str(results.root))
    plain, more = harness(*command), harness(*command, "--published")
    assert plain.returncode == more.returncode == 0, more.stderr
    assert "Single-turn data sets as the paper shows them: smollm2" in plain.stdout
    assert "Published" not in plain.stdout
    assert "Published, gemini-2.5-flash" in more.stdout


def test_a_board_of_some_subsets_shows_the_measures_of_those(results):
    from harness_leaderboards.boards import board_named
    from harness_leaderboards.building import build_one

    for order in ("native", "shuffle:1"):
        for subset in ("aime-24", "babyai"):
            publish(results, subset, "baseline", order=order)
    board = board_named("evo-memory").model_copy(update={"subsets": ("babyai",), "groups": ()})
    measures = build_one(board, results.store).details.measures
    assert [one.setting.subset for one in measures.orders] == ["babyai"]
