"""The numbers that Evo-Memory published (arXiv 2511.20857 v1), and what is known to be wrong there.

`published.toml` holds them as printed. They are shown beside runs of a model with one of the
paper's names, or where a board asks for them; they come of other prompts, settings and one order.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness_leaderboards.streams.paper import MULTI, SINGLE, TOOLBENCH

DEFECTS = (
    "Published from one order, without any variance; AIME has 30 items, so one problem is .033.",
    "The printed average is (6 exact matches + mean(API, Acc)) / 7 in 27 of 28 rows of Table 1; in "
    "Table 6 missing AIME cells count as 0 there, and 13 of 14 Flash-Lite rows follow no rule.",
    "Gemini Flash History on ToolBench is .62/.54 in Table 1 and .31/.26 in the appendix; Table 6 "
    "prints the same 14 rows as Flash and as Flash-Lite; three methods of Claude 3.5 Haiku are "
    "equal in all ten columns.",
    "The text gives .92/.96 to BabyAI and .95/.62 to ScienceWorld; the table has .92/.96 for "
    "AlfWorld and .62/.89 for ScienceWorld.",
    "Baseline to History, which only shows the episode so far, is already +.25 success there.",
)
"""What recomputing the published tables showed."""

_LONGER = ("gemini-2.5-flash-lite",)
"""Backbones without numbers here whose names contain one that has some."""


@dataclass(frozen=True)
class PublishedRow:
    """One method of one table, as printed.

    Attributes:
        method: our name of it.
        cells: by data set, one or two figures; what was not copied is absent.
        average: the printed average, one figure or success and progress.
    """

    method: str
    cells: Mapping[str, tuple[float, ...]]
    average: tuple[float, ...]


@dataclass(frozen=True)
class Published:
    """One backbone."""

    backbone: str
    single: tuple[PublishedRow, ...]
    multi: tuple[PublishedRow, ...]


@cache
def published() -> tuple[Published, ...]:
    """All backbones of which numbers are at hand."""
    source = files("harness_leaderboards.streams").joinpath("published.toml")
    tables: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
    single, multi = tables["single"], tables["multi"]
    averages = tables["multi_average"]
    return tuple(
        Published(
            backbone,
            tuple(_single(name, row) for name, row in single.get(backbone, {}).items()),
            (
                *(_multi(name, row) for name, row in multi.get(backbone, {}).items()),
                *(
                    PublishedRow(name, {}, tuple(row))
                    for name, row in averages.get(backbone, {}).items()
                ),
            ),
        )
        for backbone in dict.fromkeys((*single, *multi, *averages))
    )


def published_of(model: str) -> Published | None:
    """The backbone that a model's name contains, if any; dots and dashes are alike."""
    name = _plain(model)
    if any(_plain(one) in name for one in _LONGER):
        return None
    return next((one for one in published() if _plain(one.backbone) in name), None)


def _plain(name: str) -> str:
    return name.lower().replace(".", "-")


def _single(method: str, row: Sequence[float]) -> PublishedRow:
    cells = {subset: (row[place],) for place, subset in enumerate(SINGLE) if subset != TOOLBENCH}
    return PublishedRow(method, {**cells, TOOLBENCH: (row[6], row[7])}, (row[8],))


def _multi(method: str, row: Sequence[float]) -> PublishedRow:
    cells = {subset: (row[2 * at], row[2 * at + 1]) for at, subset in enumerate(MULTI)}
    return PublishedRow(method, cells, (row[8], row[9]))
