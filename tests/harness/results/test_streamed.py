"""A published run is read back sample by sample as it was written."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from harness.errors import ResultsError
from harness.results.rows import memory_rows, sample_row, trace_row
from harness.results.schema import SampleRecord, Status
from harness.results.store import ResultsStore
from harness.results.streamed import stored_rows

ENTRY = {"id": "e", "text": "t", "key": "k", "sample_id": "s", "step": 0, "meta": {"a": "b"}}


def record(number: int) -> SampleRecord:
    """A sample; every third leaves the memory alone, others change it once or twice."""
    entries = [{**ENTRY, "id": f"e{number}-{n}"} for n in range(number % 3)]
    return SampleRecord(
        sample_id=f"s{number}",
        sample_hash="h",
        source_id=f"s{number}",
        stream_id="one",
        step=number,
        group="g",
        status=Status.OK,
        score=number / 1000,
        metrics={"steps": 1.0},
        trace={"output": f"answer {number}", "feedback": {"correct": True}, "world_hash": "w"},
        memory={"added": entries, "read": [["e", None]] if entries else [], "fingerprint": "f"},
    )


@pytest.fixture
def store(tmp_path):
    """A run of 350 samples."""
    store = ResultsStore(tmp_path)
    store.prepare()
    store.write_tables("RUN", "t", (record(number) for number in range(350)))
    return store


def filled(row, like):
    return {**dict.fromkeys(like), **row}


def test_rows_come_back_together_and_in_order(store):
    found = list(stored_rows(store, "t", "RUN"))
    assert len(found) == 350
    for number, (sample, trace, memory) in enumerate(found):
        one = record(number)
        assert sample == sample_row("RUN", one)
        assert trace == trace_row("RUN", one)
        assert memory == [filled(row, memory[0]) for row in memory_rows("RUN", one)]


def test_what_is_read_can_be_written_again(store):
    store.write_rows("NEW", "t", stored_rows(store, "t", "RUN"))
    for name in ("samples/task=t/{}.parquet", "artifacts/{}/memory.parquet"):
        old, new = (pq.read_table(store.root / name.format(run)) for run in ("RUN", "NEW"))
        assert new.equals(old)


@pytest.mark.parametrize("table", ["traces/task=t/{}.parquet", "artifacts/{}/memory.parquet"])
def test_tables_of_different_runs_are_not_joined(store, table):
    store.write_tables("OTHER", "t", (record(number) for number in range(100, 450)))
    (store.root / table.format("OTHER")).replace(store.root / table.format("RUN"))
    with pytest.raises(ResultsError, match="do not belong together; restore them"):
        list(stored_rows(store, "t", "RUN"))


def test_traces_of_an_earlier_version_are_read_with_what_they_lack_empty(store):
    path = store.root / "traces" / "task=t" / "RUN.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["feedback", "world_hash"]), path)
    frame = store.traces("t", ["RUN"])
    assert len(frame) == 350
    assert frame["world_hash"].isna().all()
    store.write_tables("NEW", "t", [record(0)])
    both = store.traces("t", ["NEW", "RUN"])
    assert both["world_hash"].notna().sum() == 1
