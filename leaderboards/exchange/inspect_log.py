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
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.results.schema import SampleRecord, Status
from harness_leaderboards.exchange.imported import ImportedRun, number_of, read_bytes, read_json

SOURCE = "inspect"
_ZSTANDARD = 93
_MOST_BYTES = 1_000_000_000
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Correct, partially correct, incorrect, no answer: the values of inspect_ai.scorer."""


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
    if content[:2] == b"PK":
        header, samples = _archive(path, content)
    else:
        header = read_json(path, content)
        samples = iter(header.pop("samples", None) or ())
    told = header.get("eval")
    if not isinstance(told, dict):
        raise UsageError(f"{path} is no log of Inspect; it lacks 'eval'.")
    if header.get("status") != "success":
        raise UsageError(
            f"{path} is a log of a run with status '{header.get('status')}'; finish it with: "
            "inspect eval-retry."
        )
    results: Mapping[str, Any] = header.get("results") or {}
    scorer = _scorer(path, results, metric)
    records = [_sample(one, scorer) for one in samples]
    if not records:
        raise UsageError(f"{path} has no samples; run Inspect without --no-log-samples.")
    failed = sum(one.status is Status.FAILED for one in records)
    notes = (
        (f"{failed} samples errored and count as failed; Inspect's own figures leave them out.",)
        if failed
        else ()
    )
    return ImportedRun(
        source=SOURCE,
        version=str((told.get("packages") or {}).get("inspect_ai", "")),
        fingerprint=hashlib.sha256(content).hexdigest(),
        task=str(told.get("task", "")).replace("/", "-"),
        subset="",
        method=SOURCE,
        model=str(told.get("model", "unknown")),
        model_revision="",
        task_version=str(told.get("task_version", "")),
        started_at=_time(told.get("created")),
        sampling=told.get("model_generate_config") or {},
        metrics=dict(_figures(results)),
        samples=records,
        notes=notes,
    )


def _archive(path: Path, content: bytes) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The header and the samples of an ``.eval`` archive, one sample at a time."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path} is a damaged archive ({error}).") from error
    names = set(archive.namelist())
    if "header.json" not in names:
        raise UsageError(f"{path} has no header: that run of Inspect is not finished.")

    def read(name: str) -> dict[str, Any]:
        return read_json(Path(f"{path}:{name}"), _entry(path, content, archive.getinfo(name)))

    members = sorted(name for name in names if name.startswith("samples/"))
    return read("header.json"), (read(name) for name in members)


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


def _scorer(path: Path, results: Mapping[str, Any], metric: str | None) -> str:
    names = [str(one.get("name")) for one in results.get("scores") or ()]
    if metric is not None and metric not in names:
        raise UsageError(f"{path.name} has no scorer '{metric}'; it has: {', '.join(names)}.")
    if not names:
        raise UsageError(f"{path.name} has no scores; run: inspect score.")
    return metric or names[0]


def _sample(sample: Mapping[str, Any], scorer: str) -> SampleRecord:
    scores: Mapping[str, Any] = sample.get("scores") or {}
    metrics = {
        str(name): value
        for name, one in scores.items()
        if (value := _score(one.get("value"))) is not None
    }
    error = sample.get("error") or {}
    score = metrics.get(scorer)
    status = Status.OK if score is not None else Status.FAILED if error else Status.INVALID
    usage = [one for one in (sample.get("model_usage") or {}).values() if isinstance(one, dict)]
    output = (sample.get("output") or {}).get("completion") or ""
    name = str(sample.get("id"))
    return SampleRecord(
        sample_id=name,
        sample_hash=_hash(sample.get("input"), sample.get("target")),
        source_id=name,
        stream_id=name,
        step=0,
        group="",
        status=status,
        score=0.0 if status is Status.FAILED else score,
        metrics=metrics,
        repeat=int(sample.get("epoch") or 1) - 1,
        error_type="SampleError" if error else "",
        error=str(error.get("message", "")),
        input_tokens=sum(int(one.get("input_tokens") or 0) for one in usage),
        output_tokens=sum(int(one.get("output_tokens") or 0) for one in usage),
        latency_s=number_of(sample.get("total_time")) or 0.0,
        trace={
            "calls": [{"phase": "act", "messages": list(_messages(sample)), "output": output}],
            "output": output,
        },
    )


def _messages(sample: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    for one in sample.get("messages") or ():
        content = one.get("content")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        yield {"role": str(one.get("role", "")), "content": text}


def _score(value: Any) -> float | None:
    return _LETTERS.get(value) if isinstance(value, str) else number_of(value)


def _figures(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for one in results.get("scores") or ():
        for name, metric in (one.get("metrics") or {}).items():
            value = number_of(metric.get("value"))
            if value is not None:
                yield f"{one.get('name')}/{name}", value


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
