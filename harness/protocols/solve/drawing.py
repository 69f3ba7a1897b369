"""Draws a test input: demonstrations, what was asked, and what was answered beside the truth.

A sample's trace comes in; a drawing for the terminal or a standalone SVG text goes out. In both,
cells that differ from the truth are marked. The terminal's is readable without colours: a cell is
its symbol, and ``!`` follows a wrong one.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.protocols.solve.grids import ARC, Grid
from harness.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PALETTE = (
    *("#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00"),
    *("#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25"),
)
"""Colours of fchollet/ARC-AGI's viewer (apps/css/common.css)."""
_GOLDEN = 0.618033988749895
"""Steps of the hue of further symbols: neighbours are far apart."""

_CELL = 14
_GAP = 24
_CAPTION = 18
_LINE = "#555555"

Cell = tuple[int, int]
"""Row and column, from 0."""


@dataclass(frozen=True)
class Panel:
    """A grid with its caption, and its cells that differ from the truth."""

    caption: str
    grid: Grid
    wrong: frozenset[Cell] = frozenset()


@dataclass(frozen=True)
class Picture:
    """What a trace of the solve protocol shows.

    Attributes:
        title: names the test input and its run.
        train: inputs with their outputs.
        test: the input.
        gold: the output.
        attempts: what was answered, best first.
        symbols: what cells stand for.
    """

    title: str
    train: tuple[tuple[Grid, Grid], ...]
    test: Grid
    gold: Grid
    attempts: tuple[Grid, ...]
    symbols: tuple[str, ...]

    @classmethod
    def read(cls, title: str, context: str, output: str) -> Picture:
        """Read the columns ``context`` and ``output`` of a trace.

        Raises:
            UsageError: they hold no puzzle.
        """
        try:
            plain: Mapping[str, Any] = json.loads(context)
            picture = cls(
                title,
                tuple((_grid(one), _grid(other)) for one, other in plain["train"]),
                _grid(plain["test"]),
                _grid(plain["gold"]),
                tuple(_grid(one) for one in json.loads(output or "[]")),
                tuple(str(one) for one in plain["symbols"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{title} has no puzzle in its trace that could be drawn.") from error
        return picture

    def rows(self) -> list[list[Panel]]:
        """Panels, row by row: demonstrations, the test input, then attempts beside the truth."""
        shown = [
            [Panel(f"demonstration {number}", one), Panel("output", other)]
            for number, (one, other) in enumerate(self.train, 1)
        ]
        tried = [
            Panel(f"attempt {number}: {_verdict(grid, self.gold)}", grid, _wrong(grid, self.gold))
            for number, grid in enumerate(self.attempts, 1)
        ]
        return [*shown, [Panel("test input", self.test)], [Panel("truth", self.gold), *tried]]


def print_picture(picture: Picture, console: Console) -> None:
    """Draw on a terminal; panels that do not fit beside each other go below."""
    from rich.text import Text

    console.print(Text(clean(picture.title), style="bold"), soft_wrap=True)
    for row in picture.rows():
        blocks = [_block(panel, picture.symbols) for panel in row]
        for line in _flow(blocks, console.width):
            line.rstrip()
            console.print(line, soft_wrap=True)
    if not picture.attempts:
        console.print(Text("there is no attempt"))


def svg(picture: Picture) -> str:
    """Draw as a standalone SVG document."""
    parts, top, width = list[str](), _GAP, 0
    for row in picture.rows():
        left = _GAP
        for panel in row:
            parts += _svg_panel(panel, picture.symbols, left, top)
            left += _panel_width(panel) + _GAP
        width = max(width, left)
        top += _CAPTION + _CELL * max(len(panel.grid) for panel in row) + _GAP
    if not picture.attempts:
        parts.append(f'<text x="{_GAP}" y="{top}">there is no attempt</text>')
        top += _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{top}" '
            f'viewBox="0 0 {width} {top}" font-family="sans-serif" font-size="12">',
            f"<title>{_escaped(picture.title)}</title>",
            f'<rect width="{width}" height="{top}" fill="#FFFFFF"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def colour(cell: int) -> str:
    """The colour of a symbol, as ``#RRGGBB``."""
    if cell < len(PALETTE):
        return PALETTE[cell]
    rgb = colorsys.hls_to_rgb(cell * _GOLDEN % 1, 0.6, 0.5)
    return "#" + "".join(f"{round(255 * one):02X}" for one in rgb)


def _grid(plain: Any) -> Grid:
    grid = tuple(tuple(int(cell) for cell in row) for row in plain)
    if not grid or not grid[0] or len({len(row) for row in grid}) > 1:
        raise ValueError("no grid")
    return grid


def _wrong(grid: Grid, gold: Grid) -> frozenset[Cell]:
    """Cells that the truth lacks or has otherwise."""
    return frozenset(
        (row, column)
        for row, line in enumerate(grid)
        for column, cell in enumerate(line)
        if row >= len(gold) or column >= len(gold[0]) or gold[row][column] != cell
    )


def _verdict(grid: Grid, gold: Grid) -> str:
    if grid == gold:
        return "right"
    if (len(grid), len(grid[0])) != (len(gold), len(gold[0])):
        return f"{len(grid)} x {len(grid[0])}, not {len(gold)} x {len(gold[0])}"
    return f"{len(_wrong(grid, gold))} of {len(gold) * len(gold[0])} cells wrong"


def _ink(fill: str) -> str:
    """Black or white, whichever is easier to read on a colour."""
    red, green, blue = (int(fill[at : at + 2], 16) for at in (1, 3, 5))
    return "#000000" if 299 * red + 587 * green + 114 * blue > 128_000 else "#FFFFFF"


def _block(panel: Panel, symbols: Sequence[str]) -> list[Text]:
    """A panel as lines of one width: the caption, then a line for each row of the grid."""
    from rich.text import Text

    used = {cell for row in panel.grid for cell in row}
    room = max(len(_symbol(cell, symbols)) for cell in used)
    lines = [Text(panel.caption)]
    for row, cells in enumerate(panel.grid):
        line = Text()
        for column, cell in enumerate(cells):
            wrong = (row, column) in panel.wrong
            fill = colour(cell)
            style = f"{'bold ' if wrong else ''}{_ink(fill)} on {fill}"
            line.append(f"{_symbol(cell, symbols):>{room}}{'!' if wrong else ' '}", style)
        lines.append(line)
    width = max(len(line) for line in lines)
    for line in lines:
        line.pad_right(width - len(line))
    return lines


def _flow(blocks: Iterable[list[Text]], width: int) -> list[Text]:
    """Lay blocks side by side, as many in a row as fit, an empty line below each row."""
    from rich.text import Text

    rows: list[list[list[Text]]] = []
    used = 0
    for block in blocks:
        wide = len(block[0])
        if not rows or used + wide > width:
            rows.append([])
            used = 0
        rows[-1].append(block)
        used += wide + 3
    lines = list[Text]()
    for row in rows:
        for at in range(max(map(len, row))):
            cells = [block[at] if at < len(block) else Text(" " * len(block[0])) for block in row]
            lines.append(Text("   ").join(cells))
        lines.append(Text())
    return lines


def _symbol(cell: int, symbols: Sequence[str]) -> str:
    return clean(symbols[cell]) if cell < len(symbols) else str(cell)


def _panel_width(panel: Panel) -> int:
    """Of the grid or its caption, of whose letters none is wider than 7."""
    return max(_CELL * len(panel.grid[0]), 7 * len(panel.caption))


def _svg_panel(panel: Panel, symbols: Sequence[str], left: int, top: int) -> list[str]:
    rows, columns = len(panel.grid), len(panel.grid[0])
    wide, high, below = _CELL * columns, _CELL * rows, top + _CAPTION
    parts = [
        f'<text x="{left}" y="{top + 12}">{_escaped(panel.caption)}</text>',
        f'<g transform="translate({left} {below})">',
        *_svg_cells(panel.grid),
        *(_svg_symbols(panel.grid, symbols) if tuple(symbols) != ARC.symbols else ()),
        f'<path fill="none" stroke="{_LINE}" d="'
        + "".join(f"M0 {_CELL * row}h{wide}" for row in range(rows + 1))
        + "".join(f"M{_CELL * column} 0v{high}" for column in range(columns + 1))
        + '"/>',
    ]
    if panel.wrong:
        size = _CELL - 6
        crosses = "".join(
            f"M{_CELL * column + 3} {_CELL * row + 3}l{size} {size}m0 -{size}l-{size} {size}"
            for row, column in sorted(panel.wrong)
        )
        # White under black is seen on every colour.
        parts += [
            f'<path fill="none" stroke="{ink}" stroke-width="{width}" d="{crosses}"/>'
            for ink, width in (("#FFFFFF", 4), ("#000000", 2))
        ]
    return [*parts, "</g>"]


def _svg_cells(grid: Grid) -> list[str]:
    """One path for each colour, cells beside each other joined."""
    paths = dict[int, list[str]]()
    for row, line in enumerate(grid):
        start = 0
        for column in range(1, len(line) + 1):
            if column == len(line) or line[column] != line[start]:
                wide = _CELL * (column - start)
                place = f"M{_CELL * start} {_CELL * row}h{wide}v{_CELL}h-{wide}z"
                paths.setdefault(line[start], []).append(place)
                start = column
    return [f'<path fill="{colour(cell)}" d="{"".join(paths[cell])}"/>' for cell in sorted(paths)]


def _svg_symbols(grid: Grid, symbols: Sequence[str]) -> list[str]:
    """What cells stand for, where that is no colour."""
    return [
        f'<text x="{_CELL * column + _CELL // 2}" y="{_CELL * row + 11}" text-anchor="middle" '
        f'fill="{_ink(colour(cell))}">{_escaped(_symbol(cell, symbols))}</text>'
        for row, line in enumerate(grid)
        for column, cell in enumerate(line)
    ]


def _escaped(text: str) -> str:
    return escape(clean(text))
