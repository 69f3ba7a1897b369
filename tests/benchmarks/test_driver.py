"""The benchmark suite runs end to end, and its numbers are those of the executions."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPARED = ("floor", "harness", "lm-eval", "inspect_ai")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """One small run of everything that needs no other harness."""
    found = tmp_path_factory.mktemp("benchmarks") / "found.json"
    sizes = [
        "--repeats",
        "1",
        "--small",
        "20",
        "--large",
        "60",
        "--in-flight",
        "80",
        "--methods",
        "remem",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--no-peers", *sizes, "--json", str(found)],
        cwd=ROOT,
        env={**os.environ, "HARNESS_LIMIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(found.read_text())


def test_every_row_is_there_and_what_was_left_out_is_said(suite):
    table, found = suite
    rows = found["rows"]
    measures = dict.fromkeys(row["measure"] for row in rows)
    for measure in measures:
        tools = [row["tool"] for row in rows if row["measure"] == measure]
        if "lm-eval" in tools:
            assert [tool for tool in tools if tool != "ideal"] == list(COMPARED)
        assert measure in table
    expected = ("CPU per sample", "CPU to first", "peak memory", "wall", "most in flight")
    expected = (*expected, "the server's answers", "imported", "vLLM")
    assert [name for name in expected if not any(name in measure for measure in measures)] == []
    assert "left out (--no-peers)" in table
    assert "left out (no --vllm)" in table
    others = [row for row in rows if row["tool"] in ("lm-eval", "inspect_ai")]
    assert all(row["values"] == [] and row["met"] is None for row in others)


def test_every_execution_asked_once_for_each_sample(suite):
    _, found = suite
    runs = {(run["tool"], run["work"]): run for run in found["runs"]}
    assert runs["harness", "large"]["requests"] == 60
    assert runs["floor", "large"]["requests"] == 60
    assert runs["remem", "small"]["requests"] == 40
    assert 40 < runs["harness", "in flight"]["most_in_flight"] <= 80
    # 20 steps of 20 ms, one after another.
    assert runs["harness", "streams"]["span_s"] >= 0.4
    assert runs["harness", "streams"]["most_in_flight"] <= 32
    for run in runs.values():
        assert 0 < run["first_cpu_s"] <= run["cpu_s"]
        assert run["peak_mb"] > 10
        assert not run["killed"]


def test_slope_is_the_processor_time_of_a_further_sample(suite):
    _, found = suite
    runs = {(run["tool"], run["work"]): run for run in found["runs"]}
    (row,) = (
        row
        for row in found["rows"]
        if row["measure"] == "CPU per sample, ms (20 to 60)" and row["tool"] == "floor"
    )
    extra = runs["floor", "large"]["cpu_s"] - runs["floor", "small"]["cpu_s"]
    assert math.isclose(row["values"][0], extra / 40 * 1000)
