"""Methods against history and the controls."""

from __future__ import annotations

import pytest

from harness.statistics import holm

STREAMS = 7


def publish(results, method, score):
    results.run(method, {f"s{n}": [score, 0] for n in range(STREAMS)})


def contrasts(built):
    (section,) = built().sections
    return {(one.method, one.reference): one.gain for one in section.measures.contrasts}


def test_every_method_is_compared_with_every_reference(results, built, text):
    publish(results, "baseline", 0)
    publish(results, "history", 0)
    publish(results, "react+random:k=8", 1)
    publish(results, "exprag", 1)
    publish(results, "mem0", 0)
    found = contrasts(built)
    references = ("baseline", "history", "react+random:k=8")
    assert set(found) == {(m, r) for m in ("exprag", "mem0") for r in references}
    assert found["exprag", "history"].difference == 0.5
    assert found["exprag", "react+random:k=8"].difference == 0.0
    assert found["mem0", "react+random:k=8"].losses == STREAMS
    raw = [one.p for one in found.values()]
    assert [one.adjusted_p for one in found.values()] == pytest.approx(holm(raw))
    assert found["exprag", "baseline"].comparisons == 6
    assert "Holm-adjusted over all 6 comparisons" in text()


def test_without_a_further_reference_the_main_table_says_it_all(results, built, text):
    publish(results, "baseline", 0)
    publish(results, "exprag", 1)
    assert contrasts(built) == {}
    assert "Against no memory" not in text()


def test_items_that_cannot_be_paired_are_said(results, built, text):
    results.run("history", {"t": [1]})
    results.run("exprag", {"s": [1]})
    assert contrasts(built) == {("exprag", "history"): None}
    assert "| exprag | history | n/a | n/a | n/a | n/a | n/a | - |" in text()
