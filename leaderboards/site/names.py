"""File names of pages: made of safe letters only, never of raw names.

A name that consists of safe letters is its own slug, so that links stay readable and stable. Any
other gets a short hash of itself, and so do names that would meet on a disk that ignores case.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import quote

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 60
_RESERVED = frozenset(
    (
        "con",
        "prn",
        "aux",
        "nul",
        *(f"{kind}{digit}" for kind in ("com", "lpt") for digit in range(10)),
    )
)
"""Names that a disk of Windows cannot have, whatever their extension."""


def slug(name: str) -> str:
    """A file name (without extension) for a foreign name."""
    if _SAFE.fullmatch(name) and len(name) <= _LONGEST and not _troubles(name):
        return name
    return _hashed(name)


def slugs(names: Iterable[str]) -> dict[str, str]:
    """File names for foreign names, none equal to another whatever the case of letters."""
    found = dict[str, str]()
    taken = set[str]()
    for name in sorted(set(names)):
        own = slug(name)
        length = 8
        while own.casefold() in taken:
            own = _hashed(name, length)
            length += 8
        taken.add(own.casefold())
        found[name] = own
    return found


class Places:
    """Where each page lies, relative to the root of the site."""

    def __init__(
        self,
        boards: Iterable[str],
        methods: Iterable[str],
        tasks: Iterable[str],
        runs: Iterable[str],
    ) -> None:
        self._boards = slugs(boards)
        self._methods = slugs(methods)
        self._tasks = slugs(tasks)
        self._runs = slugs(runs)

    def board(self, name: str) -> str:
        """The page of a board."""
        return f"board/{self._boards[name]}.html"

    def anchor(self, board: str, table: int, row: int, subset: int | None) -> str:
        """Where the page of a method names the runs behind a cell; None is the average."""
        column = "average" if subset is None else str(subset)
        return f"{self._boards[board]}-t{table}-{row}-{column}"

    def details(self, name: str) -> str:
        """The page of a board's detailed tables, where they are too many for its own."""
        return f"board/{self._boards[name]}--details.html"

    def download(self, name: str, ending: str) -> str:
        """A file with a board's data."""
        return f"data/board/{self._boards[name]}.{ending}"

    def pairs(self, name: str) -> str:
        """The folder with the comparisons of a board, as scripts."""
        return f"data/board/{self._boards[name]}"

    def method(self, name: str, anchor: str = "") -> str:
        """The page of a method; empty if it has none."""
        page = f"method/{self._methods[name]}.html" if name in self._methods else ""
        return f"{page}#{anchor}" if page and anchor else page

    def task(self, name: str) -> str:
        """The page of a task; empty if it has none."""
        return f"task/{self._tasks[name]}.html" if name in self._tasks else ""

    def run(self, run_id: str, sample_id: str = "") -> str:
        """The page of a run, or of one of its samples; empty if it has none."""
        page = f"run/{self._runs[run_id]}.html" if run_id in self._runs else ""
        return f"{page}#sample={quote(sample_id, safe='')}" if page and sample_id else page

    def chunks(self, run_id: str) -> str:
        """The folder with a run's samples and texts, as scripts."""
        return f"data/run/{self._runs[run_id]}"


def _hashed(name: str, length: int = 8) -> str:
    plain = _OTHER.sub("-", name[: 4 * _LONGEST])[:_LONGEST].strip("-._")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:length]
    return f"{plain}-{digest}" if plain else digest


def _troubles(name: str) -> bool:
    return name.endswith(".") or "--" in name or name.split(".")[0].casefold() in _RESERVED
