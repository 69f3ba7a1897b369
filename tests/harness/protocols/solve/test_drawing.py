"""Drawings of a test input: for a terminal, with and without colours, and as SVG."""

from __future__ import annotations

import io
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.errors import UsageError
from harness.protocols.solve.drawing import PALETTE, Picture, colour, print_picture, svg

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = {
    "train": [[[[1, 2]], [[2], [1]]]],
    "test": [[3, 4]],
    "gold": [[4], [3]],
    "symbols": list("0123456789"),
    "attempts": 3,
}
ATTEMPTS = [[[4], [5]], [[4, 3]], [[4], [3]]]


def picture(attempts=ATTEMPTS, title="p/0", **changes):
    return Picture.read(title, json.dumps(PLAIN | changes), json.dumps(attempts))


def printed(one, *, width=100, color=None):
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        color_system=color,
        force_terminal=color is not None,
        legacy_windows=False,
    )
    print_picture(one, console)
    return out.getvalue()


def test_a_terminal_without_colours_shows_symbols_and_marks_wrong_cells():
    assert printed(picture()) == "\n".join(
        [
            "p/0",
            "demonstration 1   output",
            "1 2               2",
            "                  1",
            "",
            "test input",
            "3 4",
            "",
            "truth   attempt 1: 1 of 2 cells wrong   "
            "attempt 2: 1 x 2, not 2 x 1   attempt 3: right",
            "4       4                               4 3!                          4",
            "3       5!                                                            3",
            "",
            "",
        ]
    )


def test_a_narrow_terminal_puts_panels_below_each_other():
    lines = printed(picture(), width=40).splitlines()
    assert lines[8:16] == [
        "truth   attempt 1: 1 of 2 cells wrong",
        "4       4",
        "3       5!",
        "",
        "attempt 2: 1 x 2, not 2 x 1",
        "4 3!",
        "",
        "attempt 3: right",
    ]
    assert max(map(len, lines)) <= 40


def test_a_terminal_with_colours_fills_cells_with_them():
    text = printed(picture([[[7], [3]]]), color="truecolor")
    red, green, blue = (int(PALETTE[7][at : at + 2], 16) for at in (1, 3, 5))
    assert f"48;2;{red};{green};{blue}m7!" in text
    assert "\x1b[1;" in text[: text.index("m7!")].rpartition("\x1b[1;")[1]
    assert re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()[8:] == [
        "truth   attempt 1: 1 of 2 cells wrong",
        "4       7!",
        "3       3",
        "",
    ]


def test_no_attempt_is_said():
    assert printed(picture([])).endswith("there is no attempt\n")
    assert "there is no attempt" in svg(picture([]))
    assert "there is no attempt" not in svg(picture())


def test_symbols_of_another_domain_are_written():
    one = picture([[[1], [0]]], symbols=["wall", "<a>", "\x1b[2J", "+", "-"], gold=[[1], [1]])
    assert "wall!" in printed(one)
    assert "\x1b" not in printed(one) + svg(one)
    texts = {text.text for text in ElementTree.fromstring(svg(one)).iter(f"{SVG}text")}
    assert {"wall", "<a>", "\\x1b[2J"} <= texts


def test_svg_stands_alone_and_is_accessible():
    root = ElementTree.fromstring(svg(picture(title="a<b>&\"'\x00/0")))
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "a<b>&\"'\\x00/0"
    captions = [text.text for text in root.iter(f"{SVG}text")]
    assert captions == [
        *("demonstration 1", "output", "test input", "truth"),
        *("attempt 1: 1 of 2 cells wrong", "attempt 2: 1 x 2, not 2 x 1", "attempt 3: right"),
    ]
    assert not re.search(r"href|url\(|<style|<script", svg(picture()))


def drawn(root):
    """Of each panel: area of each colour in cells, and number of crosses."""
    found = []
    for panel in root.iter(f"{SVG}g"):
        areas, crosses = {}, 0
        for path in panel.iter(f"{SVG}path"):
            if path.get("fill") != "none":
                runs = re.findall(r"h(\d+)v(\d+)h-\d+z", path.get("d"))
                areas[path.get("fill")] = sum(int(w) * int(h) for w, h in runs) / 14**2
            elif path.get("stroke-width"):
                crosses = path.get("d").count("M")
        found.append((areas, crosses))
    return found


def test_svg_has_every_cell_and_a_cross_on_each_wrong_one():
    panels = drawn(ElementTree.fromstring(svg(picture())))
    assert panels[0] == ({PALETTE[1]: 1, PALETTE[2]: 1}, 0)
    assert [crosses for _, crosses in panels[3:]] == [0, 1, 1, 0]


def grid_of(most):
    return st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, most), min_size=size[1], max_size=size[1]),
            min_size=size[0],
            max_size=size[0],
        )
    )


@settings(max_examples=100, deadline=None)
@given(gold=grid_of(9), tried=grid_of(9), title=st.text(max_size=20))
def test_any_prediction_can_be_drawn(gold, tried, title):
    one = picture([tried], title, gold=gold)
    areas, crosses = drawn(ElementTree.fromstring(svg(one)))[-1]
    cells = [cell for row in tried for cell in row]
    assert areas == {PALETTE[cell]: cells.count(cell) for cell in set(cells)}
    wrong = sum(
        row >= len(gold) or column >= len(gold[0]) or gold[row][column] != cell
        for row, line in enumerate(tried)
        for column, cell in enumerate(line)
    )
    assert crosses == wrong
    assert "".join(printed(one).splitlines()[1:]).count("!") == wrong


def test_further_symbols_have_colours_of_their_own():
    colours = [colour(cell) for cell in range(30)]
    assert len(set(colours)) == 30
    assert all(re.fullmatch("#[0-9A-F]{6}", one) for one in colours)


@pytest.mark.parametrize(
    ("context", "output"),
    [
        ("{}", "[]"),
        ("[]", "[]"),
        (json.dumps(PLAIN), "I do not know"),
        (json.dumps(PLAIN | {"gold": [[1], [1, 2]]}), "[]"),
        (json.dumps(PLAIN | {"test": []}), "[]"),
        (json.dumps(PLAIN | {"train": [[[[1]]]]}), "[]"),
    ],
)
def test_a_trace_without_a_puzzle_is_refused(context, output):
    with pytest.raises(UsageError, match="p/0 has no puzzle in its trace"):
        Picture.read("p/0", context, output)
