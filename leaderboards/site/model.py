"""What a site is made of."""

from __future__ import annotations

from dataclasses import dataclass

from harness_leaderboards.history.model import Trend
from harness_leaderboards.ranking.model import RankedBoard
from harness_leaderboards.render.page import Page


@dataclass(frozen=True)
class SiteBoard:
    """A board with everything its page shows.

    Attributes:
        ranked: its ranked tables.
        page: its detailed tables, None where there are none.
        trends: its methods over time.
        parquet: the bytes of its parquet file, None where there is none to hand out.
    """

    ranked: RankedBoard
    page: Page | None = None
    trends: tuple[Trend, ...] = ()
    parquet: bytes | None = None

    @property
    def name(self) -> str:
        """The name of the board."""
        return self.ranked.board.name


@dataclass(frozen=True)
class SiteOptions:
    """How a site is built.

    Attributes:
        title: heading of the first page.
        samples_per_run: most samples of a run that the site has, with their texts.
        live: whether pages ask their server for running runs; only of a site that is served.
        problems: what the first page warns of, as sentences.
    """

    title: str = "Leaderboards"
    samples_per_run: int = 1000
    live: bool = False
    problems: tuple[str, ...] = ()
