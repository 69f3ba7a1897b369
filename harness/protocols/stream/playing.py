"""Playing one item: search -> synthesize -> act -> score -> feedback -> evolve, and its record.

Whatever goes wrong becomes the status of the item's record; the memory is then back at its last
commit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import (
    CeilingReached,
    InfrastructureError,
    InvalidSample,
    MethodError,
    PromptTooLong,
    StorageError,
)
from harness.hooks import call_hook
from harness.models.chat import Phase
from harness.models.client import StreamClient
from harness.protocols.stream import checks
from harness.protocols.stream.dumps import Lesson, blamed
from harness.protocols.stream.feedback import granted, is_wrong
from harness.protocols.stream.method import Play
from harness.protocols.stream.probes import Frozen
from harness.protocols.stream.record import Committed, Outcome, Played, sample_record
from harness.protocols.stream.types import Experience, Feedback, Item, Query
from harness.protocols.stream.world import World
from harness.results.schema import SampleRecord, Status, sample_key

if TYPE_CHECKING:
    from harness.protocols.stream.loop import Lane


@dataclass(frozen=True)
class Turnout:
    """One time that an item is played."""

    item: Item
    step: int
    """Items that the memory has behind it."""
    checkpoint: str = ""
    """Name of the state that a probe asks; empty of an item of the stream."""

    @property
    def key(self) -> str:
        """What tells it from the other samples of the run."""
        return sample_key(self.item.sample_id, self.item.repeat, self.checkpoint)


async def play_item(
    lane: Lane, turnout: Turnout, committed: Committed, played: Played
) -> tuple[SampleRecord, Committed]:
    """Play one item; returns its record, whatever happened, and the memory after it."""
    item, step, key = turnout.item, turnout.step, turnout.key
    lane.client.begin(key, lane.answered.get(key, ()))
    started = time.perf_counter()
    status, problem = Status.OK, None
    try:
        await _play_and_learn(lane, turnout, played, committed)
        played.after = Committed.of(lane.memory, committed)
        if turnout.checkpoint and played.after.fingerprint != committed.fingerprint:
            raise MethodError("search or synthesize changed the memory, which they must not")
        if lane.dumps.keeps_lessons:
            played.lesson = _lesson(turnout, played, committed)
    except (StorageError, CeilingReached):
        raise
    except InfrastructureError as error:
        status, problem = Status.ERROR, error
    except PromptTooLong as error:
        nothing_added = played.nothing_added and not lane.client.calls
        status, problem = (Status.INVALID if nothing_added else Status.FAILED), error
    except InvalidSample as error:
        refused = played.world is not None and error is played.world.refusal
        status, problem = (Status.INVALID if refused else Status.FAILED), error
    except Exception as error:  # noqa: BLE001 - the one place that turns a failed sample into a row
        status, problem = Status.FAILED, error
    if problem is not None:
        hidden = lane.client.failure or (played.world.failure if played.world else None)
        if isinstance(hidden, CeilingReached):
            raise hidden
        if hidden is not None:
            status, problem = Status.ERROR, hidden
        calls, failure = lane.client.calls, lane.client.failure
        played.after, played.lesson = committed, None
        with blamed(lane.memory):
            await lane.dumps.back(step - 1, committed.entries)
        lane.client.calls, lane.client.failure = calls, failure
    outcome = Outcome(
        status=status,
        problem=problem,
        who=f"{type(lane.agent).__name__} with {type(lane.memory).__name__}",
        elapsed_s=time.perf_counter() - started,
        attempt=1 + lane.attempts.get(key, 0),
        checkpoint=turnout.checkpoint,
        calls=lane.client.calls,
        before=committed,
    )
    return sample_record(item, step, played, outcome), played.after or committed


async def _play_and_learn(
    lane: Lane, turnout: Turnout, played: Played, committed: Committed
) -> None:
    item, step, settings = turnout.item, turnout.step, lane.task.options
    frozen = bool(turnout.checkpoint) or settings.frozen
    world = played.world = World(lane.task, item)
    try:
        brief, first = await world.start()
        played.brief = brief
        query = Query(item.sample_id, lane.offset + step, brief.goal)
        began = time.perf_counter()
        played.retrieval = checks.retrieval(await call_hook(lane.memory.search, query))
        played.context = checks.context(
            await call_hook(lane.memory.synthesize, query, played.retrieval)
        )
        if lane.memory.stateful:  # others show what they were given, such as demonstrations
            checks.known_ids(played.retrieval.hits, committed.entries, "search")
            checks.known_ids(played.context.items, committed.entries, "synthesize")
        played.seconds[Phase.RETRIEVE] = time.perf_counter() - began
        play = played.play = Play(brief, first, world.step)
        memory: Any = Frozen(lane.memory) if frozen else lane.memory
        report = await call_hook(lane.agent.act, play, played.context, lane.client, memory)
        _raise_hidden(lane.client, world)
        played.report = checks.report(report)
        if not play.turns:
            raise MethodError("the agent ended without an action")
        score = played.score = await world.score()
        played.notes = checks.notes(lane.memory.notes(), "notes")
        if frozen:
            return
        if not lane.memory.unaided:
            played.wrong = is_wrong(settings, item, step / lane.length) if settings.flip else None
            told = granted(settings, score, wrong=bool(played.wrong))
        else:
            told = Feedback()
        played.told = told
        if told is not None:
            experience = played.experience = _experience(item, lane.offset + step, played, told)
            played.begun = lane.client.begun
            began = time.perf_counter()
            await call_hook(lane.memory.evolve, experience)
            _raise_hidden(lane.client, world)
            played.seconds[Phase.EVOLVE] = time.perf_counter() - began
        played.notes = checks.notes(lane.memory.notes(), "notes")
    finally:
        world.close()


def _lesson(turnout: Turnout, played: Played, before: Committed) -> Lesson | None:
    """What an item did to a memory that learns it again after a kill; None if nothing."""
    held = played.after.entries if played.after else before.entries
    removed = [one for one in played.report.pruned if one in before.entries and one not in held]
    if played.experience is None and not removed:
        return None
    return Lesson(turnout.key, turnout.step, played.experience, tuple(removed), played.begun)


def _raise_hidden(client: StreamClient, world: World) -> None:
    """A method must not turn a failed call into a bad answer by swallowing the exception."""
    for hidden in (client.failure, world.failure, world.refusal):
        if hidden is not None:
            raise hidden


def _experience(item: Item, step: int, played: Played, feedback: Feedback) -> Experience:
    brief, play = played.brief, played.play
    if brief is None or play is None:
        raise MethodError("no episode was played")
    return Experience(
        sample_id=item.sample_id,
        step=step,
        goal=brief.goal,
        turns=play.turns,
        feedback=feedback,
        goal_label=brief.goal_label,
        action_label=brief.action_label,
        single_turn=brief.single_turn,
        retrieved=played.context.ids,
        pruned=played.report.pruned,
    )
