"""Progress by annotated subgoals: AgentBoard's labels and its rule for counting them.

`load_labels` reads AgentBoard's label file (GPL-2.0 data, loaded at run time only, never kept in
this repository). `SubgoalTracker` counts subgoals over the observations of one episode. Source:
AgentBoard (arXiv 2401.13178), environment/babyai_env.py and tasks/babyai.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.errors import MissingData

_CANCEL_AT = 0.5


@dataclass(frozen=True)
class Label:
    """What an annotator wrote about one mission.

    Attributes:
        goal: mission text as minigrid words it.
        subgoals: one list of patterns, or alternative lists of equal length.
        difficulty: ``easy`` or ``hard``.
        init_obs: the observation at the start.
        level: name of the minigrid level.
    """

    goal: str
    subgoals: tuple[tuple[str, ...], ...]
    difficulty: str
    init_obs: str
    level: str


class SubgoalTracker:
    """Share of subgoals seen so far in one episode.

    An observation can count for one subgoal only, the first open one that matches; that one is
    then closed. With alternative lists, the patterns at the same position are one subgoal, and
    either of them counts.

    Args:
        patterns: patterns of the subgoals; further lists are alternatives of the same length.
    """

    def __init__(self, *patterns: Sequence[str]) -> None:
        self._open = list(zip(*patterns, strict=True))
        self._count = len(self._open)
        self.progress = 0.0

    def update(self, observation: str) -> float:
        """Count an observation.

        Returns:
            The progress in [0, 1], which never falls.
        """
        for position, alternatives in enumerate(self._open):
            if any(matches(pattern, observation) for pattern in alternatives):
                del self._open[position]
                self.progress = (self._count - len(self._open)) / self._count
                break
        return self.progress

    def is_done(self, environment_done: bool) -> bool:
        """Whether the episode is over, given what the environment says.

        Its word is dismissed while the progress is at most one half, because the agent may have
        skipped steps by luck, and full progress ends the episode without it.
        """
        if self.progress == 1:
            return True
        return environment_done and self.progress > _CANCEL_AT


def matches(pattern: str, observation: str) -> bool:
    """Whether all parts of a pattern occur in one sentence of an observation.

    Parts are separated by ``**``, or by ``*`` in a pattern without ``**``; sentences end with a
    full stop. The order of the parts does not matter.
    """
    pattern = pattern.strip()
    parts = [part.strip(".") for part in pattern.split("**" if "**" in pattern else "*")]
    return any(all(part in sentence for part in parts) for sentence in observation.split("."))


def load_labels(path: Path) -> list[Label]:
    """Read AgentBoard's label file for BabyAI, one JSON object per line.

    Args:
        path: its ``babyai/test.jsonl``.

    Raises:
        MissingData: the file cannot be read or a line is not a label.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingData(f"cannot read the BabyAI labels {path}: {error}.") from error
    labels: list[Label] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            labels.append(_parse(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise MissingData(
                f"line {number} of {path} is not a BabyAI label of AgentBoard"
                f" ({type(error).__name__}: {error}); fetch the file again."
            ) from error
    return labels


def _parse(row: Any) -> Label:
    fields = _mapping(row)
    # Alternatives stand beside the first list as `subgoals_1` and so on.
    keys = sorted(key for key in fields if key.startswith("subgoals"))
    subgoals = tuple(_patterns(fields[key]) for key in keys)
    if not subgoals or not subgoals[0]:
        raise ValueError("no subgoals")
    if len({len(patterns) for patterns in subgoals}) > 1:
        raise ValueError("alternative subgoals differ in number")
    more = _mapping(fields["additional_info"])
    return Label(
        goal=_text(fields["goal"]),
        subgoals=subgoals,
        difficulty=_text(fields["difficulty"]),
        init_obs=_text(more["init_obs"]),
        level=_text(more["subtask"]),
    )


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object is expected")
    return cast("dict[str, Any]", value)


def _patterns(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("subgoals must be a list")
    return tuple(_text(pattern) for pattern in cast("list[Any]", value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected where there is {value!r}")
    return value
