"""Apply a changed scorer to a published run: what was done stays, what it is worth is found anew.

The plan is rebuilt from ``artifacts/RUN/spec.yaml``. Every answered sample becomes an episode of
the task's current code, in which the recorded actions are taken one after another; no model is
asked and none has to be installed. The result is a run of its own with the current code's hash and
``rescored_from``, so that the command which made the old one has nothing left to do.

It is refused where the current code would have led elsewhere: other items, a world that tells or
shows something else, another method, a memory that would have been told something else. What a
task offers as demonstrations is not compared.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

from harness.errors import HarnessError, StorageError, UsageError
from harness.models.base import Ability, ModelKind
from harness.outcomes import Progress, run_title
from harness.plan import StreamRun, expand
from harness.protocols.stream.feedback import granted
from harness.protocols.stream.record import item_fields, rescored_metrics
from harness.protocols.stream.task import StreamTask
from harness.protocols.stream.types import Item, Score
from harness.protocols.stream.world import World
from harness.results import provenance
from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status, sample_key
from harness.results.store import Attempt, ResultsStore, Rows, RunSummary
from harness.results.streamed import stored_rows
from harness.results.totals import Totals
from harness.runner import described, method_code_hash, run_code_hash
from harness.sweep import Sweep, read_sweep

_NAMED = 10


@dataclass(frozen=True)
class Rescored:
    """What became of a rescoring."""

    run_id: str
    """The new run; where there was nothing to do, the one that has the current code."""
    rescored_from: str
    task: str
    subset: str
    method: str
    model: str
    n_samples: int
    n_changed: int = 0
    """Samples that have another score or success."""
    changed: tuple[str, ...] = ()
    """The first of them."""
    before: Mapping[str, float] = field(default_factory=dict[str, float])
    """The metrics of the run as it was."""
    after: Mapping[str, float] = field(default_factory=dict[str, float])
    note: str = ""
    """Why nothing was done."""


def rescore(store: ResultsStore, wanted: str, progress: Progress) -> Rescored:
    """Score a published run again with the task's current code.

    Args:
        store: the results folder.
        wanted: a run's id, a unique beginning or end of it, or ``latest``.
        progress: is told of every sample.

    Raises:
        UsageError: there is no such complete run, or its traces do not tell what the current code
            would have led to; nothing was written.
        StorageError: the new run could not be written.
    """
    found = store.find(wanted)
    if found.status is not RunStatus.COMPLETE:
        raise UsageError(
            f"run {found.run_id} is {found.status} ({found.n_done} of {found.n_planned} samples); "
            "run its command again, which scores with the current code."
        )
    row = store.row(found.run_id)
    spec = store.artifacts(found.run_id) / "spec.yaml"
    planned = _planned(spec, row)
    options = planned.task.options
    if planned.task.confidential:
        raise UsageError(
            f"run {found.run_id} keeps no texts of '{planned.task.subset}', as its authors ask, so "
            "that nothing is there to score again; run its command again with --fresh."
        )
    if options.checkpoints or options.flip or options.memory_from or options.frozen:
        raise UsageError(
            f"run {found.run_id} probes, misleads or inherits memories, which cannot be followed "
            "without them; run its command again with --fresh."
        )
    code_hash = run_code_hash(planned)
    if code_hash == row["code_hash"]:
        return _nothing(row, found.run_id, "nothing to do: the scorer has not changed")
    if row["method_code_hash"] != method_code_hash(planned):
        _again(spec, f"run {found.run_id} was not made with this code of {found.method}")
    store.prepare()
    attempt = _claim(store, row["work_key"], code_hash)
    if isinstance(attempt, RunSummary):
        note = f"nothing to do: run {attempt.run_id} has the current code"
        return _nothing(row, attempt.run_id, note)
    with attempt.journal:
        work = _Work(planned, row, spec)
        _publish(store, work, attempt, progress)
    return Rescored(
        **_names(row),
        run_id=attempt.run_id,
        n_changed=len(work.changed),
        changed=tuple(work.changed[:_NAMED]),
        before=dict(row["metrics"]),
        after=work.totals.means(),
    )


def _claim(store: ResultsStore, work_key: str, code_hash: str) -> Attempt | RunSummary:
    """A new attempt, or a complete run with this code; an unfinished one stays what it is."""
    known = {one.run_id for one in store.runs()}
    claimed = store.claim(work_key, code_hash, fresh=False)
    if isinstance(claimed, RunSummary) or claimed.run_id not in known:
        return claimed
    claimed.journal.close()
    return store.claim(work_key, code_hash, fresh=True)


def _publish(store: ResultsStore, work: _Work, attempt: Attempt, progress: Progress) -> None:
    """Write the tables of the new run, or nothing."""
    run, old, began = work.run, work.row, datetime.now(UTC)
    folder = store.artifacts(attempt.run_id)
    progress.begin(attempt.run_id, run_title(run), run.n_samples, ())
    try:
        stored = stored_rows(store, run.spec.task, old["run_id"])
        with asyncio.Runner() as runner:
            rows = work.rows(stored, attempt.run_id, runner, progress)
            store.write_rows(attempt.run_id, run.spec.task, rows)
        _copy(work.spec, folder / work.spec.name)
        ended = datetime.now(UTC)
        row = {
            **old,
            **described(run),
            **provenance.of_this_process(),
            "run_id": attempt.run_id,
            "code_hash": attempt.code_hash,
            "schema_version": SCHEMA_VERSION,
            "started_at": began,
            "finished_at": ended,
            "wall_s": (ended - began).total_seconds(),
            "metrics": list(work.totals.means().items()),
            "rescored_from": old["run_id"],
        }
        store.commit(row, attempt.journal)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        progress.end(attempt.run_id)


class _Work:
    """A run's samples on their way to their new score.

    Args:
        run: the run as the current code plans it.
        row: its row.
        spec: the file that repeats it.
    """

    def __init__(self, run: StreamRun, row: Mapping[str, Any], spec: Path) -> None:
        self.totals = Totals(one.name for one in run.task.metrics if one.higher_is_better)
        self.changed = list[str]()
        self.run = run
        self.row = row
        self.spec = spec
        self._stateful = run.method.right.type.stateful
        self._told_otherwise = list[str]()
        self._items = {
            sample_key(item.sample_id, item.repeat): (step, item)
            for stream in run.streams
            for step, item in enumerate(stream.items)
        }

    def rows(
        self, stored: Iterable[Rows], run_id: str, runner: asyncio.Runner, progress: Progress
    ) -> Iterator[Rows]:
        """The rows of the new run.

        Raises:
            UsageError: the traces do not tell what the current code would have led to.
        """
        count = 0
        for sample, trace, memory in stored:
            item = self._item(sample)
            status = Status(sample["status"])
            # A failed sample keeps its score, but its memory may have been told of another.
            told = self._stateful and trace["feedback"] is not None
            score: Score | None = None
            if status is Status.OK or (status is Status.FAILED and told):
                played = runner.run(self._play(item, trace))
                score = played.score
                if self._stateful and not self._told_the_same(trace, played):
                    self._told_otherwise.append(item.sample_id)
                if status is Status.OK:
                    self._score(sample, trace, played)
            sample |= item_fields(item, score)
            sample["extra"] = json.dumps(sample["extra"])
            record = _record(sample)
            self.totals.add(record)
            progress.advance(run_id, record)
            count += 1
            for one in (sample, trace, *memory):
                one["run_id"] = run_id
            yield sample, trace, memory
        if count != len(self._items):
            self._refuse(f"run {self.row['run_id']} has {count} of {len(self._items)} samples")
        if self._told_otherwise:
            self._refuse(
                f"the memory of {self.run.spec.label} would have been told something else of "
                f"{_few(self._told_otherwise, count)}, and what it did after that is not known"
            )

    def _item(self, sample: Mapping[str, Any]) -> Item:
        key = sample_key(sample["sample_id"], sample["repeat"])
        step, item = self._items.get(key, (-1, None))
        place = (sample["stream_id"], sample["step"], sample["sample_hash"])
        if item is None or place != (item.stream_id, step, item.content_hash):
            self._refuse(f"sample {sample['sample_id']} is another one, or stands elsewhere")
        return item

    async def _play(self, item: Item, trace: Mapping[str, Any]) -> _Played:
        """Take the recorded actions again."""
        turns: list[dict[str, Any]] = json.loads(trace["trajectory"])
        try:
            played = await _replay(self.run.task, item, turns, trace["world_hash"])
        except HarnessError as error:
            self._refuse(f"sample {item.sample_id} cannot be scored: {error}")
        if played is None:
            self._refuse(f"the task tells or shows something else for sample {item.sample_id}")
        return played

    def _told_the_same(self, trace: Mapping[str, Any], now: _Played) -> bool:
        """Whether the memory was told what it would be told now: the outcome, and the turns."""
        then = json.loads(trace["feedback"]) if trace["feedback"] else None
        if then is not None and set(then.values()) == {None}:
            return now.valid == now.valid_then  # it was told of no outcome
        told = granted(self.run.task.options, now.score)
        if told is None or then is None:
            return told is None and then is None
        return dict(vars(told)) == then and now.valid == now.valid_then

    def _score(self, sample: dict[str, Any], trace: dict[str, Any], now: _Played) -> None:
        before = dict(sample["metrics"])
        metrics = rescored_metrics(before, now.valid, now.score)
        outcome = (sample["score"], before.get("success"))
        if outcome != (now.score.value, metrics["success"]):
            self.changed.append(sample["sample_id"])
        sample |= {"score": now.score.value, "metrics": list(metrics.items())}
        turns = [{**turn, "valid": ok} for turn, ok in zip(now.turns, now.valid, strict=True)]
        trace["trajectory"] = json.dumps(turns)

    def _refuse(self, reason: str) -> NoReturn:
        _again(self.spec, reason)


@dataclass(frozen=True)
class _Played:
    """What the task's current code makes of recorded actions."""

    score: Score
    turns: Sequence[Mapping[str, Any]]
    """As they were recorded."""
    valid: list[bool]
    """For each action, whether the world accepts it now."""

    @property
    def valid_then(self) -> list[bool]:
        """The same as it was recorded."""
        return [bool(turn["valid"]) for turn in self.turns]


