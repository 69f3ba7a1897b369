"""Memories that could not read what they had the model write."""

from __future__ import annotations

import pytest


def publish(results, calls, unreadable, entries):
    metrics = {
        "memory_calls": calls,
        "memory_unreadable": unreadable,
        "memory_entries": lambda step: entries * (step + 1.0),
    }
    results.run("dc-cu", {"s": [0] * 10, "t": [0] * 10}, metrics=metrics)


@pytest.mark.parametrize(
    ("unreadable", "entries", "note"),
    [
        (1.0, 0, "dc-cu kept nothing: 20 of 20 answers that it asked for could not be read."),
        (0.0, 0, "dc-cu kept nothing: 0 of 20 answers that it asked for could not be read."),
        (0.5, 1, "dc-cu: 10 of 20 answers that it asked for could not be read."),
    ],
)
def test_no_method_is_silently_without_memory(results, built, text, unreadable, entries, note):
    publish(results, 1.0, unreadable, entries)
    assert note in built().sections[0].notes
    shown = text()
    assert note in shown
    assert f"| {100 * unreadable:.0f} % of 20 |" in shown


def test_a_few_unreadable_answers_stand_in_the_table_alone(results, built, text):
    publish(results, 2.0, 0.9, 1)
    assert not any("dc-cu" in note for note in built().sections[0].notes)
    assert "| 45 % of 40 |" in text()


def test_memories_that_ask_for_nothing_have_no_share(results, built):
    results.run("exprag", {"s": [0]}, metrics={"memory_entries": 0.0})
    row = built().sections[0].rows[0]
    assert (row.memory.calls, row.memory.unreadable) == (None, None)
    assert not any("kept nothing" in note for note in built().sections[0].notes)
