"""The options of ``harness compare``, checked; light enough for ``harness --help``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from harness_leaderboards.comparing.metrics import Direction
    from harness_leaderboards.comparing.model import Report, Rules

POLICY = "significant or strict"
ALLOW = "task_version, data, missing"
DIRECTION = "higher or lower"

Word = TypeVar("Word", bound=StrEnum)


def rules(
    alpha: float,
    min_effect: float | None,
    policy: str,
    allow: Sequence[str],
    permutations: int | None,
    seed: int,
) -> Rules:
    """Check how a comparison is decided.

    Raises:
        UsageError: a value is out of its range, or a word unknown.
    """
    from harness.errors import UsageError
    from harness_leaderboards.comparing.model import Allow, Policy, Rules

    if not 0 < alpha < 1:
        raise UsageError(f"--alpha is an error rate between 0 and 1, not {alpha:g}; usual is .05.")
    if min_effect is not None and not 0 <= min_effect < float("inf"):
        raise UsageError(f"--min-effect is a size, at least 0, not {min_effect:g}.")
    if permutations is not None and not 1 <= permutations <= 10_000_000:
        raise UsageError(f"--permutations is 1 to 10,000,000, not {permutations}.")
    if seed < 0:
        raise UsageError(f"--seed is at least 0, not {seed}.")
    return Rules(
        alpha=alpha,
        min_effect=min_effect,
        policy=_word(Policy, policy, "policy"),
        allow=frozenset(_word(Allow, one.replace("-", "_"), "allowance") for one in words(allow)),
        permutations=permutations,
        seed=seed,
    )


def words(values: Iterable[str]) -> tuple[str, ...]:
    """Lists separated by commas or given by repeating an option, as one."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def direction(value: str) -> Direction | None:
    """Which way a metric is better, where the user says it.

    Raises:
        UsageError: the word is unknown.
    """
    from harness_leaderboards.comparing.metrics import Direction

    return _word(Direction, value, "direction") if value else None


def exit_code(report: Report) -> int:
    """Regressed before unreadable files, and these before inconclusive."""
    from harness.statistics import Verdict

    if report.verdict is Verdict.REGRESSED:
        return 3
    if report.problems:
        return 1
    return 4 if report.verdict is Verdict.INCONCLUSIVE else 0


def complain(problems: Iterable[str]) -> None:
    """Name what could not be read."""
    from harness.text import clean

    for problem in problems:
        typer.echo(clean(problem), err=True)


def _word(kind: type[Word], value: str, what: str) -> Word:
    from harness.errors import UnknownName

    known = [str(one) for one in kind]
    if value not in known:
        raise UnknownName(what, value, known)
    return kind(value)
