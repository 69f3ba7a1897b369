"""A run's samples and texts, read by column and cut into scripts that pages load as needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.schema import tables
from harness_leaderboards.site.scripts import script, trimmed

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_CHUNK = 200
TEXTS_PER_CHUNK = 20
LONGEST_TEXT = 20_000
"""Most letters of a text of a trace in the site; the parquet file has all."""
_LONGEST_ID = 2_000

COLUMNS = (
    *("sample_id", "group", "stream_id", "step", "repeat", "checkpoint", "attempt", "source_id"),
    *("status", "score", "input_tokens", "output_tokens", "latency_s", "error_type", "metrics"),
)
"""What a row of a chunk holds, in order."""
_TEXTS = ("calls", "trajectory", "context", "output", "feedback")
_KEYS = ("sample_id", "stream_id", "step", "repeat", "checkpoint", "attempt")
_ORDER = ("stream_id", "step", "sample_id", "repeat", "checkpoint", "attempt")


@dataclass(frozen=True)
class Samples:
    """The samples of a run.

    Attributes:
        table: all of them, in order, without texts.
        kept: how many of the first ones the site has.
        problem: why they cannot be read, as a clause; empty if they can.
    """

    table: pa.Table
    kept: int
    problem: str = ""

    @property
    def columns(self) -> list[str]:
        """Columns that a list of them shows: those that say something of any sample."""
        always = ("sample_id", "status", "score")
        return [
            name
            for name in COLUMNS
            if name in always
            or (
                name not in ("metrics", "source_id")
                and set(self.table.column(name).unique().to_pylist())
                - {None, "", 0, 1 if name == "attempt" else None}
            )
        ]

    @property
    def total(self) -> int:
        """How many the run has."""
        return self.table.num_rows


def read_samples(root: Path, task: str, run_id: str, most: int) -> Samples:
    """Read a run's samples; those that cannot be read are said, not raised."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = tables().samples
    path = _path(root, "samples", task, run_id)
    if path is None or not path.is_file():
        return Samples(schema.empty_table(), 0, "the run has no samples in this folder")
    try:
        table = pq.read_table(path, schema=schema)
    except (OSError, pa.ArrowException, ValueError):
        return Samples(schema.empty_table(), 0, "the file of its samples is damaged")
    table = table.sort_by([(name, "ascending") for name in _ORDER])
    return Samples(table, min(most, table.num_rows))


def sample_scripts(samples: Samples) -> Iterator[tuple[str, str]]:
    """Names and texts of the scripts with rows."""
    kept = samples.table.slice(0, samples.kept)
    for place, start in enumerate(range(0, samples.kept, ROWS_PER_CHUNK)):
        rows = kept.slice(start, ROWS_PER_CHUNK)
        columns = [_plain(name, rows.column(name).to_pylist()) for name in COLUMNS]
        value = {"columns": COLUMNS, "rows": [list(row) for row in zip(*columns, strict=True)]}
        yield f"samples-{place}", script(f"samples-{place}", value)


def text_scripts(root: Path, task: str, run_id: str, samples: Samples) -> Iterator[tuple[str, str]]:
    """Names and texts of the scripts with traces, `TEXTS_PER_CHUNK` samples each."""
    kept = samples.table.slice(0, samples.kept)
    places = list(zip(*(kept.column(name).to_pylist() for name in _KEYS), strict=True))
    traces = _traces(root, task, run_id, samples)
    errors, extras = kept.column("error").to_pylist(), kept.column("extra").to_pylist()
    hashes = kept.column("sample_hash").to_pylist()
    for chunk, start in enumerate(range(0, samples.kept, TEXTS_PER_CHUNK)):
        rows = list[dict[str, str]]()
        for place in range(start, min(start + TEXTS_PER_CHUNK, samples.kept)):
            texts = {"error": (errors[place] or "")[:LONGEST_TEXT], "extra": extras[place] or ""}
            texts |= traces.get(places[place], {}) | {"sample_hash": hashes[place] or ""}
            rows.append(
                {
                    name: trimmed(text, LONGEST_TEXT)
                    for name, text in texts.items()
                    if text not in ("", "{}", "[]")
                }
            )
        yield f"texts-{chunk}", script(f"texts-{chunk}", rows)


def _traces(
    root: Path, task: str, run_id: str, samples: Samples
) -> dict[tuple[Any, ...], dict[str, str]]:
    """Texts by the place of their sample; empty where they cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _path(root, "traces", task, run_id)
    if path is None or not path.is_file() or not samples.kept:
        return {}
    wanted = None
    if samples.kept < samples.total:
        ids = samples.table.slice(0, samples.kept).column("sample_id").unique().to_pylist()
        wanted = [("sample_id", "in", ids)]
    try:
        found = pq.read_table(path, schema=tables().traces, filters=wanted)
    except (OSError, pa.ArrowException, ValueError):
        return {}
    keys = zip(*(found.column(name).to_pylist() for name in _KEYS), strict=True)
    texts = zip(*(found.column(name).to_pylist() for name in _TEXTS), strict=True)
    return {
        key: {name: text for name, text in zip(_TEXTS, row, strict=True) if text}
        for key, row in zip(keys, texts, strict=True)
    }


def _plain(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if name == "metrics":
        return [dict(one or ()) for one in values]
    if name in ("sample_id", "source_id", "group", "stream_id", "checkpoint", "error_type"):
        return [(one or "")[:_LONGEST_ID] for one in values]
    return values


def _path(root: Path, table: str, task: str, run_id: str) -> Path | None:
    """The file of a run; None for names that would lead out of the folder."""
    if any(one in ("", ".", "..") or "/" in one or "\0" in one for one in (task, run_id)):
        return None
    return root / table / f"task={task}" / f"{run_id}.parquet"
