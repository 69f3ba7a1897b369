"""What every task has to keep."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness import options
from harness.conformance.adapt import check_adapt_task
from harness.conformance.edits import check_edit_task
from harness.conformance.solve import check_solve_task
from harness.errors import HarnessError
from harness.models.base import ModelKind
from harness.models.classifiers import ClassifierModel
from harness.plan import open_model
from harness.protocols.adapt.task import AdaptTask
from harness.protocols.edit.task import EditTask
from harness.protocols.solve.task import SolveTask
from harness.protocols.stream import Brief, Item, Observation, Score, StreamTask
from harness.protocols.task import Task
from harness.registry import About, Kind, find, require
from harness.sweep import Sweep

HEAVY = ("torch", "transformers", "datasets", "pandas", "vllm", "minigrid", "reasoning_gym")
_KINDS = (StreamTask, EditTask, AdaptTask, SolveTask)
_NONSENSE = "zzz no such answer"
_PLAYED = 3


def check_task(task: str | type[Task], given: Mapping[str, str] | None = None) -> list[str]:
    """Check a task by name or class; returns one sentence for each thing that is missing."""
    try:
        kind: Any = find(Kind.TASK, task).load() if isinstance(task, str) else task
        if not (isinstance(kind, type) and issubclass(kind, _KINDS)):
            return [f"{kind!r} is no StreamTask, EditTask, AdaptTask or SolveTask class."]
        findings = [*_describes_itself(kind)]
        if findings:
            return findings
        chosen = options.build(kind.Options, given or {}, f"task '{kind.__name__}'")
        require(kind.needs(chosen), kind.__name__)
        make: Any = kind
        if issubclass(kind, EditTask):
            return [*_light(kind), *check_edit_task(make(chosen), make(chosen))]
        if issubclass(kind, SolveTask):
            return [*_light(kind), *check_solve_task(make(chosen), make(chosen))]
        if issubclass(kind, AdaptTask):
            classes = _classes(kind.default_model)
            return [*_light(kind), *check_adapt_task(make(chosen), make(chosen), classes)]
        return [*_light(kind), *_items(make(chosen), make(chosen)), *_episodes(make(chosen))]
    except HarnessError as error:
        return [str(error)]
    except Exception as error:  # noqa: BLE001 - whatever a task raises is what is to be told
        return [f"the task raised {type(error).__name__}: {error}"]


def _classes(model: str) -> tuple[str, ...]:
    found: ClassifierModel = open_model(model, Sweep(task=""), ModelKind.CLASSIFIER)
    return found.classes()


def _describes_itself(kind: type[Task]) -> Iterator[str]:
    if not isinstance(getattr(kind, "about", None), About):
        yield "the task has no 'about': give its class an About(summary, source)."
    if not getattr(kind, "metrics", ()):
        yield "the task has no 'metrics': list a MetricInfo for each number it reports."
    for option in options.describe(kind.Options):
        if not option.help:
            yield f"option {option.name} has no docstring under its field."
        if option.default == "required":
            yield f"option {option.name} has no default."


def _light(kind: type[Task]) -> Iterator[str]:
    """Importing the task's module must stay instant."""
    code = f"import sys, {kind.__module__}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(  # noqa: S603 - this interpreter, this module
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout.strip():
        yield (
            f"importing {kind.__module__} imports {done.stdout.strip()}; import heavy packages "
            "inside the functions that use them."
        )


def _items(task: StreamTask, twin: StreamTask) -> Iterator[str]:
    items = task.items(0)
    if not items:
        yield "items(0) is empty."
        return
    ids = [item.sample_id for item in items]
    if len(set(ids)) != len(ids):
        yield "items have sample_ids that are not unique."
    streams = [item.stream_id for item in items]
    borders = sum(a != b for a, b in pairwise(streams))
    if borders != len(set(streams)) - 1:
        yield "items of a stream do not stand together."
    if any(not item.content_hash for item in items):
        yield "an item has no content_hash."
    if [(i.sample_id, i.content_hash) for i in items] != [
        (i.sample_id, i.content_hash) for i in twin.items(0)
    ]:
        yield "items(0) differs between two equal tasks; seed every generator."
    if not task.version or not task.subset:
        yield "version and subset must not be empty."
    yield from _demonstrations(task, items)


def _demonstrations(task: StreamTask, items: Sequence[Item]) -> Iterator[str]:
    shown_goals = [one for one in task.demonstrations(4, 0) if one.single_turn]
    asked = {_goal(task, item) for item in items[:200]} if shown_goals else set[str]()
    for shown in shown_goals:
        if shown.goal in asked:
            yield f"demonstration '{shown.goal[:60]}' is one of the items."


def _goal(task: StreamTask, item: Item) -> str:
    episode = task.episode(item)
    try:
        episode.reset()
        return episode.brief.goal
    finally:
        episode.close()


def _episodes(task: StreamTask) -> Iterator[str]:
    for item in task.items(0)[:_PLAYED]:
        for finding in _episode(task, item):
            yield f"item {item.sample_id}: {finding}"


def _episode(task: StreamTask, item: Item) -> Iterator[str]:
    episode = task.episode(item)
    try:
        seen: Any = episode.reset()
        brief: Any = episode.brief
        if not isinstance(seen, Observation) or not isinstance(brief, Brief):
            yield "reset must return an Observation and brief must be a Brief."
            return
        if brief.max_turns < 1 or (brief.single_turn and brief.max_turns != 1):
            yield "max_turns must be at least 1, and 1 for a single turn."
        texts, turns = [brief.goal, brief.instructions, brief.hints, seen.text], 0
        while not seen.done and turns <= brief.max_turns:
            seen, turns = episode.step(_NONSENSE), turns + 1
            texts.append(seen.text)
        if not seen.done:
            yield f"the episode is not done after max_turns={brief.max_turns} turns."
        yield from _score(task, episode.score(), texts)
    finally:
        episode.close()


def _score(task: StreamTask, score: Any, texts: Sequence[str]) -> Iterator[str]:
    if not isinstance(score, Score):
        yield f"score returned {type(score).__name__}, not Score."
        return
    if not 0 <= score.value <= 1:
        yield f"score.value {score.value} is outside [0, 1]."
    if score.success:
        yield "a nonsense answer counts as success."
    named = {metric.name for metric in task.metrics}
    for name, value in score.metrics.items():
        if name not in named:
            yield f"metric {name} is not listed in 'metrics'."
        if not math.isfinite(value):
            yield f"metric {name} is {value}."
    if len(score.gold) >= 8 and any(score.gold in text for text in texts):
        yield "the gold answer stands in what the method is shown."
