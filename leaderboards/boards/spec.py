"""What a board is: a TOML file that says which task, which metric, and how to average.

`BoardSpec` is that file, validated. Its head is the same for every protocol and makes the ranked
tables; the part named after the protocol says what the detailed tables below them show.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import UsageError

COSTS = ("input_tokens", "output_tokens", "tokens", "seconds", "memory_bytes")
"""What a trade-off can name beside ``value`` and columns."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(StrEnum):
    """What a metric is computed from."""

    SAMPLES = "samples"
    """The mean of a value that every sample has."""
    RUNS = "runs"
    """A figure of the run as a whole; its repetitions over seeds are the units."""


class Cluster(StrEnum):
    """Which samples are not independent of each other."""

    STREAM = "stream"
    """Those of one stream: a method that learns carries something from one to the next."""
    SOURCE = "source"
    """Those of one source: a photograph, a puzzle, an author."""


class Weight(StrEnum):
    """What weighs the same in an average over subsets."""

    SUBSETS = "subsets"
    SAMPLES = "samples"


class Metric(_Part):
    """The metric that methods are ranked by."""

    name: str = "score"
    """``score``, or the name of a metric of the samples or the runs."""
    header: str = "score"
    higher_is_better: bool = True
    of: Source = Source.SAMPLES
    cluster: Cluster = Cluster.SOURCE
    """Left out of a file: the stream for a stream board, else the source."""
    worst: float = Field(default=0.0, allow_inf_nan=False)
    """What a failed sample counts with; to be said where lower is better."""
    without_groups: tuple[str, ...] = ()
    """Groups of samples that do not count, such as clean images."""
    equal_sources: bool = False
    """Whether each source weighs the same, however many samples it has (puzzles of ARC)."""


class Column(_Part):
    """A secondary figure: a metric of the runs, averaged over seeds and subsets."""

    metric: str
    header: str
    higher_is_better: bool | None = None
    """None: neither is better, such as a number of steps."""


class Group(_Part):
    """Subsets that are shown and averaged together."""

    name: str
    subsets: tuple[str, ...]


class TradeOff(_Part):
    """A plot of two figures against each other.

    Each is ``value``, a metric of a column, or a cost: input_tokens, output_tokens, tokens,
    seconds, memory_bytes.
    """

    x: str
    y: str = "value"
    title: str


class StreamDetails(_Part):
    """Detailed tables of a stream board."""

    columns: tuple[str, ...] = ()
    """Of the table of a subset."""
    published: bool = False
    """Show Evo-Memory's published numbers whatever the models; else only of a model it had."""


class ForgettingMeasure(_Part):
    """A measure that falls as a model forgets, and levels at which methods are compared."""

    metric: str
    name: str
    levels: tuple[float, ...] = ()


class EditDetails(_Part):
    """Detailed tables of an edit board."""

    forgetting: tuple[ForgettingMeasure, ...]
    kept: tuple[tuple[str, str], ...]
    end: tuple[tuple[str, str], ...]
    against_reference: tuple[str, ...] = ()
    reference: str = "retrain"


class AdaptDetails(_Part):
    """Detailed tables of an adapt board."""

    figures: tuple[tuple[str, str], ...]
    costs: tuple[tuple[str, str], ...] = ()


class SolveDetails(_Part):
    """Detailed tables of a solve board."""

    unit: str
    figures: tuple[tuple[str, str], ...]
    fit_options: tuple[str, ...] = ()


class BoardSpec(_Part):
    """One leaderboard."""

    name: str
    title: str = ""
    summary: str = ""
    task: str
    protocol: Literal["stream", "edit", "adapt", "solve"]
    baseline: str
    """The method that gains are measured against."""
    subsets: tuple[str, ...] = ()
    """Which subsets count, in order; none: all that have runs."""
    metric: Metric = Metric()
    columns: tuple[Column, ...] = ()
    groups: tuple[Group, ...] = ()
    average: Weight = Weight.SUBSETS
    minimum_seeds: int = Field(default=1, ge=1)
    """A method with fewer is listed unranked."""
    min_effect: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Smallest difference that matters; none: the task's."""
    trade_offs: tuple[TradeOff, ...] = ()
    stream: StreamDetails | None = None
    edit: EditDetails | None = None
    adapt: AdaptDetails | None = None
    solve: SolveDetails | None = None

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a board's name has letters a to z, digits, '-' and '_' only")
        return name

    @model_validator(mode="before")
    @classmethod
    def _with_cluster(cls, fields: Any) -> Any:
        """Samples of a stream belong together unless a board says otherwise."""
        if not isinstance(fields, dict):
            return fields
        given: dict[str, Any] = dict(cast("dict[str, Any]", fields))
        metric = given.get("metric", {})
        if given.get("protocol") == "stream" and isinstance(metric, dict):
            given["metric"] = {"cluster": Cluster.STREAM, **metric}
        return given

    @model_validator(mode="after")
    def _consistent(self) -> BoardSpec:
        for protocol in ("stream", "edit", "adapt", "solve"):
            if protocol != self.protocol and getattr(self, protocol) is not None:
                raise ValueError(f"has a part [{protocol}] but protocol = '{self.protocol}'")
        lower = not self.metric.higher_is_better and self.metric.of is Source.SAMPLES
        if lower and "worst" not in self.metric.model_fields_set:
            raise ValueError(
                "metric.worst has to say what a failed sample counts with, where lower is better"
            )
        figures = {"value", *COSTS, *(column.metric for column in self.columns)}
        unknown = {name for one in self.trade_offs for name in (one.x, one.y)} - figures
        if unknown:
            raise ValueError(
                f"trade_offs name no column: {', '.join(sorted(unknown))}; there are: "
                f"{', '.join(sorted(figures))}"
            )
        if self.metric.equal_sources and self.metric.cluster is not Cluster.SOURCE:
            raise ValueError("equal_sources needs cluster = 'source'")
        if len({group.name for group in self.groups}) < len(self.groups):
            raise ValueError("two groups have one name")
        if self.subsets:
            unknown = {one for group in self.groups for one in group.subsets} - set(self.subsets)
            if unknown:
                names = ", ".join(sorted(unknown))
                raise ValueError(f"groups name subsets that the board does not have: {names}")
        return self


def read_board(source: Path | Traversable) -> BoardSpec:
    """Read a board's TOML file.

    Raises:
        UsageError: the file is not there, is no TOML, or is no board; names file and place.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the board {source} ({error}).") from error
    try:
        return parse_board(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UsageError) as error:
        raise UsageError(f"the board {source} is not valid: {error}") from error


def parse_board(fields: dict[str, Any]) -> BoardSpec:
    """Make a board of plain values.

    Raises:
        UsageError: a field is missing, unknown or wrong; the first one is named.
    """
    try:
        return BoardSpec(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(one) for one in first["loc"]) or "the board"
        raise UsageError(f"{place}: {first['msg']}") from error
