"""How a played item becomes its record: the row, the trace, and what it did to the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from harness.errors import HarnessError, MethodError
from harness.models.chat import Phase
from harness.models.client import CallRecord
from harness.protocols.stream import checks
from harness.protocols.stream.dumps import Lesson
from harness.protocols.stream.method import AgentReport, Memory, Play
from harness.protocols.stream.types import (
    Brief,
    Context,
    Delta,
    Entry,
    Experience,
    Feedback,
    Item,
    Retrieval,
    Score,
)
from harness.protocols.stream.world import World
from harness.results.schema import SampleRecord, Status


@dataclass(frozen=True)
class Committed:
    """A memory at a commit."""

    entries: Mapping[str, Entry]
    fingerprint: str

    @classmethod
    def of(cls, memory: Memory, before: Committed | None = None) -> Self:
        """Look at a memory as it is now, after a commit if there was one."""
        known = before.entries if before else {}
        return cls(checks.entries(memory.entries(), known), str(memory.fingerprint()))


@dataclass
class Played:
    """What is known of an item while it is played; on a failure, as far as it came."""

    brief: Brief | None = None
    retrieval: Retrieval = field(default_factory=Retrieval)
    context: Context = field(default_factory=Context)
    play: Play | None = None
    report: AgentReport = field(default_factory=AgentReport)
    score: Score | None = None
    experience: Experience | None = None
    begun: int = 0
    """Calls that were made before it was learned."""
    lesson: Lesson | None = None
    """What has to be learned again after a kill."""
    notes: Mapping[str, float] = field(default_factory=dict[str, float])
    """What the memory counted, once the item was learned."""
    wrong: bool | None = None
    """Whether it was told the opposite of what is true; None where that never happens."""
    told: Feedback | None = None
    """What the memory was told of the outcome; None where it was told nothing."""
    after: Committed | None = None
    world: World | None = None
    seconds: dict[Phase, float] = field(default_factory=dict[Phase, float])
    """Wall time of the memory's hooks."""

    @property
    def nothing_added(self) -> bool:
        """Whether the method has put nothing of its own into the prompt yet."""
        if self.play is None:
            return False
        return not (self.context.items or self.context.text or self.play.turns)


@dataclass(frozen=True)
class Outcome:
    """How playing an item ended."""

    status: Status
    problem: Exception | None
    who: str
    """The method, for the reason of a failure."""
    elapsed_s: float
    attempt: int
    calls: Sequence[CallRecord]
    before: Committed
    checkpoint: str = ""
    """Name of the state that was probed; empty of an item of the stream."""


def sample_record(item: Item, step: int, played: Played, outcome: Outcome) -> SampleRecord:
    """Build the record that is committed for an item."""
    status, problem, calls = outcome.status, outcome.problem, outcome.calls
    turns = played.play.turns if played.play else ()
    return SampleRecord(
        sample_id=item.sample_id,
        sample_hash=item.content_hash,
        stream_id=item.stream_id,
        step=step,
        status=status,
        score=_score(played, status),
        metrics=_metrics(played, outcome),
        attempt=outcome.attempt,
        repeat=item.repeat,
        checkpoint=outcome.checkpoint,
        error_type=type(problem).__name__ if problem else "",
        error=_reason(problem, outcome.who),
        input_tokens=sum(call.response.input_tokens for call in calls),
        output_tokens=sum(call.response.output_tokens for call in calls),
        latency_s=outcome.elapsed_s,
        **item_fields(item, played.score),
        trace={
            "calls": [call.as_json() for call in calls],
            "trajectory": [dict(vars(turn)) for turn in turns],
            "context": {
                "items": [dict(vars(hit)) for hit in played.context.items],
                "text": played.context.text,
            },
            "output": turns[-1].action if turns else "",
            "feedback": dict(vars(played.told)) if played.told else None,
            "world_hash": played.world.shown_hash if played.world else "",
        },
        memory={} if outcome.checkpoint else _memory(played, outcome),
    )


def item_fields(item: Item, score: Score | None) -> dict[str, Any]:
    """What a sample's row says of its item beside what identifies it, and of the answer read."""
    extra: dict[str, Any] = {} if item.difficulty is None else {"difficulty": item.difficulty}
    if score is not None and score.answer:
        extra["answer"] = score.answer
    return {
        "source_id": item.source_id or item.sample_id,
        "group": item.group,
        "extra": extra,
    }


