from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from harness.errors import UnknownName, UsageError
from harness.results import memory
from harness.results.memory import Touch
from harness.results.memory_text import print_diff, print_state, print_timeline
from harness.results.schema import SampleRecord, Status
from harness.results.store import ResultsStore


def entry(name, text, sample_id, step):
    return {
        "id": name,
        "text": text,
        "key": f"key {name}",
        "sample_id": sample_id,
        "step": step,
        "meta": {"n": "1"},
    }


# What each step of the stream "s" did; nothing happened at step 4.
STEPS = [
    {"added": [entry("a", "first", "q0", 0), entry("b", "second", "q0", 0)]},
    {"read": [["a", 0.9], ["z", None]], "pruned": ["z"], "added": [entry("c", "3rd", "q1", 1)]},
    {"changed": [entry("a", "first, mended", "q2", 2)], "read": [["a", 0.5], ["b", 0.1]]},
    {"removed": ["b"], "read": [["c", None]]},
    {},
    {"added": [entry("b", "back again", "q5", 5)]},
]


@pytest.fixture
def rows(tmp_path):
    """The memory table of a run, through the store that writes it."""
    store = ResultsStore(tmp_path)
    store.prepare()
    attempt = store.claim("v1-work", "code", fresh=True)
    records = [
        record(stream, step, dict(what))
        for stream, steps in (("s", STEPS), ("other", [{"added": [entry("o", "x", "p0", 0)]}]))
        for step, what in enumerate(steps)
    ]
    when = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"run_id": attempt.run_id, "task": "t", "status": "complete", "started_at": when}
    store.write_tables(attempt.run_id, "t", records)
    store.commit(row, attempt.journal)
    return store.memory(attempt.run_id)


def record(stream, step, what):
    prefix = "q" if stream == "s" else "p"
    return SampleRecord(
        sample_id=f"{prefix}{step}",
        sample_hash="h",
        source_id="",
        stream_id=stream,
        step=step,
        group="",
        status=Status.OK,
        score=1.0,
        memory={**what, "fingerprint": "f"},
    )


def texts(entries):
    return [(one.id, one.text) for one in entries]


def test_state_after_each_step(rows):
    assert texts(memory.state_at(rows, "s", 0)) == [("a", "first"), ("b", "second")]
    assert texts(memory.state_at(rows, "s", 2)) == [
        ("a", "first, mended"),
        ("b", "second"),
        ("c", "3rd"),
    ]
    assert texts(memory.state_at(rows, "s", 4)) == [("a", "first, mended"), ("c", "3rd")]
    assert texts(memory.state_at(rows, "s", 5))[-1] == ("b", "back again")
    assert texts(memory.state_at(rows, "other", 0)) == [("o", "x")]


def test_an_entry_comes_back_whole(rows):
    (first, _) = memory.state_at(rows, "s", 0)
    assert (first.key, first.meta) == ("key a", {"n": "1"})
    assert (first.written_by, first.written_step) == ("q0", 0)


def test_difference_of_two_states(rows):
    found = memory.diff(rows, "s", 0, 3)
    assert texts(found.added) == [("c", "3rd")]
    assert [(old.text, new.text) for old, new in found.changed] == [("first", "first, mended")]
    assert texts(found.removed) == [("b", "second")]


def test_difference_seen_backwards(rows):
    found = memory.diff(rows, "s", 3, 0)
    assert (texts(found.added), texts(found.removed)) == ([("b", "second")], [("c", "3rd")])


def test_timeline_lists_the_steps_at_which_something_happened(rows):
    steps = memory.timeline(rows, "s")
    assert [(one.step, one.sample_id, one.size) for one in steps] == [
        (0, "q0", 2),
        (1, "q1", 3),
        (2, "q2", 3),
        (3, "q3", 2),
        (5, "q5", 3),
    ]
    assert (steps[1].added, steps[1].read, steps[1].pruned) == (("c",), ("a", "z"), ("z",))
    assert (steps[2].changed, steps[3].removed) == (("a",), ("b",))


def test_provenance_says_who_wrote_and_who_read(rows):
    lives = {one.entry_id: one for one in memory.provenance(rows, "s")}
    assert list(lives) == ["a", "b", "c", "z"]
    a = lives["a"]
    assert a.written == Touch(0, "q0")
    assert a.read == (Touch(1, "q1", 0.9), Touch(2, "q2", 0.5))
    assert a.changed == (Touch(2, "q2"),)
    assert lives["c"].read == (Touch(3, "q3", None),)


def test_provenance_of_a_removed_entry_that_came_back(rows):
    b = next(one for one in memory.provenance(rows, "s") if one.entry_id == "b")
    assert (b.written, b.removed, b.changed) == (
        Touch(0, "q0"),
        (Touch(3, "q3"),),
        (Touch(5, "q5"),),
    )


def test_an_entry_that_was_there_from_the_start_has_no_writer(rows):
    z = next(one for one in memory.provenance(rows, "s") if one.entry_id == "z")
    assert (z.written, z.read, z.pruned) == (None, (Touch(1, "q1"),), (Touch(1, "q1"),))


def test_an_unknown_stream_names_the_nearest(rows):
    with pytest.raises(UnknownName, match="unknown stream 'othr'; did you mean other"):
        memory.timeline(rows, "othr")


@pytest.mark.parametrize("step", [-1, 6])
def test_a_step_outside_the_stream_is_refused_with_the_range(rows, step):
    with pytest.raises(UsageError, match=f"stream 's' has the steps 0 to 5, not {step}"):
        memory.state_at(rows, "s", step)


def test_a_stream_may_be_longer_than_its_memory_rows(rows):
    assert texts(memory.state_at(rows, "other", 3, last_step=3)) == [("o", "x")]
    assert memory.diff(rows, "other", 0, 3, last_step=3).added == ()


def test_a_run_without_memory_says_so(rows):
    with pytest.raises(UsageError, match="wrote nothing to a memory"):
        memory.state_at(rows.iloc[:0], "s", 0)


def printed(show, what):
    console = Console(file=io.StringIO(), width=100, markup=True)
    show(what, console)
    return console.file.getvalue()


def test_printed_state_diff_and_timeline(rows):
    state = printed(print_state, memory.state_at(rows, "s", 3))
    assert "2 entries" in state
    assert "a  (from q2, step 2)" in state
    text = printed(print_diff, memory.diff(rows, "s", 0, 3))
    assert "1 added, 1 changed, 1 removed" in text
    assert "~ a\n  - first\n  + first, mended" in text
    assert "q5" in printed(print_timeline, memory.timeline(rows, "s"))


def test_entries_are_shown_as_they_are_not_as_markup(rows):
    (one, *_) = memory.state_at(rows, "s", 0)
    evil = type(one)("[red]", "[bold]x[/bold]\x1b[31m\nsecond line", "k", {}, "", None)
    text = printed(print_state, [evil])
    assert "[red]  (of unknown origin)" in text
    assert "[bold]x[/bold]\\x1b[31m\n" in text
    assert "second line" in text
