from __future__ import annotations

from dataclasses import replace

import pytest

from harness.results.schema import SampleRecord, Status
from harness_leaderboards.boards import board_named, detailed
from harness_leaderboards.build import build
from harness_leaderboards.render.markdown import markdown

BOARD = detailed(board_named("evo-memory"))


def record(item, score, stream="s", step=0, **fields):
    """One sample; a status instead of a score for a sample that has none."""
    status = score if isinstance(score, Status) else Status.OK
    value = {Status.OK: score, Status.FAILED: 0.0}.get(status)
    metrics = {} if value is None else {"success": float(value == 1), "steps": 1.0}
    one = SampleRecord(
        sample_id=item,
        sample_hash=f"hash {item}",
        source_id=item,
        stream_id=stream,
        step=step,
        group="",
        status=status,
        score=value,
        metrics=metrics,
        input_tokens=100,
        output_tokens=10,
        latency_s=0.1,
    )
    return replace(one, **{**fields, "metrics": {**metrics, **fields.get("metrics", {})}})


def probe(item, state, score, stream="s", step=0):
    """One item asked with the memory as it was after so many items."""
    return record(item, score, stream, step, checkpoint=f"after-{state:06d}")


@pytest.fixture
def made():
    """The factories of records."""
    return type("Made", (), {"record": staticmethod(record), "probe": staticmethod(probe)})


@pytest.fixture
def built(results):
    """Build the board of what was published."""
    return lambda board=BOARD: build(board, results.store)


@pytest.fixture
def text(results):
    """The board in markdown, on one line."""
    return lambda: " ".join(markdown(build(BOARD, results.store)).replace("\\", "").split())