_OF_THE_METHOD = {"invalid_outputs"} | {
    *("retrieved", "pruned", "similarity", "steps", "invalid_actions", "feedback_wrong")
}
_OF_THE_METHOD_TOO = ("input_tokens_", "output_tokens_", "seconds_", "agent_", "memory_")


def rescored_metrics(
    metrics: Mapping[str, float], valid: Sequence[bool], score: Score
) -> dict[str, float]:
    """The metrics of a finished sample under another score: what the method did stays.

    Args:
        metrics: as they were.
        valid: for each action, whether the world accepts it now.
        score: the other score.
    """
    kept = {
        name: float(value)
        for name, value in metrics.items()
        if name in _OF_THE_METHOD or name.startswith(_OF_THE_METHOD_TOO)
    }
    return {**kept, **_of_turns(valid), **_of_score(score)}


def _of_turns(valid: Sequence[bool]) -> dict[str, float]:
    return {"steps": float(len(valid)), "invalid_actions": float(valid.count(False))}


def _of_score(score: Score) -> dict[str, float]:
    return {"success": float(score.success), **score.metrics}


def _score(played: Played, status: Status) -> float | None:
    """The worst score where the method failed; none where nobody could know it."""
    if status is Status.FAILED:
        return 0.0
    if status is Status.OK and played.score is not None:
        return float(played.score.value)
    return None


def _metrics(played: Played, outcome: Outcome) -> dict[str, float]:
    """Numbers of the sample; those that say how good it was only where it has a score."""
    turns = played.play.turns if played.play else ()
    after = played.after or outcome.before
    metrics = {
        **{f"memory_{name}": value for name, value in played.notes.items()},
        **_of_turns([bool(turn.valid) for turn in turns]),
        "invalid_outputs": float(played.report.invalid_outputs),
        "memory_entries": float(len(after.entries)),
        "memory_chars": float(sum(len(entry.text) for entry in after.entries.values())),
        "retrieved": float(len(played.context.items)),
        "pruned": float(len(played.report.pruned)),
    }
    similarities = [hit.score for hit in played.context.items if hit.score == hit.score]
    if similarities:
        metrics["similarity"] = sum(similarities) / len(similarities)
    if played.wrong is not None:
        metrics["feedback_wrong"] = float(played.wrong)
    metrics.update(_usage(played, outcome.calls))
    metrics.update((f"agent_{name}", value) for name, value in played.report.notes.items())
    if outcome.status is Status.FAILED:
        metrics["success"] = 0.0
    if outcome.status is Status.OK and played.score is not None:
        metrics.update(_of_score(played.score))
    return metrics


def _usage(played: Played, calls: Sequence[CallRecord]) -> dict[str, float]:
    """Tokens and seconds by phase; a hook's seconds include the model calls it made."""
    usage = dict[str, float]()

    def add(name: str, value: float) -> None:
        usage[name] = usage.get(name, 0.0) + value

    for call in calls:
        add(f"input_tokens_{call.phase}", float(call.response.input_tokens))
        add(f"output_tokens_{call.phase}", float(call.response.output_tokens))
        if call.phase not in played.seconds:
            add(f"seconds_{call.phase}", call.response.latency_s)
    for phase, seconds in played.seconds.items():
        usage[f"seconds_{phase}"] = seconds
    return usage


def _memory(played: Played, outcome: Outcome) -> dict[str, Any]:
    after = played.after or outcome.before
    delta = Delta.between(outcome.before.entries, after.entries)
    return {
        "added": [entry.as_json() for entry in delta.added],
        "changed": [entry.as_json() for entry in delta.changed],
        "removed": list(delta.removed),
        "order": list(delta.order),
        "read": [
            [hit.id, None if hit.score != hit.score else hit.score] for hit in played.context.items
        ],
        "pruned": list(played.report.pruned),
        "fingerprint": after.fingerprint,
        **({} if played.lesson is None else {"lesson": played.lesson.as_json()}),
    }


def _reason(problem: Exception | None, who: str) -> str:
    if problem is None:
        return ""
    if isinstance(problem, MethodError):
        return f"{who}: {problem}"
    if isinstance(problem, HarnessError):
        return str(problem)
    return f"{who} raised {type(problem).__name__}: {problem}"
