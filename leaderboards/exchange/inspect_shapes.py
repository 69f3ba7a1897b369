"""What a log of Inspect holds, as far as it is read: header and samples as typed values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from harness_leaderboards.exchange.shapes import Object, Shape, number_of

_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partially correct, incorrect, no answer: the values of inspect_ai.scorer."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}

Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _in_utc(time: datetime) -> datetime:
    """A time with its zone; Inspect's times are of UTC where they name none."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Time = Annotated[
    datetime,
    AfterValidator(_in_utc),
    Field(ge=datetime(1970, 1, 2, tzinfo=UTC), le=datetime(9999, 1, 1, tzinfo=UTC)),
]


class Eval(Shape):
    """What was run."""

    task: str
    model: str = "unknown"
    task_version: str = ""
    created: Time | None = None
    packages: dict[str, Any] = Field(default_factory=dict[str, Any])
    task_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    model_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    model_generate_config: dict[str, Any] = Field(default_factory=dict[str, Any])
    solver: str = ""
    solver_args: dict[str, Any] = Field(default_factory=dict[str, Any])


class Figure(Shape):
    """A figure of a scorer."""

    value: Any = None


class Scorer(Shape):
    """A scorer with its figures."""

    name: str
    metrics: dict[str, Object[Figure]] = Field(default_factory=dict[str, Figure])


class Results(Shape):
    """The figures of the run."""

    scores: list[Object[Scorer]] = Field(default_factory=list[Scorer])


class Header(Shape):
    """A log without its samples."""

    status: Literal["started", "success", "cancelled", "error"]
    eval: Object[Eval]
    results: Object[Results] = Results()
    samples: list[Any] = Field(default_factory=list[Any])
    """Of a ``.json`` log; those of an archive are entries of their own."""


class Score(Shape):
    """What a scorer gave a sample."""

    value: Any = None

    @property
    def number(self) -> float | None:
        """The value as `inspect_ai.scorer.value_to_float` has it; None where that warns.

        That function has 0 for what is no number; here it is not known.
        """
        if not isinstance(self.value, str):
            return number_of(self.value)
        known = _LETTERS.get(self.value, _WORDS.get(self.value.lower()))
        if known is not None:
            return known
        try:
            return number_of(float(self.value))
        except ValueError:
            return None


class Problem(Shape):
    """Why a sample has no answer."""

    message: str = ""


class Output(Shape):
    """The last answer of a model."""

    completion: str = ""


class Usage(Shape):
    """Tokens of a model."""

    input_tokens: Count = 0
    output_tokens: Count = 0


class Message(Shape):
    """One message of a conversation."""

    role: str = ""
    content: Any = ""

    @property
    def text(self) -> str:
        """Its content; of several parts as JSON."""
        if isinstance(self.content, str):
            return self.content
        return json.dumps(self.content, ensure_ascii=False)


class Sample(Shape):
    """One sample in one epoch."""

    id: str
    epoch: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    input: Any = None
    target: Any = None
    scores: dict[str, Object[Score]] = Field(default_factory=dict[str, Score])
    error: Object[Problem] | None = None
    output: Object[Output] = Output()
    messages: list[Object[Message]] = Field(default_factory=list[Message])
    model_usage: dict[str, Object[Usage]] = Field(default_factory=dict[str, Usage])
    total_time: Seconds = 0.0
