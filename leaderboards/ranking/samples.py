"""Sums over the samples of many runs, by independent unit, computed by duckdb in one pass.

No sample that has a score becomes a Python object: ten million rows are read in about a second.
Whether two runs scored the same samples is told by how many they planned and by the samples that
have no score.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ResultsError
from harness.results.reading import FILES
from harness.results.schema import PROBE, Status, tables
from harness_leaderboards.boards import BoardSpec
from harness_leaderboards.boards.spec import Cluster

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.results.store import ResultsStore

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunSums:
    """What the samples of a run come to.

    Attributes:
        units: names of the independent units, sorted.
        totals: sum of the metric in each unit, shape ``(units,)``.
        sizes: scored samples of each unit (1 where sources weigh the same).
        n: scored samples.
        n_planned: samples that count, scored or not.
        n_failed: samples the method broke on.
        n_invalid: samples the data made unanswerable.
        input_tokens: of all samples; likewise the following.
        output_tokens: written.
        seconds: wall time.
        unscored: the samples without a score, which tell item sets apart; none where no sample has
            one.
        rows: samples that the file holds, those that do not count too.
    """

    units: tuple[str, ...]
    totals: Floats
    sizes: Floats
    n: int
    n_planned: int
    n_failed: int
    n_invalid: int
    input_tokens: float
    output_tokens: float
    seconds: float
    unscored: frozenset[str]
    rows: int


def sums_of(
    spec: BoardSpec, store: ResultsStore, planned: Mapping[str, int]
) -> tuple[dict[str, RunSums], list[str]]:
    """Sum the samples of runs.

    Args:
        spec: the board.
        store: the results folder.
        planned: runs, and how many samples each has to have.

    Returns:
        The sums by run, and a sentence for each run whose samples cannot be read; those are left
        out.
    """
    folder = store.root / "samples" / f"task={spec.task}"
    paths = {one: folder / f"{one}.parquet" for one in planned}
    problems = [
        f"skipped run {one}: its samples are missing ({path.relative_to(store.root)})"
        for one, path in paths.items()
        if not path.is_file()
    ]
    present = {one: path for one, path in paths.items() if path.is_file()}
    try:
        found = _queries(spec, present)
    except _unreadable():
        found = dict[str, RunSums]()
        for one, path in list(present.items()):  # one by one, to name the broken one
            try:
                found |= _query(spec, {one: path})
            except _unreadable() as error:
                reason = str(error).splitlines()[0]
                problems.append(f"skipped run {one}: its samples cannot be read ({reason})")
                del present[one]
    odd = {one: path for one, path in present.items() if _rows(found, one) != planned[one]}
    asked = _probes(odd) if odd else {}
    for one in odd:
        rows = _rows(found, one) - asked.get(one, 0)
        if rows != planned[one]:
            problems.append(f"skipped run {one}: {rows:,} of {planned[one]:,} samples are there")
            found.pop(one, None)
    return found, problems


def _rows(found: Mapping[str, RunSums], run_id: str) -> int:
    return found[run_id].rows if run_id in found else 0


def _probes(paths: Mapping[str, Path]) -> dict[str, int]:
    """How many rows are of items asked beside a run's own: none of them was planned."""
    import duckdb

    query = (
        "select run_id, count(*) "  # noqa: S608
        f"from {FILES} where starts_with(checkpoint, $probe) group by all"
    )
    with duckdb.connect() as connection:
        connection.register("known", tables().samples.empty_table())
        given = {"paths": [str(path) for path in paths.values()], "probe": PROBE}
        return dict(connection.execute(query, given).fetchall())


