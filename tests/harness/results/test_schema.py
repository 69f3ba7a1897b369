"""The golden file pins every column of schema version 1.

Result files are kept for years and read by later versions next to new ones. So a column, once
released, keeps its name, its type and its place, and only nullable columns may be added, at the
end. Where `test_the_tables_are_those_of_the_golden_file` fails because a nullable column was
added, add that column to the golden file; where it fails for any other reason, the change would
break results that people have, and a new schema version with its own golden file is needed.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.results.schema import SCHEMA_VERSION, RunStatus, SampleRecord, Status, tables

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schema_v1.json").read_text("utf-8"))
NAMES = ["runs", "samples", "traces", "memory"]


def columns(schema):
    return [[one.name, str(one.type), one.nullable] for one in schema]


def test_the_tables_are_those_of_the_golden_file():
    assert {name: columns(getattr(tables(), name)) for name in NAMES} == GOLDEN["tables"]


def test_the_golden_file_is_of_this_version():
    assert GOLDEN["schema_version"] == SCHEMA_VERSION == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_nullable_and_named_once(name):
    assert all(nullable for _, _, nullable in GOLDEN["tables"][name])
    names = [column for column, _, _ in GOLDEN["tables"][name]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", NAMES)
def test_no_column_is_a_dictionary(name):
    assert not any("dictionary" in kind for _, kind, _ in GOLDEN["tables"][name])


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_missing_values_survives_parquet(tmp_path, name):
    schema = getattr(tables(), name)
    table = pa.Table.from_pylist([{}, {"run_id": "R"}], schema)
    pq.write_table(table, tmp_path / "t.parquet")
    back = pq.read_table(tmp_path / "t.parquet", schema=schema)
    assert back.equals(table)
    assert columns(back.schema) == columns(schema)


def test_values_survive_parquet(tmp_path):
    time = datetime(2026, 3, 1, 12, 30, 59, 123456, tzinfo=UTC)
    row = {
        "run_id": "01J",
        "started_at": time,
        "dirty": True,
        "cost": 0.25,
        "sample_seed": 2**62,
        "metrics": [("score", 0.5), ("größe", math.inf)],
    }
    pq.write_table(pa.Table.from_pylist([row], tables().runs), tmp_path / "t.parquet")
    (back,) = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert {name: back[name] for name in row} == row
    assert back["finished_at"] is None


def test_a_record_has_a_place_for_every_column_that_is_read_from_it():
    fields = set(SampleRecord.__dataclass_fields__)
    samples = {name for name, _, _ in GOLDEN["tables"]["samples"]}
    assert samples - fields == {"run_id"}
    assert fields - samples == {"trace", "memory"}


def test_statuses_are_the_words_of_the_tables():
    assert [str(one) for one in Status] == ["ok", "invalid", "failed", "error"]
    assert [str(one) for one in RunStatus] == ["complete", "incomplete", "running", "interrupted"]
