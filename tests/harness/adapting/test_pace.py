"""A stream that does not wait: batches that come while a method is busy are predicted only."""

from __future__ import annotations

import pytest
from adapt import metrics, rows, run

from harness.results.store import ResultsStore

COUNTS = {
    # A step of tent is a forward and a backward pass, three in all, so two batches of three are
    # missed. Each of three stages of four batches: adapt, miss, miss, adapt.
    "tent, one batch at a time": (("tent", "pace=1"), 6, 6),
    # Up to six: the rest of each stage is missed.
    "tent, two batches at a time": (("tent", "pace=2"), 3, 9),
    "tent, slowly": (("tent", "pace=0.3"), 12, 0),
    # After the clean images one stream of eight: adapt, miss, miss, adapt, miss, miss, adapt, miss.
    "tent, no resets": (("tent", "pace=1", "setting=continual"), 5, 7),
    # Two forward passes, as a prediction follows the step, and a backward one: four in all.
    "tent that predicts again": (("tent:predict=after", "pace=1"), 3, 9),
}


@pytest.mark.parametrize(("words", "updates", "missed"), COUNTS.values(), ids=COUNTS)
def test_a_step_that_costs_more_misses_more(tmp_path, words, updates, missed):
    method, *options = words
    done = run(tmp_path, "--method", method, *(word for one in options for word in ("-T", one)))
    assert done.code == 0, done.err
    (one,) = ResultsStore(tmp_path).runs()
    found = metrics(tmp_path, one.method)
    assert found["updates"] == updates
    assert found.get("missed", 0) == missed


def test_source_misses_nothing_that_comes_one_by_one(tmp_path):
    assert run(tmp_path, "--method", "source", "-T", "pace=1").code == 0
    assert "missed" not in metrics(tmp_path, "source")
    assert {row["status"] for row in rows(tmp_path, "source")} == {"ok"}
