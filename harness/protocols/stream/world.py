"""An episode as the loop plays it: what the task raises is told apart from a method's failures.

Whatever a task raises is the task's own doing. Where it says that the item cannot be answered
(`InvalidSample`) the sample is invalid; anything else that is no exception of the harness becomes a
`TaskError`. Both are remembered, so that a method that swallows exceptions hides neither.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from harness.data import content_hash
from harness.errors import HarnessError, InfrastructureError, InvalidSample, MethodError, TaskError
from harness.protocols.stream.task import Episode, StreamTask
from harness.protocols.stream.types import Brief, Item, Observation, Score

Result = TypeVar("Result")


class World:
    """One item of a task."""

    def __init__(self, task: StreamTask, item: Item) -> None:
        self._task = task
        self._item = item
        self._episode: Episode | None = None
        self._turns = 0
        self._shown: list[str] = []
        self.refusal: InvalidSample | None = None
        """Set when the task says that the item cannot be answered."""
        self.failure: InfrastructureError | None = None
        """Set when the task itself broke."""

    async def start(self) -> tuple[Brief, Observation]:
        """Open the episode; returns what the method is told and the first observation."""
        episode = self._episode = self._guarded(lambda: self._task.episode(self._item))
        first = await self._call(episode, episode.reset)
        self._brief = self._guarded(lambda: episode.brief)
        self._guarded(lambda: self._shown.append(_told(self._brief)))
        return self._brief, self._seen(first)

    async def step(self, action: str) -> Observation:
        """Take one action.

        Raises:
            MethodError: the agent has taken all turns that there are.
        """
        episode = self._opened()
        if self._turns >= self._brief.max_turns:
            raise MethodError(f"the agent took more than {self._brief.max_turns} turns")
        self._turns += 1
        return self._seen(await self._call(episode, lambda: episode.step(action)))

    async def score(self) -> Score:
        """Score what was done; plain numbers, whatever the task counts with."""
        episode = self._opened()
        found = await self._call(episode, episode.score)
        return self._guarded(lambda: _plain(found))

    @property
    def shown_hash(self) -> str:
        """Hash of all that was told and shown; empty before the start.

        Which actions were accepted is not part of it.
        """
        return content_hash(*self._shown) if self._shown else ""

    def close(self) -> None:
        """Release what the episode holds."""
        if self._episode is not None:
            self._guarded(self._episode.close)

    def _opened(self) -> Episode:
        if self._episode is None:
            raise TaskError("the episode was not started")
        return self._episode

    def _seen(self, observation: Observation) -> Observation:
        self._guarded(lambda: self._shown.append(f"{bool(observation.done)} {observation.text}"))
        return observation

    async def _call(self, episode: Episode, method: Callable[[], Result]) -> Result:
        """Call the episode, in a thread if it may take long."""
        if episode.blocking:
            return await asyncio.to_thread(self._guarded, method)
        return self._guarded(method)

    def _guarded(self, method: Callable[[], Result]) -> Result:
        try:
            return method()
        except InvalidSample as error:
            self.refusal = error
            raise
        except InfrastructureError as error:
            self.failure = error
            raise
        except Exception as error:
            name = type(self._episode or self._task).__name__
            reason = str(error) if isinstance(error, HarnessError) else repr(error)
            self.failure = TaskError(f"the task's {name} broke: {reason}")
            raise self.failure from error


def _told(brief: Brief) -> str:
    """A brief as text; fields that came later count only where they differ from their default."""
    told = {
        name: value
        for name, default in _brief_fields()
        if (value := getattr(brief, name)) != default
    }
    return json.dumps(told, default=repr)


@cache
def _brief_fields() -> tuple[tuple[str, Any], ...]:
    return tuple((one.name, one.default) for one in fields(Brief))


def _plain(score: Score) -> Score:
    metrics = {str(name): float(value) for name, value in score.metrics.items()}
    gold, answer = str(score.gold), str(score.answer)
    return Score(float(score.value), bool(score.success), metrics, gold, answer)