async def _replay(
    task: StreamTask, item: Item, turns: Sequence[Mapping[str, Any]], world_hash: str | None
) -> _Played | None:
    """Take recorded actions in a fresh episode; None if the world is not what it was.

    Whether the last action is accepted may differ: no method acted on it.
    """
    world = World(task, item)
    try:
        _, seen = await world.start()
        valid = list[bool]()
        for turn in turns:
            if seen.done or seen.text != turn["observation"]:
                return None
            seen = await world.step(turn["action"])
            valid.append(bool(seen.valid))
        recorded = [bool(turn["valid"]) for turn in turns]
        if world.shown_hash != world_hash or valid[:-1] != recorded[:-1]:
            return None
        return _Played(await world.score(), turns, valid)
    finally:
        world.close()


class _Unasked:
    """Stands for every model and embedder: none is asked, so none has to be there."""

    uses_base_url = True
    abilities = frozenset(Ability)


def _unasked(name: str, sweep: Sweep, kind: ModelKind) -> _Unasked:
    del name, sweep, kind
    return _Unasked()


def _planned(spec: Path, row: Mapping[str, Any]) -> StreamRun:
    """The run as the current code plans it.

    Raises:
        UsageError: the task or the method cannot be opened, or it is other work than the run.
    """
    run_id = row["run_id"]
    if not spec.is_file():
        raise UsageError(f"{spec} is missing, which says what run {run_id} was; restore it.")
    if row["protocol"] != StreamTask.protocol:
        raise UsageError(
            f"run {run_id} is of protocol {row['protocol']}, and only streams are scored "
            "from their traces; run its command again, which scores with the current code."
        )
    runs = expand(read_sweep({}, spec), _unasked).runs
    if len(runs) != 1:
        raise UsageError(f"{spec} is of {len(runs)} runs, not of run {run_id} alone; restore it.")
    planned = cast("StreamRun", runs[0])
    if planned.spec.task_version != row["task_version"]:
        was, now = row["task_version"], planned.spec.task_version
        _again(spec, f"run {run_id} is of version {was} of {row['task']}, which is {now} now")
    if planned.spec.work_key() != row["work_key"]:
        _again(spec, f"run {run_id} was made with options that mean other work now")
    if planned.data_hash() != row["content_hash"]:
        _again(spec, f"the items of {row['task']} are not those of run {run_id}")
    return planned


def _nothing(row: Mapping[str, Any], run_id: str, note: str) -> Rescored:
    metrics = dict(row["metrics"])
    return Rescored(**_names(row), run_id=run_id, before=metrics, after=metrics, note=note)


def _names(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: row[name] for name in ("task", "subset", "method", "model")}
    return {**names, "rescored_from": row["run_id"], "n_samples": row["n_planned"]}


def _record(sample: Mapping[str, Any]) -> SampleRecord:
    """What totals and displays need of a row."""
    names = ("sample_id", "sample_hash", "source_id", "stream_id", "step", "group", "score")
    return SampleRecord(
        **{name: sample[name] for name in names},
        status=Status(sample["status"]),
        metrics=dict(sample["metrics"]),
        input_tokens=sample["input_tokens"],
        output_tokens=sample["output_tokens"],
    )


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}; make room.") from error


def _few(names: Sequence[str], total: int) -> str:
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} of {total} samples ({shown})"


def _again(spec: Path, reason: str) -> NoReturn:
    raise UsageError(f"{reason}; nothing was written. Run again: harness run --config {spec}")
