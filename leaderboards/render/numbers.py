"""Figures as short texts."""

from __future__ import annotations

NOT_KNOWN = "n/a"


def number(value: float | None, digits: int = 2) -> str:
    """A fraction as ``.42``, ``-.10``, ``1.00``; ``n/a`` where there is none."""
    if value is None:
        return NOT_KNOWN
    text = f"{value:.{digits}f}"
    if not float(text):
        text = text.removeprefix("-")
    if text.startswith(("0.", "-0.")):
        return text.replace("0.", ".", 1)
    return text


def signed(value: float | None, digits: int = 2) -> str:
    """The same with the sign of a difference: ``+.33``, ``-.10``, ``.00``."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(text) else text


def interval(middle: float | None, low: float | None, high: float | None) -> str:
    """``.42 [.31, .53]``; without an interval ``.42 [n/a]``."""
    if middle is None:
        return NOT_KNOWN
    return f"{number(middle)} {_ends(number(low), number(high))}"


def signed_interval(middle: float, low: float | None, high: float | None) -> str:
    """``+.33 [-.10, +.76]``."""
    return f"{signed(middle)} {_ends(signed(low), signed(high))}"


def amount(value: float | None) -> str:
    """A count or mean of counts: ``5.3``, ``127``, ``1,204``."""
    if value is None:
        return NOT_KNOWN
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A share: ``12 %``."""
    return NOT_KNOWN if value is None else f"{100 * value:.0f} %"


def probability(value: float) -> str:
    """A p value: ``.031``, ``<.001``."""
    return "<.001" if value < 0.001 else number(value, 3)


def _ends(low: str, high: str) -> str:
    return "[n/a]" if NOT_KNOWN in (low, high) else f"[{low}, {high}]"
