"""Memories that began with what another run had learned."""

from __future__ import annotations

import json

import pytest


def test_it_is_compared_with_the_baseline_and_with_itself_begun_empty(results, built, text):
    source = results.run("exprag", {"s": [1]}, subset="gsm8k")
    results.run("baseline", {"s": [0, 0], "t": [0, 1]}, task_options='{"k": 4}')
    results.run("exprag", {"s": [0, 0], "t": [1, 1]}, task_options='{"k": 4}')
    options = json.dumps({"frozen": True, "k": 4, "memory_from": source})
    results.run("exprag", {"s": [1, 1], "t": [1, 1]}, task_options=options)
    (found,) = built().measures.inherited
    (row,) = found.methods
    assert (row.method, row.source, row.subset, row.frozen) == ("exprag", source, "gsm8k", True)
    assert (row.score.mean, row.gain.mean, row.ahead.mean) == (1.0, 0.75, 0.5)
    shown = text()
    assert f"memory of run {source} of gsm8k, frozen" in shown
    assert f"| exprag | gsm8k | {source} | frozen |" in shown
    assert "baseline has no memory to begin with" in shown


def test_methods_with_memories_of_their_own_share_a_target(results, built):
    sources = {m: results.run(m, {"s": [1]}, subset="gsm8k") for m in ("exprag", "awm")}
    for method, source in sources.items():
        results.run(method, {"s": [1]}, task_options=json.dumps({"memory_from": source}))
    (found,) = built().measures.inherited
    assert [one.method for one in found.methods] == ["awm", "exprag"]
    assert [one.gain for one in found.methods] == [None, None]


def test_a_source_that_is_not_here_is_said(results, built, text):
    results.run("exprag", {"s": [1]}, task_options='{"memory_from": "01GONE"}')
    assert "| exprag | (not here) | 01GONE | grows on | 1.00 [n/a] (1) | n/a | n/a |" in text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frozen": True}, "frozen from the start"),
        ({"flip": 0.25}, "wrong feedback for 25 % of the items"),
        ({"checkpoints": 4, "holdout": 2}, "probed at 4 points (2 of each stream held out)"),
        ({"checkpoints": 4, "revisit": True}, "probed at 4 points (earlier items asked again)"),
    ],
)
def test_headings_say_what_is_special_about_a_stream(results, text, options, words):
    results.run("exprag", {"s": [1]}, task_options=json.dumps(options))
    assert f"babyai, smollm2, native order, {words}" in text()
