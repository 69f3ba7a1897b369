"""Logs of the LM Evaluation Harness, ``results_TIME.json`` and ``samples_TASK_TIME.jsonl``.

Read without lm-eval. Every task of a log becomes a run; a sample needs ``--log_samples``. Tested
with logs of lm-eval 0.4.13.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.results.schema import SampleRecord, Status
from harness_leaderboards.exchange.imported import ImportedRun, number_of, read_bytes, read_json

SOURCE = "lm-eval"
_CLOSE = 1e-6


def read_lm_eval(path: Path, metric: str | None = None) -> Iterator[ImportedRun]:
    """Read the logs of a file or folder.

    Args:
        path: a results file, or a folder with such files at any depth.
        metric: the metric that becomes the score; none: the first that a task's samples have.

    Raises:
        UsageError: there is no log, one is damaged, or its samples were not logged.
    """
    files = [path] if path.is_file() else sorted(path.rglob("results_*.json"))
    if not files:
        raise UsageError(f"no results_*.json of lm-eval in {path}; name the folder of its output.")
    for file in files:
        yield from _read(file, metric)


def _read(path: Path, metric: str | None) -> Iterator[ImportedRun]:
    content = read_bytes(path)
    log = read_json(path, content)
    if not isinstance(log.get("results"), dict) or not isinstance(log.get("configs"), dict):
        raise UsageError(f"{path} is no results file of lm-eval; it lacks 'results' or 'configs'.")
    stamp = path.stem.removeprefix("results_")
    found = False
    for task in log["configs"]:
        samples = path.with_name(f"samples_{task}_{stamp}.jsonl")
        if not samples.is_file():
            continue
        found = True
        yield _run(log, str(task), samples, metric)
    if not found:
        raise UsageError(
            f"{path} has no samples beside it (samples_TASK_{stamp}.jsonl), and runs are compared "
            "sample by sample; run lm_eval again with --log_samples."
        )


def _run(log: Mapping[str, Any], task: str, path: Path, metric: str | None) -> ImportedRun:
    content = read_bytes(path)
    rows = list(_rows(path, content))
    main = _main_metric(path, rows, metric)
    samples = _samples(rows, main)
    figures = {
        _figure_name(name): value
        for name, one in log["results"].get(task, {}).items()
        if "," in name and (value := number_of(one)) is not None
    }
    config = log.get("config") or {}
    shots = (log.get("n-shot") or {}).get(task)
    return ImportedRun(
        source=SOURCE,
        version=str(log.get("lm_eval_version") or ""),
        fingerprint=hashlib.sha256(content).hexdigest(),
        task=task,
        subset="",
        method=SOURCE,
        model=str(log.get("model_name") or config.get("model") or "unknown"),
        model_revision=str(config.get("model_revision") or ""),
        task_version=str((log.get("versions") or {}).get(task, "")),
        started_at=_time(log.get("date")),
        sampling={"num_fewshot": shots, "gen_kwargs": config.get("gen_kwargs")},
        metrics=figures,
        samples=samples,
        notes=tuple(_notes(task, main, samples, figures)),
    )


def _rows(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"line {number} of {path} is no JSON ({error}).") from error
        if not isinstance(row, dict) or "doc_id" not in row:
            raise UsageError(f"line {number} of {path} is no sample of lm-eval; it has no doc_id.")
        yield row


def _main_metric(path: Path, rows: Sequence[Mapping[str, Any]], metric: str | None) -> str:
    """The metric that becomes the score: a number for every sample."""
    names = list(dict.fromkeys(name for row in rows for name in row.get("metrics", ())))
    single = [name for name in names if any(number_of(row.get(name)) is not None for row in rows)]
    if metric is not None and metric not in single:
        raise UsageError(
            f"samples of {path.name} have no number '{metric}'; they have: {', '.join(single)}."
        )
    if not single:
        raise UsageError(
            f"samples of {path.name} have no metric that is a number for each of them (such as "
            "perplexity, which is one of all), so they cannot be compared one by one."
        )
    return metric or single[0]


def _samples(rows: Sequence[Mapping[str, Any]], main: str) -> list[SampleRecord]:
    """A record for each document; other filters of the same answers are further metrics."""
    filters = list(dict.fromkeys(str(row.get("filter", "none")) for row in rows))
    by_doc = dict[str, list[Mapping[str, Any]]]()
    for row in rows:
        by_doc.setdefault(str(row["doc_id"]), []).append(row)
    return [_sample(name, group, main, filters[0]) for name, group in by_doc.items()]


def _sample(doc: str, group: Sequence[Mapping[str, Any]], main: str, first: str) -> SampleRecord:
    metrics, score = dict[str, float](), None
    for row in group:
        own = str(row.get("filter", "none")) == first
        for name in row.get("metrics", ()):
            value = number_of(row.get(name))
            if value is None:
                continue
            metrics[name if own else f"{name}@{row['filter']}"] = value
            if own and name == main:
                score = value
    row = group[0]
    return SampleRecord(
        sample_id=doc,
        sample_hash=str(row.get("doc_hash") or ""),
        source_id=doc,
        stream_id=doc,
        step=0,
        group="",
        status=Status.OK if score is not None else Status.INVALID,
        score=score,
        metrics=metrics,
        error="" if score is not None else f"no {main} was logged",
        trace={
            "calls": [{"phase": "act", **one} for one in _calls(row)],
            "output": json.dumps(row.get("filtered_resps"), ensure_ascii=False),
        },
    )


def _calls(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    arguments = row.get("arguments") or {}
    asked: list[Any] = list(arguments.values()) if isinstance(arguments, dict) else list(arguments)
    answers: list[Any] = row.get("resps") or []
    for at, one in enumerate(asked):
        parts: list[Any] = list(one.values()) if isinstance(one, dict) else list(one)
        prompt = "\n".join(part for part in parts if isinstance(part, str))
        answer = answers[at] if at < len(answers) else ""
        yield {"prompt": prompt, "output": json.dumps(answer, ensure_ascii=False)}


def _figure_name(name: str) -> str:
    """``acc,none`` as ``acc``, ``exact_match,strict`` as ``exact_match@strict``."""
    metric, _, filtered = name.partition(",")
    return metric if filtered == "none" else f"{metric}@{filtered}"


def _notes(
    task: str, main: str, samples: Sequence[SampleRecord], figures: Mapping[str, float]
) -> Iterator[str]:
    known = [one.score for one in samples if one.score is not None]
    said = figures.get(main)
    if known and said is not None and abs(sum(known) / len(known) - said) > _CLOSE:
        yield (
            f"{task}: the mean {main} of the samples, {sum(known) / len(known):.6g}, is not the "
            f"{said:.6g} that lm-eval reports."
        )
    if len(known) < len(samples):
        yield f"{task}: {len(samples) - len(known)} samples have no {main}; they are invalid."


def _time(value: Any) -> datetime | None:
    seconds = number_of(value)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
