"""Which entries were read, and how the items that read them went."""

from __future__ import annotations

import pytest

from harness_leaderboards.boards import board_named, detailed
from harness_leaderboards.runs import select
from harness_leaderboards.streams.use import entry_uses

BOARD = detailed(board_named("evo-memory"))


def entry(name, sample, step):
    return {
        "id": name,
        "text": f"text of {name}",
        "key": name,
        "meta": {},
        "sample_id": sample,
        "step": step,
    }


def publish(results, made, **row):
    """Four items: the first writes e0, the second reads it and writes e1, the others read."""
    changes = [
        {"added": [entry("e0", "a", 0)]},
        {"read": [("e0", 0.9)], "added": [entry("e1", "b", 1)]},
        {"read": [("e0", 0.8), ("e1", 0.5)], "pruned": ["e1"], "added": [entry("e2", "c", 2)]},
        {"read": [("e0", 0.7)]},
    ]
    scores = [0, 1, 0, 1]
    records = [
        made.record(item, score, step=step, memory=change)
        for step, (item, score, change) in enumerate(zip("abcd", scores, changes, strict=True))
    ]
    return results.run("exprag", {}, more=records, **row)


def baseline(results, made, scores=(0, 0, 1, 1), **row):
    records = [
        made.record(i, x, step=n) for n, (i, x) in enumerate(zip("abcd", scores, strict=True))
    ]
    results.run("baseline", {}, more=records, **row)


def uses(results):
    ((_, methods),) = select(BOARD, results.store).groups.items()
    found = entry_uses(results.store, "exprag", methods["exprag"], methods.get("baseline", ()))
    return {one.entry_id: one for one in found}


def test_the_life_of_entries(results, made):
    run = publish(results, made)
    baseline(results, made)
    found = uses(results)
    first = found["e0"]
    assert (first.run_id, first.written_by, first.written_step) == (run, "a", 0)
    assert (first.readers, first.solved, first.pruned) == (3, 2, 0)
    assert (first.baseline_readers, first.own_solved, first.baseline_solved) == (3, 2, 2.0)
    assert first.distances == (1, 2, 3)
    assert (found["e1"].readers, found["e1"].solved, found["e1"].pruned) == (1, 0, 1)
    assert found["e1"].advantage == -1.0
    assert (found["e2"].readers, found["e2"].advantage) == (0, None)


def test_a_method_s_use(results, made, built):
    publish(results, made)
    baseline(results, made)
    (use,) = built().sections[0].measures.uses
    assert (use.entries, use.ever_read, use.reads) == (
        3,
        pytest.approx(2 / 3),
        pytest.approx(4 / 3),
    )
    assert use.distance == 1.5  # 1, 2, 3 of e0 and 1 of e1
    assert (use.with_entries.score.mean, use.with_entries.score.n) == (pytest.approx(2 / 3), 3)
    assert use.with_entries.baseline.mean == pytest.approx(2 / 3)
    assert (use.without.score.mean, use.without.baseline.mean) == (0.0, 0.0)
    assert use.top == ()
    assert [one.entry_id for one in use.worst] == ["e1"]


def test_seeds_of_the_baseline_are_averaged_and_other_content_is_not_matched(results, made):
    from dataclasses import replace

    publish(results, made)
    baseline(results, made, (0, 1, 1, 1))
    changed = [made.record(item, 0, step=n) for n, item in enumerate("abcd")]
    changed[3] = replace(changed[3], sample_hash="another question")
    results.run("baseline", {}, more=changed, sample_seed=1)
    first = uses(results)["e0"]
    # b and c half, d by the one seed that had this content
    assert (first.baseline_readers, first.baseline_solved) == (3, 2.0)


def test_without_a_baseline_its_figures_are_unknown(results, made, built, text):
    publish(results, made)
    (use,) = built().sections[0].measures.uses
    assert (use.with_entries.baseline, use.top, use.worst) == (None, (), ())
    assert "| exprag | 3 | 67 % | 1.3 | 1.5 | .67 [n/a] (3) | n/a | .00 [n/a] (1) | n/a |" in text()


def test_the_board_names_entries_and_warns_of_chance(results, made, text):
    run = publish(results, made)
    baseline(results, made, (0, 0, 0, 0))
    shown = text()
    assert f"| exprag | {run} | s | e0 | a | 3 | 2 | 0 | 2 - 0.0 of 3 |" in shown
    assert "chance alone makes some" in shown


def test_memories_that_did_nothing_have_no_table(results, text):
    results.run("exprag", {"s": [1]})
    assert "Use of memory" not in text()
