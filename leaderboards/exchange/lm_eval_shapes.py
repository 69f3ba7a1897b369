"""What logs of the LM Evaluation Harness hold, as far as they are read: typed values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from harness_leaderboards.exchange.shapes import Object, OpenShape, Shape, number_of

_LAST_SECOND = 253_402_300_799
"""Of the year 9999."""


class Config(Shape):
    """How lm-eval was called."""

    model: str = ""
    model_args: dict[str, Any] | str = ""
    """What loads the model: its name, adapters, precision."""
    model_revision: str = ""
    gen_kwargs: Any = None


class Log(Shape):
    """A results file."""

    results: dict[str, dict[str, Any] | None]
    configs: dict[str, Any]
    config: Object[Config] = Config()
    versions: dict[str, Any] = Field(default_factory=dict[str, Any])
    shots: dict[str, Any] = Field(alias="n-shot", default_factory=dict[str, Any])
    date: Annotated[float, Field(ge=0, le=_LAST_SECOND)] | None = None
    """Seconds since 1970."""
    model_name: str = ""
    lm_eval_version: str = ""
    system_instruction: str = ""
    chat_template_sha: str = ""
    fewshot_as_multiturn: bool = False


Argument = dict[str, Any] | list[Any] | str


class Row(OpenShape):
    """A line of a samples file; its metrics are further members, by their names."""

    doc_id: str
    doc_hash: str = ""
    filter: str = "none"
    metrics: list[str] = Field(default_factory=list[str])
    arguments: dict[str, Argument] | list[Argument] = Field(default_factory=list[Argument])
    resps: list[Any] = Field(default_factory=list[Any])
    filtered_resps: Any = None

    def number(self, metric: str) -> float | None:
        """A metric of the sample, where it is a number."""
        return number_of((self.model_extra or {}).get(metric))
