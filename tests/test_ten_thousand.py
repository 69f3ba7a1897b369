"""Ten thousand samples, killed at half: next to nothing is asked twice, and nothing changes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pyarrow.parquet as pq
from support import MODEL, Server, harness, start

TASK = Path(__file__).parents[1] / "benchmarks" / "prompts_task.py"
SAMPLES = 10_000


def arguments(server, results, questions):
    return [
        *("run", "--task", f"file:{TASK}#Prompts", "-T", f"file={questions}"),
        *("--method", "baseline", "--model", f"openai:{MODEL}", "--base-url", server.url),
        *("--max-in-flight", "64", "--results", str(results)),
    ]


def scores(results):
    (path,) = (results / "runs").glob("*.parquet")
    table = pq.read_table(results / "samples" / "task=prompts" / path.name)
    return table.select(["sample_id", "score", "status", "input_tokens"]).sort_by("sample_id")


def test_killed_at_half_of_ten_thousand_samples(tmp_path):
    questions = tmp_path / "questions.jsonl"
    rows = (
        {"id": f"q{n}", "question": f"Is {n} odd?", "answer": str(n % 2)} for n in range(SAMPLES)
    )
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Server() as server:
        done = harness(*arguments(server, tmp_path / "whole", questions))
        assert done.returncode == 0, done.stderr
        assert server.total == SAMPLES
    with Server() as server:
        server.victim = start(*arguments(server, tmp_path / "killed", questions))
        server.kill_at = SAMPLES // 2
        server.victim.communicate(timeout=180)
        assert server.victim.returncode == -signal.SIGKILL
        assert harness(*arguments(server, tmp_path / "killed", questions)).returncode == 0
        assert server.total - SAMPLES <= 0.02 * SAMPLES / 2
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
