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
from harness_leaderboards.exchange.imported import ImportedRun
from harness_leaderboards.exchange.lm_eval_shapes import Argument, Log, Row
from harness_leaderboards.exchange.shapes import (
    number_of,
    parse,
    read_bytes,
    read_json,
    read_object,
)

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
    content = read_object(str(path), read_bytes(path))
    if not {"results", "configs"} <= content.keys():
        raise UsageError(f"{path} is no results file of lm-eval; it lacks 'results' or 'configs'.")
    log = parse(Log, content, str(path))
    stamp = path.stem.removeprefix("results_")
    beside = {one.name: one for one in path.parent.iterdir()}
    logged = {task: beside.get(f"samples_{task}_{stamp}.jsonl") for task in log.configs}
    found = {task: samples for task, samples in logged.items() if samples is not None}
    for task, samples in found.items():
        yield _run(log, task, samples, metric)
    if not found:
        raise UsageError(
            f"{path} has no samples beside it (samples_TASK_{stamp}.jsonl), and runs are compared "
            "sample by sample; run lm_eval again with --log_samples."
        )


def _run(log: Log, task: str, path: Path, metric: str | None) -> ImportedRun:
    content = read_bytes(path)
    rows = list(_rows(path, content))
    main = _main_metric(path, rows, metric)
    samples = _samples(rows, main)
    figures = {
        _figure_name(name): value
        for name, one in (log.results.get(task) or {}).items()
        if "," in name and (value := number_of(one)) is not None
    }
    return ImportedRun(
        source=SOURCE,
        version=log.lm_eval_version,
        fingerprint=hashlib.sha256(content).hexdigest(),
        task=task,
        subset="",
        method=SOURCE,
        metric=main,
        model=log.model_name or log.config.model or "unknown",
        model_revision=log.config.model_revision,
        task_version=str(log.versions.get(task, "")),
        started_at=None if log.date is None else datetime.fromtimestamp(log.date, UTC),
        sampling=_sampling(log, task),
        task_options={},
        metrics=figures,
        samples=samples,
        notes=tuple(_notes(task, main, samples, figures)),
    )


def _sampling(log: Log, task: str) -> dict[str, Any]:
    """How the model was loaded and asked; adapters and precision are among its arguments."""
    further = {
        "model_args": log.config.model_args,
        "system_instruction": log.system_instruction,
        "chat_template_sha": log.chat_template_sha,
        "fewshot_as_multiturn": log.fewshot_as_multiturn,
    }
    return {
        "num_fewshot": log.shots.get(task),
        "gen_kwargs": log.config.gen_kwargs,
        **{name: value for name, value in further.items() if value},
    }


def _rows(path: Path, content: bytes) -> Iterator[Row]:
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            place = f"line {number} of {path}"
            yield parse(Row, read_json(place, line), place)


def _main_metric(path: Path, rows: Sequence[Row], metric: str | None) -> str:
    """The metric that becomes the score: a number for every sample."""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    single = [name for name in names if any(row.number(name) is not None for row in rows)]
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


def _samples(rows: Sequence[Row], main: str) -> list[SampleRecord]:
    """A record for each document; other filters of the same answers are further metrics."""
    filters = list(dict.fromkeys(row.filter for row in rows))
    by_doc = dict[str, list[Row]]()
    for row in rows:
        by_doc.setdefault(row.doc_id, []).append(row)
    return [_sample(name, group, main, filters[0]) for name, group in by_doc.items()]


def _sample(doc: str, group: Sequence[Row], main: str, first: str) -> SampleRecord:
    metrics, score = dict[str, float](), None
    for row in group:
        own = row.filter == first
        for name in row.metrics:
            value = row.number(name)
            if value is None:
                continue
            metrics[name if own else f"{name}@{row.filter}"] = value
            if own and name == main:
                score = value
    row = group[0]
    return SampleRecord(
        sample_id=doc,
        sample_hash=row.doc_hash,
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
            "output": json.dumps(row.filtered_resps, ensure_ascii=False),
        },
    )


def _calls(row: Row) -> Iterator[dict[str, Any]]:
    asked = row.arguments.values() if isinstance(row.arguments, dict) else row.arguments
    for at, one in enumerate(asked):
        answer = row.resps[at] if at < len(row.resps) else ""
        yield {"prompt": _prompt(one), "output": json.dumps(answer, ensure_ascii=False)}


def _prompt(argument: Argument) -> str:
    """The texts of what was asked; a request for a text also has settings."""
    if isinstance(argument, str):
        return argument
    parts = argument.values() if isinstance(argument, dict) else argument
    return "\n".join(part for part in parts if isinstance(part, str))


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
