"""The results folder: plain parquet, one writer per file, any number of processes and machines.

Layout: ``runs/RUN.parquet``, ``samples/task=TASK/RUN.parquet``, ``traces/task=TASK/RUN.parquet``,
``artifacts/RUN/``, and ``journal/RUN.jsonl`` while a run is unfinished or has errors. Everything
is written to a temporary name and renamed. The runs row is written last: it is the commit mark.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ResultsError, StorageError, UnknownName
from harness.results import journal as journals
from harness.results.journal import Journal, JournalHeld
from harness.results.reading import (
    FILES,
    MANY_FILES,
    damage,
    flaw_of,
    run_rows_of,
    state_of,
)
from harness.results.rows import memory_rows, sample_row, trace_row
from harness.results.schema import PROBE, RunStatus, SampleRecord, Status, tables
from harness.results.writer import TableWriter, settle_arrow

if TYPE_CHECKING:
    import pandas as pd

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class RunSummary:
    """One run as ``harness results`` lists it, finished or not."""

    run_id: str
    work_key: str
    code_hash: str
    task: str
    subset: str
    method: str
    model: str
    order: str
    sample_seed: int
    status: RunStatus
    n_planned: int
    n_done: int
    n_failed: int
    n_error: int
    score: float | None
    started_at: str
    paid_input_tokens: int = 0
    """Tokens that were computed for it so far, those of tries that failed included."""
    paid_output_tokens: int = 0
    engine_options: str = "{}"
    """Options of its engine as JSON; of a published run."""


@dataclass(frozen=True)
class Attempt:
    """A run to execute: fresh, or one to continue."""

    run_id: str
    journal: Journal
    code_hash: str
    paid_input_tokens: int = 0
    """Tokens that earlier executions had computed."""
    paid_output_tokens: int = 0


_SUMMARY = {
    *("work_key", "code_hash", "task", "subset", "method", "model", "order", "sample_seed"),
    *("n_planned", "started_at"),
}
"""Fields of a run that its journal begins with."""


def new_run_id() -> str:
    """A ULID of now: 48 bits of milliseconds, 80 random bits; sorts by time."""
    return ulid(int(time.time() * 1000), secrets.randbits(80))


def ulid(milliseconds: int, bits: int) -> str:
    """A ULID of a time in milliseconds since 1970 and of 80 bits."""
    value = (milliseconds << 80) | bits
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


Rows = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]
"""What one sample becomes: its row, its trace, and what it did to the memory."""


class ResultsStore:
    """A results folder that is open for reading and, after `prepare`, for writing."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser()
        self.problems: list[str] = []
        """Files that could not be read, named; filled by the reading methods."""
        self._read: dict[tuple[Path, int, int], dict[str, Any]] = {}
        """Runs rows by path, time and size: a sweep looks at them once for each of its runs."""

    def prepare(self) -> None:
        """Make sure that results can be written, before anything is computed.

        Raises:
            ResultsError: the folder cannot be made or written to.
        """
        settle_arrow()
        try:
            for name in ("runs", "samples", "traces", "artifacts", "journal"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{uuid.uuid4().hex}"
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise ResultsError(
                f"cannot write results to '{self.root}' ({error.strerror}); choose another folder "
                "with --results."
            ) from error

    def artifacts(self, run_id: str) -> Path:
        """Folder for what belongs to a run and is no table."""
        return self.root / "artifacts" / run_id

    def claim(self, work_key: str, code_hash: str, *, fresh: bool) -> Attempt | RunSummary:
        """Choose what to do for a piece of work.

        Returns:
            A finished run with equal key and code (nothing to do), or the attempt to execute: the
            newest unfinished one, else a new one.

        Raises:
            JournalHeld: another process is executing it.
        """
        with self._locked():
            equal = [
                run for run in self.runs() if (run.work_key, run.code_hash) == (work_key, code_hash)
            ]
            if not fresh and equal:
                newest = max(equal, key=lambda run: run.run_id)
                if newest.status is RunStatus.COMPLETE:
                    self._journal_path(newest.run_id).unlink(missing_ok=True)
                    return newest
                return Attempt(
                    newest.run_id,
                    Journal(self._journal_path(newest.run_id)),
                    code_hash,
                    newest.paid_input_tokens,
                    newest.paid_output_tokens,
                )
            run_id = new_run_id()
            return Attempt(run_id, Journal(self._journal_path(run_id)), code_hash)

    def write_tables(self, run_id: str, task: str, records: Iterable[SampleRecord]) -> None:
        """Write samples, traces and memory of a run, in the order given; `commit` makes it count.

        Records are taken one after another and not kept.

        Raises:
            StorageError: a table could not be written; the journal stays, nothing is lost.
        """
        self.write_rows(
            run_id,
            task,
            (
                (sample_row(run_id, one), trace_row(run_id, one), list(memory_rows(run_id, one)))
                for one in records
            ),
        )

    def write_rows(self, run_id: str, task: str, rows: Iterable[Rows]) -> None:
        """Write rows of samples, traces and memory, each sample's together.

        Raises:
            StorageError: a table could not be written.
        """
        partition, name = f"task={task}", f"{run_id}.parquet"
        try:
            with (
                TableWriter(self.root / "samples" / partition / name, "samples") as one,
                TableWriter(self.root / "traces" / partition / name, "traces") as two,
                TableWriter(self.artifacts(run_id) / "memory.parquet", "memory") as three,
            ):
                for sample, trace, memory in rows:
                    one.add([sample])
                    two.add([trace])
                    three.add(memory)
        except OSError as error:
            raise self._unwritable(run_id, error) from error

    def write_checkpoints(self, run_id: str, rows: list[dict[str, Any]]) -> None:
        """Write what an edit came to at each of its evaluations.

        Raises:
            StorageError: the table could not be written.
        """
        try:
            with TableWriter(self.artifacts(run_id) / "checkpoints.parquet", "checkpoints") as one:
                one.add(rows)
        except OSError as error:
            raise self._unwritable(run_id, error) from error

    def checkpoints(self, run_id: str) -> pd.DataFrame:
        """What an edit came to at each of its evaluations; metrics as dictionaries.

        Raises:
            ResultsError: the run has none, or its file is damaged.
        """
        frame = self._artifact(run_id, "checkpoints")
        frame["metrics"] = [dict(one) for one in frame["metrics"]]
        return frame

    def commit(self, run: Mapping[str, Any], journal: Journal) -> None:
        """Write a run's row, the mark that its tables count; drop the journal of a whole run.

        Raises:
            StorageError: it could not be written; the journal stays, nothing is lost.
        """
        run_id = str(run["run_id"])
        try:
            with self._locked():
                with TableWriter(self.root / "runs" / f"{run_id}.parquet", "runs") as writer:
                    writer.add([dict(run)])
                if run["status"] == RunStatus.COMPLETE:
                    journal.delete()
        except OSError as error:
            raise self._unwritable(run_id, error) from error

    def replace(self, run: Mapping[str, Any]) -> None:
        """Write the row of a published run again, of which more has become known.

        Raises:
            StorageError: it could not be written; the row is as it was.
        """
        run_id = str(run["run_id"])
        try:
            with (
                self._locked(),
                TableWriter(self.root / "runs" / f"{run_id}.parquet", "runs") as writer,
            ):
                writer.add([dict(run)])
        except OSError as error:
            raise self._unwritable(run_id, error) from error

    def _unwritable(self, run_id: str, error: OSError) -> StorageError:
        return StorageError(
            f"cannot write the tables of run {run_id} to {self.root}: {error.strerror}; make "
            "room and run the same command again, nothing is asked twice."
        )

    def runs(self) -> list[RunSummary]:
        """List runs, oldest first: published ones, and unfinished ones from their journals."""
        found = {run.run_id: run for run in self._published()}
        for path in sorted((self.root / "journal").glob("*.jsonl")):
            published = found.get(path.stem)
            if published and published.status is RunStatus.COMPLETE:
                continue
            unfinished = self._unfinished(path)
            # An incomplete run keeps its journal, which knows what was done since.
            if unfinished and (
                published is None
                or unfinished.status is RunStatus.RUNNING
                or unfinished.n_done != published.n_done
            ):
                found[path.stem] = unfinished
        return [found[run_id] for run_id in sorted(found)]

    def find(self, run_id: str) -> RunSummary:
        """Find a run by its id, a unique beginning or end of it, or ``latest``.

        Raises:
            UnknownName: no or several runs match.
        """
        runs = self.runs()
        if run_id == "latest" and runs:
            return runs[-1]
        wanted = run_id.upper()
        matching = [one for one in runs if one.run_id.startswith(wanted)]
        matching = matching or [one for one in runs if one.run_id.endswith(wanted)]
        if len(matching) == 1:
            return matching[0]
        many = f"{len(matching)} runs begin with it." if matching else ""
        hint = f"{many} harness results --results {self.root} lists them.".strip()
        raise UnknownName("run", run_id, (one.run_id for one in runs), hint)

    def run_rows(self, run_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """The runs table, every column; unreadable files are named in `problems`."""
        import pandas as pd

        rows = [
            {**row, "metrics": dict(row["metrics"] or ())}
            for _, row in self._run_rows()
            if run_ids is None or row["run_id"] in run_ids
        ]
        return pd.DataFrame(rows, columns=tables().runs.names)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all published runs, as they were written, oldest first."""
        return [row for _, row in self._run_rows()]

    def row(self, run_id: str) -> dict[str, Any]:
        """The row of a published run, as it was written.

        Raises:
            ResultsError: there is none, or it cannot be read.
        """
        for _, row in self._run_rows():
            if row["run_id"] == run_id:
                return dict(row)
        raise ResultsError(f"run {run_id} in {self.root} is not published, or cannot be read.")

    def samples(self, task: str, run_ids: Sequence[str]) -> pd.DataFrame:
        """The samples of runs; metrics as dictionaries."""
        frame = self._select("samples", task, run_ids)
        frame["metrics"] = [dict(one) for one in frame["metrics"]]
        return frame

    def traces(self, task: str, run_ids: Sequence[str]) -> pd.DataFrame:
        """The texts of runs."""
        return self._select("traces", task, run_ids)

    def item(self, task: str, run_id: str, sample_id: str) -> list[dict[str, Any]]:
        """One item of a run: its samples, each with its texts under ``trace``.

        There is one for each checkpoint, repeat and stream that has the item.

        Raises:
            UnknownName: the run has no such item.
            ResultsError: a table is missing.
        """
        samples = self.samples(task, [run_id])
        rows: list[dict[str, Any]] = samples.to_dict("records")
        found = [one for one in rows if one["sample_id"] == sample_id]
        if not found:
            raise UnknownName(f"item of run {run_id}", sample_id, samples.sample_id)
        return _with_traces(found, self._select("traces", task, [run_id], sample_id))

    def items(self, task: str, run_id: str) -> list[dict[str, Any]]:
        """Every sample of a run with its texts under ``trace``, in order.

        Raises:
            ResultsError: a table is missing.
        """
        rows: list[dict[str, Any]] = self.samples(task, [run_id]).to_dict("records")
        return _with_traces(rows, self._select("traces", task, [run_id]))

    def memory(self, run_id: str) -> pd.DataFrame:
        """What a run did to its memories: a row for each entry added, changed, removed or read."""
        return self._artifact(run_id, "memory")

    def _artifact(self, run_id: str, table: str) -> pd.DataFrame:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.artifacts(run_id) / f"{table}.parquet"
        if not path.is_file():
            raise ResultsError(
                f"run {run_id} has no published {table} yet; let it finish with the same command."
            )
        try:
            return pq.read_table(path, schema=getattr(tables(), table)).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise ResultsError(
                f"{path} is damaged ({str(error).splitlines()[0]}); restore it, or run again with "
                "--fresh."
            ) from error

    def _select(
        self, table: str, task: str, run_ids: Sequence[str], sample_id: str | None = None
    ) -> pd.DataFrame:
        import duckdb

        folder = self.root / table / f"task={task}"
        paths = [str(folder / f"{one}.parquet") for one in run_ids]
        schema = getattr(tables(), table)
        missing = [path for path in paths if not Path(path).is_file()]
        if missing:
            raise ResultsError(f"{missing[0]} is missing; its run is listed but has no {table}.")
        if not paths:
            return schema.empty_table().to_pandas()
        columns = ", ".join(f'"{name}"' for name in schema.names)
        query = (
            f"select {columns}, filename from {FILES} "  # noqa: S608
            "where $sample is null or sample_id = $sample "
            'order by run_id, stream_id, "step", "repeat"'
        )
        try:
            with duckdb.connect() as connection:
                connection.register("known", schema.empty_table())
                found = connection.execute(query, {"paths": paths, "sample": sample_id}).df()
        except duckdb.Error as error:
            raise ResultsError(damage(paths, error)) from error
        for path, run_id in found[["filename", "run_id"]].drop_duplicates().itertuples(index=False):
            if Path(path).stem != run_id:
                raise ResultsError(f"{path} holds {table} of another run, {run_id}; remove it.")
        return found.drop(columns="filename")

    def _published(self) -> Iterator[RunSummary]:
        for path, row in self._run_rows():
            metrics = dict(row["metrics"] or ())
            sample_seed, train_seed = row["sample_seed"], row["train_seed"]
            try:
                yield RunSummary(
                    **{name: row[name] for name in ("run_id", "work_key", "code_hash", "task")},
                    **{name: row[name] for name in ("subset", "method", "model", "order")},
                    sample_seed=sample_seed if train_seed is None else train_seed,
                    status=RunStatus(row["status"]),
                    n_planned=row["n_planned"],
                    n_done=row["n_done"],
                    n_failed=row["n_failed"],
                    n_error=row["n_error"],
                    score=metrics.get("score"),
                    started_at=_time_text(row["started_at"]),
                    paid_input_tokens=row["paid_input_tokens"] or 0,
                    paid_output_tokens=row["paid_output_tokens"] or 0,
                    engine_options=row["engine_options"] or "{}",
                )
            except ValueError as error:
                self._note(path, str(error))

    def _run_rows(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        states = {path: state_of(path) for path in sorted((self.root / "runs").glob("*.parquet"))}
        unknown = [path for path, state in states.items() if (path, *state) not in self._read]
        found = run_rows_of(unknown) if len(unknown) >= MANY_FILES else {}
        for path, state in states.items():
            row = self._read.get((path, *state))
            if row is None:
                row = self._run_row(path, found.get(path))
            if row is not None:
                self._read[(path, *state)] = row
                yield path, row

    def _run_row(self, path: Path, rows: list[dict[str, Any]] | None) -> dict[str, Any] | None:
        """The one row of a file of the runs table; None, and a note, where it has none.

        Args:
            path: the file.
            rows: its rows where they are known.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(path, schema=tables().runs).to_pylist() if rows is None else rows
        except (OSError, pa.ArrowException, ValueError) as error:
            self._note(path, str(error).splitlines()[0])
            return None
        if len(rows) != 1 or rows[0]["run_id"] != path.stem:
            self._note(path, "holds no single run of that name")
            return None
        flaw = flaw_of(rows[0])
        if flaw:
            self._note(path, flaw)
            return None
        return rows[0]

    def _unfinished(self, path: Path) -> RunSummary | None:
        header: dict[str, Any] | None = None
        done = dict[tuple[str, int, str], Status]()
        scores = dict[tuple[str, int, str], float]()
        paid = Counter[str]()
        try:
            for record in journals.read(path):
                if record["kind"] == "run":
                    header = record
                elif record["kind"] == "call" and not record["response"].get("cached"):
                    paid["input"] += record["response"]["input_tokens"]
                    paid["output"] += record["response"]["output_tokens"]
                elif record["kind"] == "sample":
                    sample = record["record"]
                    key = sample["sample_id"], sample["repeat"], sample["checkpoint"]
                    if sample["checkpoint"].startswith(PROBE) and sample["status"] != "error":
                        continue
                    done[key] = Status(sample["status"])
                    if sample["score"] is not None:
                        scores[key] = sample["score"]
        except (OSError, ResultsError, ValueError, KeyError, TypeError) as error:
            self._note(path, f"unreadable journal ({error})")
            return None
        if header is None:
            return None
        if set(header.get("summary", ())) != _SUMMARY:
            self._note(path, "a journal of another version")
            return None
        edited = any(checkpoint for _, _, checkpoint in done)
        errors = sum(status is Status.ERROR for status in done.values())
        failed = sum(status is Status.FAILED for status in done.values())
        return RunSummary(
            run_id=path.stem,
            **header["summary"],
            status=RunStatus.RUNNING if _is_held(path) else RunStatus.INTERRUPTED,
            n_done=len(done) - errors,
            n_failed=failed,
            n_error=errors,
            # Along an edit, probes of what is forgotten and what is kept have no common mean.
            score=sum(scores.values()) / len(scores) if scores and not edited else None,
            paid_input_tokens=paid["input"],
            paid_output_tokens=paid["output"],
        )

    def _journal_path(self, run_id: str) -> Path:
        return self.root / "journal" / f"{run_id}.jsonl"

    def _note(self, path: Path, reason: str) -> None:
        note = f"skipped {path.relative_to(self.root)}: {reason}"
        if note not in self.problems:
            self.problems.append(note)

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Let one process at a time choose its attempt."""
        with (self.root / "journal" / ".claim").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _time_text(value: datetime | None) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if value else ""


__all__ = ["Attempt", "JournalHeld", "ResultsStore", "RunSummary", "new_run_id", "ulid"]


def _with_traces(rows: list[dict[str, Any]], traces: pd.DataFrame) -> list[dict[str, Any]]:
    """Samples with their texts under ``trace``; a score that is not there is None."""
    place = ("sample_id", "stream_id", "step", "checkpoint", "repeat", "attempt")
    texts = {tuple(one[name] for name in place): one for one in traces.to_dict("records")}
    for row in rows:
        if row["score"] is not None and math.isnan(row["score"]):
            row["score"] = None
        row["trace"] = texts.get(tuple(row[name] for name in place), {})
    return rows
