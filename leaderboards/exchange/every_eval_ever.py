"""Runs in the format of Every Eval Ever (EvalEval Coalition), schema 0.2.1, with their samples.

``data/TASK/DEVELOPER/MODEL/UUID.json`` holds a run, ``UUID_samples.jsonl`` beside it its samples.
Reference answers are left out: results do not hold them. The method stands among the additional
details of the model and of the generation, because the format compares models.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import ResultsError
from harness.results.store import ResultsStore
from harness_leaderboards.exchange.chosen import Exported

SCHEMA = "0.2.1"
SAMPLES_SCHEMA = "instance_level_eval_0.2.1"


def every_eval_ever(runs: Sequence[Exported], store: ResultsStore) -> dict[str, bytes]:
    """The files by path.

    Runs without a figure of their board, or without readable samples, are left out and named among
    the problems of the store.
    """
    files = dict[str, bytes]()
    for one in runs:
        if one.value is None:
            store.problems.append(
                f"left out run {one.row['run_id']}: it has no {one.spec.metric.name}"
            )
            continue
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, one.row["run_id"]))
        model = _model_id(one.row)
        developer, _, rest = model.rpartition("/")
        folder = "/".join(
            ("data", _slug(one.row["task"]), _slug(developer or "unknown"), _slug(rest))
        )
        try:
            details = _lines(one, store)
        except ResultsError as error:
            store.problems.append(f"left out run {one.row['run_id']}: {error}")
            continue
        samples = f"{folder}/{name}_samples.jsonl"
        files[samples] = details
        files[f"{folder}/{name}.json"] = _json(_aggregate(one, samples, details)).encode()
    return files


def _aggregate(one: Exported, samples: str, details: bytes) -> dict[str, Any]:
    row, metric = one.row, one.spec.metric
    return {
        "schema_version": SCHEMA,
        "evaluation_id": _evaluation_id(one),
        "evaluation_timestamp": one.when.isoformat(),
        "retrieved_timestamp": str(int((row["finished_at"] or one.when).timestamp())),
        "source_metadata": {
            "source_name": "harness",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "method-harness",
            "version": str(one.read("versions").get("harness", "unknown")),
            "additional_details": _texts(commit=row["commit"], code_hash=row["code_hash"]),
        },
        "model_info": {
            "name": row["model"] or "none",
            "id": _model_id(row),
            "inference_engine": _texts(name=row["engine"], version=row["engine_version"]),
            "additional_details": _texts(revision=row["model_revision"], method=row["method"]),
        },
        "evaluation_results": [
            {
                "evaluation_name": _evaluation_name(row),
                "source_data": {
                    "dataset_name": row["task"],
                    "source_type": "other",
                    "additional_details": _texts(
                        content_hash=row["content_hash"], sources=row["data"]
                    ),
                },
                "metric_config": {
                    "evaluation_description": metric.name,
                    "lower_is_better": not metric.higher_is_better,
                },
                "score_details": {"score": one.value, "uncertainty": _uncertainty(one)},
                "generation_config": {
                    "additional_details": _texts(
                        method=row["method"],
                        method_parts=row["method_parts"],
                        sampling=row["sampling"],
                        order=row["order"],
                        run_id=row["run_id"],
                    )
                },
            }
        ],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": samples.rpartition("/")[2],
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(details).hexdigest(),
            "total_rows": details.count(b"\n"),
        },
    }


def _uncertainty(one: Exported) -> dict[str, Any]:
    found: dict[str, Any] = {"num_samples": one.n}
    if one.low is not None and one.high is not None:
        found["confidence_interval"] = {
            "lower": one.low,
            "upper": one.high,
            "confidence_level": 0.95,
            "method": one.interval,
        }
    return found


def _lines(one: Exported, store: ResultsStore) -> bytes:
    """A line for each sample with a score; others have none to give."""
    return b"".join(
        (json.dumps(_sample(one, sample), ensure_ascii=False) + "\n").encode(errors="replace")
        for sample in store.items(one.row["task"], one.row["run_id"])
        if sample["score"] is not None
    )


def _sample(one: Exported, sample: Mapping[str, Any]) -> dict[str, Any]:
    trace: Mapping[str, Any] = sample["trace"]
    messages = list(_messages(trace))
    several = len(messages) > 2
    asked = [turn["content"] for turn in messages if turn["role"] == "user"]
    output = str(trace.get("output") or "")
    turns = [{"turn_idx": at, **turn} for at, turn in enumerate(messages)]
    return {
        "schema_version": SAMPLES_SCHEMA,
        "evaluation_id": _evaluation_id(one),
        "model_id": _model_id(one.row),
        "evaluation_name": _evaluation_name(one.row),
        "sample_id": str(sample["sample_id"]),
        "sample_hash": str(sample["sample_hash"] or ""),
        "interaction_type": "multi_turn" if several else "single_turn",
        "input": {"raw": asked[0] if asked else "", "reference": []},
        "output": None if several else {"raw": [output]},
        "messages": turns if several else None,
        "answer_attribution": [
            {
                "turn_idx": max(0, len(messages) - 1) if several else 0,
                "source": "messages[turn_idx].content" if several else "output.raw",
                "extracted_value": output,
                "extraction_method": "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {
            "score": float(sample["score"]),
            "is_correct": float(sample["score"]) >= 1.0,
            "num_turns": sum(turn["role"] == "assistant" for turn in messages) or 1,
        },
        "token_usage": {
            "input_tokens": int(sample["input_tokens"] or 0),
            "output_tokens": int(sample["output_tokens"] or 0),
            "total_tokens": int(sample["input_tokens"] or 0) + int(sample["output_tokens"] or 0),
        },
        "performance": {"latency_ms": 1000 * float(sample["latency_s"] or 0.0)},
        "error": str(sample["error"]) if sample["error"] else None,
        "metadata": _texts(
            group=sample["group"], stream=sample["stream_id"], checkpoint=sample["checkpoint"]
        ),
    }


def _messages(trace: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What was said, call by call: the messages of a call that are new, and its answer."""
    said = list[tuple[str, str]]()
    for call in json.loads(trace.get("calls") or "[]"):
        asked = [(str(m.get("role")), str(m.get("content"))) for m in call.get("messages") or ()]
        if not asked and call.get("prompt"):
            asked = [("user", str(call["prompt"]))]
        begins = asked[: len(said)] == said
        for role, content in asked[len(said) :] if begins else asked:
            yield {"role": role, "content": content}
        answer = ("assistant", str(call.get("output") or ""))
        yield {"role": answer[0], "content": answer[1]}
        said = [*asked, answer]


def _evaluation_id(one: Exported) -> str:
    row = one.row
    return f"{_evaluation_name(row)}/{_model_id(row)}/{int(one.when.timestamp())}-{row['run_id']}"


def _evaluation_name(row: Mapping[str, Any]) -> str:
    return "/".join(part for part in (row["task"], row["subset"]) if part)


def _model_id(row: Mapping[str, Any]) -> str:
    return str(row["model_id"] or row["model"] or "none")


def _texts(**values: Any) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value}


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "unknown"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
