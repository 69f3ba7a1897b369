"""Logs of Inspect: ``.eval`` archives and ``.json`` files, with their samples.

Read without Inspect. A sample that Inspect leaves out because it errored is a failed one here: it
counts with the worst score, and that is said. Tested with logs of inspect_ai 0.3.285.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.results.schema import SampleRecord, Status
from harness_leaderboards.exchange.imported import ImportedRun
from harness_leaderboards.exchange.inspect_shapes import Eval, Header, Results, Sample
from harness_leaderboards.exchange.shapes import number_of, parse, read_bytes, read_object

SOURCE = "inspect"
_ZSTANDARD = 93
_MOST_BYTES = 1_000_000_000


def read_inspect(path: Path, metric: str | None = None) -> Iterator[ImportedRun]:
    """Read the logs of a file or folder.

    Args:
        path: a log, or a folder with logs at any depth.
        metric: the scorer that becomes the score; none: the one that Inspect puts first.

    Raises:
        UsageError: there is no log, or one is damaged, unfinished, or without samples.
    """
    files = [path] if path.is_file() else sorted([*path.rglob("*.eval"), *path.rglob("*.json")])
    if not files:
        raise UsageError(f"no .eval or .json log of Inspect in {path}.")
    for file in files:
        yield _read(file, metric)


def _read(path: Path, metric: str | None) -> ImportedRun:
    content = read_bytes(path)
    archive = _archive(path, content) if content[:2] == b"PK" else None
    found = _header(path, content, archive) if archive else read_object(str(path), content)
    if "eval" not in found:
        raise UsageError(f"{path} is no log of Inspect; it lacks 'eval'.")
    log = parse(Header, found, str(path))
    if log.status != "success":
        raise UsageError(
            f"{path} is a log of a run with status '{log.status}'; finish it with: inspect "
            "eval-retry."
        )
    scorer = _scorer(path, log.results, metric)
    samples = _entries(path, content, archive) if archive else _listed(path, log)
    records = [_sample(one, scorer) for one in samples]
    if not records:
        raise UsageError(f"{path} has no samples; run Inspect without --no-log-samples.")
    told = log.eval
    return ImportedRun(
        source=SOURCE,
        version=str(told.packages.get("inspect_ai", "")),
        fingerprint=hashlib.sha256(content).hexdigest(),
        task=told.task.replace("/", "-"),
        subset="",
        method=SOURCE,
        metric=scorer,
        model=told.model,
        model_revision="",
        task_version=told.task_version,
        started_at=told.created,
        sampling=_sampling(told),
        task_options=told.task_args,
        metrics=dict(_figures(log.results)),
        samples=records,
        notes=tuple(_notes(scorer, records)),
    )


def _sampling(told: Eval) -> dict[str, Any]:
    """How the model was loaded and asked, and the solver, which says what it was asked."""
    further = {
        "model_args": told.model_args,
        "solver": told.solver,
        "solver_args": told.solver_args,
    }
    known = {name: value for name, value in further.items() if value}
    return {**told.model_generate_config, **known}


def _notes(scorer: str, records: Sequence[SampleRecord]) -> Iterator[str]:
    failed = sum(one.status is Status.FAILED for one in records)
    if failed:
        yield f"{failed} samples errored and count as failed; Inspect's own figures leave them out."
    without = sum(one.status is Status.INVALID for one in records)
    if without:
        yield (
            f"{without} of {len(records)} samples have no value of {scorer} that is a number; they "
            "are invalid, where Inspect's own figures count them as 0 or leave them out."
        )


def _listed(path: Path, log: Header) -> Iterator[Sample]:
    for number, one in enumerate(log.samples, start=1):
        yield parse(Sample, one, f"sample {number} of {path}")


def _archive(path: Path, content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UsageError(f"{path} is a damaged archive ({error}).") from error


def _header(path: Path, content: bytes, archive: zipfile.ZipFile) -> dict[str, Any]:
    if "header.json" not in archive.namelist():
        raise UsageError(f"{path} has no header: that run of Inspect is not finished.")
    return _member(path, content, archive.getinfo("header.json"))


def _entries(path: Path, content: bytes, archive: zipfile.ZipFile) -> Iterator[Sample]:
    """The samples of an archive, one at a time."""
    for name in sorted({one for one in archive.namelist() if one.startswith("samples/")}):
        found = _member(path, content, archive.getinfo(name))
        yield parse(Sample, found, f"{name} of {path}")


def _member(path: Path, content: bytes, info: zipfile.ZipInfo) -> dict[str, Any]:
    return read_object(f"{info.filename} of {path}", _entry(path, content, info))


def _entry(path: Path, content: bytes, info: zipfile.ZipInfo) -> bytes:
    """An entry's bytes; Zstandard, which Inspect writes, is unknown to zipfile before 3.14."""
    import pyarrow as pa

    if info.file_size > _MOST_BYTES:
        raise UsageError(f"{info.filename} of {path} is larger than a gigabyte.")
    try:
        if info.compress_type != _ZSTANDARD:
            return zipfile.ZipFile(io.BytesIO(content)).read(info)
        name, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
        start = info.header_offset + 30 + name + extra
        packed = content[start : start + info.compress_size]
        return pa.decompress(packed, info.file_size, codec="zstd", asbytes=True)
    except (zipfile.BadZipFile, struct.error, pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{info.filename} of {path} is damaged ({error}).") from error


def _scorer(path: Path, results: Results, metric: str | None) -> str:
    names = [one.name for one in results.scores]
    if metric is not None and metric not in names:
        raise UsageError(f"{path.name} has no scorer '{metric}'; it has: {', '.join(names)}.")
    if not names:
        raise UsageError(f"{path.name} has no scores; run: inspect score.")
    return metric or names[0]


def _sample(sample: Sample, scorer: str) -> SampleRecord:
    numbers = {name: one.number for name, one in sample.scores.items()}
    metrics = {name: value for name, value in numbers.items() if value is not None}
    score, error, output = metrics.get(scorer), sample.error, sample.output.completion
    status = Status.OK if score is not None else Status.FAILED if error else Status.INVALID
    messages = [{"role": one.role, "content": one.text} for one in sample.messages]
    usage = sample.model_usage.values()
    return SampleRecord(
        sample_id=sample.id,
        sample_hash=_hash(sample.input, sample.target),
        source_id=sample.id,
        stream_id=sample.id,
        step=0,
        group="",
        status=status,
        score=0.0 if status is Status.FAILED else score,
        metrics=metrics,
        repeat=sample.epoch - 1,
        error_type="SampleError" if error else "",
        error=error.message if error else "",
        input_tokens=sum(one.input_tokens for one in usage),
        output_tokens=sum(one.output_tokens for one in usage),
        latency_s=sample.total_time,
        trace={
            "calls": [{"phase": "act", "messages": messages, "output": output}],
            "output": output,
        },
    )


def _figures(results: Results) -> Iterator[tuple[str, float]]:
    for one in results.scores:
        for name, figure in one.metrics.items():
            value = number_of(figure.value)
            if value is not None:
                yield f"{one.name}/{name}", value


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
