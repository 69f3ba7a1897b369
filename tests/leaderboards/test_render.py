from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.errors import UnknownName
from harness.results.schema import Status
from harness.text import clean
from harness_leaderboards.boards import MAIN_COLUMNS, Board, board_named, detailed
from harness_leaderboards.build import build
from harness_leaderboards.render.markdown import escape, markdown
from harness_leaderboards.render.numbers import interval, number, probability, signed
from harness_leaderboards.render.terminal import print_leaderboard

EVO_MEMORY = detailed(board_named("evo-memory"))

EVIL = "[red]x[/red] | <b>*y*</b>\x1b[31m\n`z`"


def terminal(board, details=False, width=120):
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    print_leaderboard(board, console, details=details)
    return console.file.getvalue()


def unwrapped(text):
    return " ".join(text.split())


@pytest.fixture
def board(results):
    results.run("baseline", {f"s{i}": [0, 1, 0, 1] for i in range(8)})
    results.run("refine:rounds=3+exprag:k=8", {f"s{i}": [1, 1, 0, 1] for i in range(8)})
    results.run("react", {"s0": [1, Status.ERROR]})
    return build(EVO_MEMORY, results.store)


def test_numbers_as_texts():
    assert [number(x) for x in (0.42, 1.0, -0.1, -0.001, 12.5, None)] == [
        ".42",
        "1.00",
        "-.10",
        ".00",
        "12.50",
        "n/a",
    ]
    assert [signed(x) for x in (0.333, -0.1, 0.0, 0.001)] == ["+.33", "-.10", ".00", ".00"]
    assert interval(0.42, 0.31, 0.53) == ".42 [.31, .53]"
    assert interval(0.42, None, None) == ".42 [n/a]"
    assert [probability(p) for p in (0.0312, 0.0001, 1.0)] == [".031", "<.001", "1.000"]


def test_main_table_fits_120_columns_with_whole_figures(board):
    text = terminal(board)
    assert max(map(len, text.splitlines())) <= 120
    (line,) = [line for line in text.splitlines() if line.lstrip().startswith("refine:")]
    for figure in ("32/32", ".75 [.75, .75]", "+.25 [+.25, +.25]", "8/0/24", ".008", "improved"):
        assert figure in line


def test_no_figure_is_cut_on_a_narrow_terminal(board):
    text = terminal(board, details=True, width=60)
    for figure in (".75 [.75, .75]", "+.25 [+.25, +.25]", "improved", "sign flip"):
        assert figure in text


def test_caption_says_what_the_clusters_and_the_test_are(board):
    text = unwrapped(terminal(board))
    assert "The 8 streams are independent units" in text
    assert "swaps the two methods within whole streams" in text
    assert "smallest attainable adjusted p with 8 streams is .008" in text
    assert "not worse: the interval excludes a loss beyond it, and enough streams differ" in text


def headings(results):
    lines = markdown(build(EVO_MEMORY, results.store)).splitlines()
    return [line.removeprefix("## ") for line in lines if line.startswith("## ")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("task_version", "1", "2"), ("task version 1", "task version 2")),
        (
            (
                "task_options",
                '{"max_steps": 30, "labels": true}',
                '{"max_steps": 60, "labels": true}',
            ),
            ("max steps 30", "max steps 60"),
        ),
        (
            ("sampling", "{}", '{"temperature": 0.7}'),
            ("temperature default", "temperature 0.7"),
        ),
        (("data_seed", 0, 3), ("data seed 0", "data seed 3")),
        (("model_id", "org/a", "org/b"), ("model org/a", "model org/b")),
        (("model_revision", "a" * 40, "b" * 40), ("revision aaaaaaaa", "revision bbbbbbbb")),
        (("content_hash", "1234567890", "abcdefghij"), ("data 12345678", "data abcdefgh")),
    ],
)
def test_headings_say_what_differs_between_sections(results, settings, said):
    column, *values = settings
    for value in values:
        results.run("baseline", {"s": [0]}, work_key=str(value), **{column: value})
    base = "babyai, smollm2, native order, "
    assert sorted(headings(results)) == sorted(base + words for words in said)