def _queries(spec: BoardSpec, paths: dict[str, Path]) -> dict[str, RunSums]:
    """Read runs on all processors, each run by one thread.

    Sums of several threads would differ in their last digits from one build to the next.
    """
    workers = min(os.cpu_count() or 1, 8, max(1, len(paths) // 4))
    runs = sorted(paths)
    parts = [{one: paths[one] for one in runs[at::workers]} for at in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(lambda part: _query(spec, part), parts))
    return {run: sums for one in found for run, sums in one.items()}


def _unreadable() -> tuple[type[Exception], ...]:
    import duckdb

    return (ResultsError, duckdb.Error)


def _query(spec: BoardSpec, paths: dict[str, Path]) -> dict[str, RunSums]:
    """Read all runs in one query.

    Raises:
        ResultsError: a file does not hold the run that it is named after.
    """
    import duckdb
    import numpy as np

    if not paths:
        return {}
    metric = spec.metric
    sums, missing = _statements(spec)
    given: dict[str, Any] = {
        "paths": [str(path) for path in paths.values()],
        "worst": metric.worst,
        "metric": metric.name,
        "ignored": list(metric.without_groups),
        "ok": Status.OK.value,
        "failed": Status.FAILED.value,
        "invalid": Status.INVALID.value,
    }
    lacking = defaultdict[str, set[str]](set)
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("known", tables().samples.empty_table())
        table = connection.sql(sums, params=_used(sums, given)).to_arrow_table()
        columns = {name: table[name].to_numpy() for name in table.column_names[3:]}
        names = table["run_id"].to_numpy(zero_copy_only=False)
        stretches = {str(names[start]): slice(start, end) for start, end in _stretches(names)}
        partly = [
            one
            for one, part in stretches.items()
            if 0 < columns["n"][part].sum() < columns["planned"][part].sum()
        ]
        if partly:
            given["partly"] = partly
            rows = connection.execute(missing, _used(missing, given)).fetchall()
            for run_id, sample_id, repeat in rows:
                lacking[run_id].add(f"{sample_id}\x00{repeat}")
        counts = connection.execute(_COUNTS, {"paths": given["paths"]}).fetchall()
    lines = {Path(path).stem: count for path, count in counts}
    for one in _distinct(table):
        if Path(one["filename"]).stem != one["run_id"]:
            raise ResultsError(f"the file holds samples of another run, {one['run_id']}")
    units = table["unit"].to_pylist()
    found = dict[str, RunSums]()
    for run_id, place in stretches.items():
        part = {name: column[place] for name, column in columns.items()}
        sizes = part["n"].astype(np.float64)
        totals = np.where(sizes > 0, part["total"].astype(np.float64), 0.0)
        if metric.equal_sources:
            totals = np.divide(totals, sizes, out=np.zeros_like(totals), where=sizes > 0)
            sizes = np.minimum(sizes, 1.0)
        found[run_id] = RunSums(
            units=tuple(units[place]),
            totals=totals,
            sizes=sizes,
            n=int(part["n"].sum()),
            n_planned=int(part["planned"].sum()),
            n_failed=int(part["failed"].sum()),
            n_invalid=int(part["invalid"].sum()),
            input_tokens=float(np.nansum(part["read"].astype(np.float64))),
            output_tokens=float(np.nansum(part["written"].astype(np.float64))),
            seconds=float(np.nansum(part["seconds"].astype(np.float64))),
            unscored=frozenset(lacking[run_id]),
            rows=lines[run_id],
        )
    return found


def _statements(spec: BoardSpec) -> tuple[str, str]:
    """The sums by run and unit, and the samples without a score.

    Names and texts of users are parameters; what is put together here is ours.
    """
    metric = spec.metric
    unit = "stream_id"
    if metric.cluster is Cluster.SOURCE:
        unit = "case when coalesce(source_id, '') = '' then sample_id else source_id end"
    value = "score" if metric.name == "score" else "list_extract(map_extract(metrics, $metric), 1)"
    groups = " and not list_contains($ignored, coalesce(\"group\", ''))"
    ignoring = groups if metric.without_groups else ""
    rows = (
        f"select filename, run_id, {unit} as unit, status, input_tokens, output_tokens, latency_s, "  # noqa: S608
        f"case when status = $failed then $worst when status = $ok and isfinite({value}) "
        f"then {value} end as value, "
        f"sample_id, repeat from {FILES} "
        f"where coalesce(checkpoint, '') = ''{ignoring}"
    )
    sums = (
        "select filename, run_id, unit, sum(value) as total, count(value) as n, "  # noqa: S608
        "count(*) as planned, count_if(status = $failed) as failed, "
        "count_if(status = $invalid) as invalid, "
        "sum(input_tokens) as read, sum(output_tokens) as written, sum(latency_s) as seconds "
        f"from ({rows}) group by all order by filename, run_id, unit"
    )
    missing = (
        f"select run_id, sample_id, repeat from ({rows}) "  # noqa: S608
        "where value is null and list_contains($partly, run_id)"
    )
    return sums, missing


_COUNTS = "select file_name, num_rows from parquet_file_metadata($paths)"


def _distinct(table: Any) -> list[dict[str, str]]:
    """Every pair of a file and a run that it holds."""
    pairs = table.select(["filename", "run_id"]).group_by(["filename", "run_id"])
    return pairs.aggregate([]).to_pylist()


def _stretches(names: Any) -> list[tuple[int, int]]:
    """Beginning and end of each stretch of equal names."""
    import numpy as np

    if not len(names):
        return []
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]).tolist()
    return list(zip(starts, [*starts[1:], len(names)], strict=True))


def _used(query: str, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a query names; duckdb refuses others."""
    return {name: value for name, value in given.items() if f"${name}" in query}
