"""Ceilings on tokens, cost and time: a sweep stops asking when one is reached, and can go on later.

What counts is what was computed for the sweep's runs, in this execution or an earlier one; answers
out of the response cache are free. Requests that are under way when a ceiling is reached are
finished and kept, so it is exceeded by at most those.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import CeilingReached, UsageError
from harness.models.base import ModelRequest

_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Price:
    """What a model costs, in any currency, for a million tokens."""

    input: float
    output: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Cost of so many tokens."""
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


class Ceilings:
    """What may be spent, and what has been.

    Args:
        tokens: most tokens, read and written together; None: no ceiling.
        cost: most money, in the currency of the price table.
        time_s: most seconds from now.
    """

    def __init__(
        self, tokens: int | None = None, cost: float | None = None, time_s: float | None = None
    ) -> None:
        self._tokens, self._cost, self._time_s = tokens, cost, time_s
        self._began = time.monotonic()
        self.spent_tokens = 0
        self.spent_cost = 0.0

    def spend(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Note what was computed; a model without a price costs nothing."""
        self.spent_tokens += input_tokens + output_tokens
        self.spent_cost += price.of(input_tokens, output_tokens) if price else 0.0

    def check(self) -> None:
        """Let a request pass, or not.

        Raises:
            CeilingReached: names the ceiling and the option that raises it.
        """
        if self._tokens is not None and self.spent_tokens >= self._tokens:
            raise CeilingReached(
                f"--max-tokens-total {self._tokens} is reached ({self.spent_tokens} tokens)"
            )
        if self._cost is not None and self.spent_cost >= self._cost:
            raise CeilingReached(f"--max-cost {self._cost:g} is reached ({self.spent_cost:.4g})")
        if self._time_s is not None and time.monotonic() - self._began >= self._time_s:
            raise CeilingReached(f"--max-time is reached ({self._time_s:g} s)")


def seconds(text: str) -> float:
    """Read ``90``, ``45s``, ``30m``, ``1h30m`` or ``2d`` as seconds.

    Raises:
        UsageError: it is none of them, or nothing.
    """
    span = text.strip()
    # A number alone is seconds; after a unit it could be anything, as in 1h30.
    found = _SPAN.fullmatch(f"{span}s" if _NUMBER.fullmatch(span) else span)
    parts = [float(part or 0) for part in found.groups()] if found else []
    total = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=False))
    if not total:
        raise UsageError(f"max_time '{text}' is no span of time; write 90, 45s, 30m or 1h30m.")
    return total


def read_prices(path: str) -> dict[str, Price]:
    """Read a price table: YAML, ``MODEL: {input: 0.15, output: 0.60}`` for a million tokens.

    Raises:
        UsageError: it cannot be read, or a price is none.
    """
    import yaml

    try:
        table: Any = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the prices {path}: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no readable YAML: {' '.join(str(error).split())}.") from error
    try:
        prices = {
            str(model): Price(float(one["input"]), float(one["output"]))
            for model, one in table.items()
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no price table; {_PRICE_FORM}.") from error
    if not all(0 <= value < 1e9 for one in prices.values() for value in (one.input, one.output)):
        raise UsageError(f"{path} has a price that is none; {_PRICE_FORM}.")
    return prices


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model as the user names it, with its kind, without it, or without revision."""
    request = ModelRequest.parse(model)
    named = f"{request.name}:{request.target}"
    for name in (model, named, request.target, request.name if not request.target else ""):
        if name in prices:
            return prices[name]
    return None


_PRICE_FORM = "write a line MODEL: {input: 0.15, output: 0.60} for each model, per million tokens"