def test_headings_say_nothing_that_all_sections_share(results):
    results.run("baseline", {"s": [0]}, task_options='{"max_steps": 30}')
    results.run("baseline", {"s": [0]}, subset="aime", task_version="2", content_hash="other")
    assert sorted(headings(results)) == [
        "aime, smollm2, native order",
        "babyai, smollm2, native order",
    ]


def test_headings_name_the_embedder_where_there_are_several(results):
    results.run("exprag", {"s": [1]}, embedder="minilm")
    results.run("exprag", {"s": [1]}, embedder="bm25")
    assert [text.split(", ")[-1] for text in headings(results)] == [
        "embedder bm25",
        "embedder minilm",
    ]


def test_details_say_what_seconds_are(board):
    text = unwrapped(terminal(board, details=True))
    assert "seconds: wall time of a sample, its wait for a place in a batch included" in text
    assert "those of a phase are its share of computing" in text


def test_one_stream_says_that_nothing_could_be_concluded(results):
    results.run("baseline", {"s": [0, 1]})
    results.run("exprag", {"s": [1, 1]})
    text = unwrapped(terminal(build(EVO_MEMORY, results.store)))
    assert "1.00 [n/a]" in text
    assert "inconclusive" in text
    assert "with 1 stream is 1.000, not below .05, so no result could have been conclusive" in text
    assert "one stream has none (n/a)" in text


def test_unranked_runs_are_listed_below(board):
    text = terminal(board)
    assert "Not ranked: unfinished runs" in text
    assert "1 of 2" in text
    assert "incomplete, 1 error" in text


def test_details_show_costs_memory_and_curves(board):
    text = terminal(board, details=True)
    for title in ("Counts and tests", "Cost per sample", "Memory: size", "Learning curves"):
        assert title in text
        assert title not in terminal(board)


def test_foreign_names_change_nothing_on_a_terminal(results):
    results.run(EVIL, {"s": [1]}, method_parts='["P"]', work_key="k")
    text = terminal(build(EVO_MEMORY, results.store), details=True, width=300)
    assert "[red]x[/red] | <b>*y*</b>\\x1b[31m\\n`z`" in text
    assert "\x1b" not in text


def test_foreign_names_change_nothing_in_markdown(results):
    results.run("baseline", {"s": [0]})
    results.run(EVIL, {"s": [1]}, method_parts='["P"]', work_key="k")
    text = markdown(build(EVO_MEMORY, results.store))
    assert "<b>" not in text
    for line in text.splitlines():
        if line.startswith("| ") and "x" in line and "b&gt" in line:
            assert "\\[red\\]x\\[/red\\] \\| &lt;b&gt;\\*y\\*&lt;/b&gt;" in line


def test_markdown_rows_have_as_many_cells_as_headers(board):
    tables = [part for part in markdown(board).split("\n\n") if part.startswith("|")]
    assert len(tables) == 9
    for table in tables:
        cells = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(cells) == 1


def test_markdown_of_equal_rows_is_equal_bytes(board, results):
    again = build(EVO_MEMORY, type(results.store)(results.root))
    assert markdown(board) == markdown(again)


@given(st.text())
def test_clean_text_is_one_printable_line(text):
    assert clean(text).isprintable()
    assert "<" not in escape(text)


def test_progress_is_a_column_only_where_a_task_has_it(results):
    results.run("baseline", {"s": [0]})
    assert "progress" not in terminal(build(EVO_MEMORY, results.store)).splitlines()[3]
    results.run("exprag", {"s": [1]}, metrics={"progress": 0.5})
    text = terminal(build(EVO_MEMORY, results.store))
    assert "progress" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_board_with_an_unknown_column_names_the_nearest(results):
    results.run("baseline", {"s": [0]})
    board = Board("b", "evo-memory", columns=(*MAIN_COLUMNS, "verdikt"))
    with pytest.raises(UnknownName, match="did you mean verdict"):
        terminal(build(board, results.store))
