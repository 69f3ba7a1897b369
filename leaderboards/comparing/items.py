"""The samples of matched runs, joined item by item in duckdb.

Matched runs come in; a table goes out with a row for each item and column (order, and training seed
where there is one), holding the score of both sides. Repeats and sample seeds of an item are
averaged within the query. What is not there is NaN, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.editing.plan import FINAL
from harness_leaderboards.comparing.matching import Match, RunPair
from harness_leaderboards.comparing.runs import Run

if TYPE_CHECKING:
    import duckdb

Frame: TypeAlias = Any
"""A `pandas.DataFrame`; the published annotations of its methods are too wide to be checked."""


@dataclass(frozen=True)
class Wanted:
    """Which value of a sample is compared.

    Attributes:
        metric: ``score`` or the name of a metric of the samples.
        worst: what a failed sample counts with; None: the worst value that either side has.
        higher_is_better: direction, which says what is worst.
        without_groups: groups of samples that do not count.
    """

    metric: str = "score"
    worst: float | None = 0.0
    higher_is_better: bool = True
    without_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Items:
    """What the joined samples of a comparison are.

    Attributes:
        table: a row for each item and column with ``subset``, ``item`` (its identity over columns),
            ``sample_id``, ``column``, ``training`` (its seed, empty for none), ``data_seed``,
            ``cluster_b``, ``cluster_c`` (streams), ``source``, ``baseline``, ``candidate`` (failed
            samples count with the worst score), ``baseline_ok``, ``candidate_ok`` (failed samples
            left out), and the ids of the runs.
        missing: items that the baseline has and the candidate lacks, by subset.
        extra: items that only the candidate has.
        changed: items of equal id whose content differs.
        left_out: items without a score on the baseline, or on both sides.
        failed: failed samples of the baseline and of the candidate.
        medians: latency and tokens per sample of both sides.
        problems: files that could not be read.
        unread: runs of which they are.
    """

    table: Frame
    missing: dict[str, int]
    extra: int
    changed: int
    left_out: int
    failed: tuple[int, int]
    medians: tuple[tuple[float | None, ...], tuple[float | None, ...]]
    problems: tuple[str, ...] = ()
    unread: tuple[RunPair, ...] = field(default=())


def checkpoint_of(protocol: str) -> str:
    """The evaluation of a run that its score is: the last one of an edit, else the stream's own."""
    return FINAL if protocol == "edit" else ""


def path_of(run: Run) -> Path:
    """The file of a run's samples."""
    return run.store.root / "samples" / f"task={run.text('task')}" / f"{run.run_id}.parquet"


def read_items(match: Match, wanted: Wanted) -> Items:
    """Join the samples of matched runs."""
    import duckdb

    pairs, problems, unread = list[RunPair](), list[str](), list[RunPair]()
    with duckdb.connect() as connection:
        for pair in match.pairs:
            reason = _unreadable(connection, (pair.baseline, pair.candidate))
            if reason:
                problems.append(reason)
                unread.append(pair)
            else:
                pairs.append(pair)
        return _joined(connection, pairs, wanted, tuple(problems), tuple(unread))


def _unreadable(connection: duckdb.DuckDBPyConnection, runs: Sequence[Run]) -> str:
    """Why the samples of a run cannot be read; empty if they can."""
    import duckdb

    for run in runs:
        path = path_of(run)
        try:
            connection.execute(_COUNT, [str(path)]).fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0] if path.is_file() else "the file is missing"
            return f"skipped the samples of run {run.run_id} ({reason})"
    return ""


# A folder such as score=9 on the way to the results must not become a column.
_COUNT = "select count(score) from read_parquet(?, hive_partitioning = false)"
_VALUE = {
    "score": "score",
    "metric": "list_extract(map_extract(metrics, $metric), 1)",
}
_SIDE = """
create temp table {side} as
with rows as (
  select runs.pair, runs.subset, runs."column", runs.training, runs.data_seed, sample_id,
    sample_hash, stream_id, source_id, "group", status, {value} as value,
    latency_s, input_tokens, output_tokens
  from read_parquet($paths, union_by_name = true, hive_partitioning = false) as samples
  join {side}_runs as runs using (run_id)
  where coalesce(checkpoint, '') = $checkpoint
    and not list_contains($without, coalesce("group", ''))
)
select pair, subset, "column", training, data_seed, sample_id,
  min(sample_hash) as low_hash, max(sample_hash) as high_hash,
  min(stream_id) as stream, min(coalesce(nullif(source_id, ''), sample_id)) as source,
  min("group") as "group", count(*) as n,
  count(*) filter (status = 'failed') as failed,
  count(*) filter (status = 'ok' and isfinite(value)) as scored,
  coalesce(sum(value) filter (status = 'ok' and isfinite(value)), 0) as total,
  min(value) filter (status = 'ok' and isfinite(value)) as least,
  max(value) filter (status = 'ok' and isfinite(value)) as most,
  sum(latency_s) as seconds, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens
from rows group by all
"""
_BOTH = """
create temp table both_sides as
select coalesce(b.pair, c.pair) as pair, coalesce(b.subset, c.subset) as subset,
  coalesce(b."column", c."column") as "column", coalesce(b.training, c.training) as training,
  coalesce(b.data_seed, c.data_seed) as data_seed, coalesce(b.sample_id, c.sample_id) as sample_id,
  b.stream as cluster_b, c.stream as cluster_c, b.source as source, b."group" as "group",
  b.n is null as only_candidate, c.n is null as only_baseline,
  coalesce(b.low_hash = c.low_hash and b.high_hash = c.high_hash and b.low_hash = b.high_hash,
    b.low_hash is null and c.low_hash is null) as equal,
  case when b.scored + b.failed = b.n then (b.total + b.failed * $worst) / b.n end as baseline,
  case when c.scored + c.failed = c.n then (c.total + c.failed * $worst) / c.n end as candidate,
  case when b.scored > 0 then b.total / b.scored end as baseline_ok,
  case when c.scored > 0 then c.total / c.scored end as candidate_ok
from b full join c on b.pair = c.pair and b.sample_id = c.sample_id
"""
_SEEDS = """
select subset, "column", training, data_seed, sample_id, min(cluster_b) as cluster_b,
  min(cluster_c) as cluster_c, min(source) as source, min("group") as "group",
  avg(baseline) as baseline, avg(candidate) as candidate,
  avg(baseline_ok) as baseline_ok, avg(candidate_ok) as candidate_ok,
  arg_min(pair, coalesce($sign * (candidate - baseline), 0)) as pair
from both_sides where equal and baseline is not null and candidate is not null
group by all order by subset, data_seed, cluster_b, sample_id, "column"
"""
_COUNTS = """
select subset,
  count(distinct (data_seed, sample_id)) filter
    (only_baseline or
      (not only_candidate and equal and baseline is not null and candidate is null)),
  count(distinct (data_seed, sample_id)) filter (only_candidate),
  count(distinct (data_seed, sample_id)) filter
    (not only_candidate and not only_baseline and not equal),
  count(distinct (data_seed, sample_id)) filter
    (not only_candidate and not only_baseline and equal and baseline is null)
from both_sides group by all
"""
_FAILED = "select (select sum(failed) from b), (select sum(failed) from c)"
_MEDIANS = "select median(seconds / n), median(input_tokens / n), median(output_tokens / n) from "


def _joined(
    connection: duckdb.DuckDBPyConnection,
    pairs: Sequence[RunPair],
    wanted: Wanted,
    problems: tuple[str, ...],
    unread: tuple[RunPair, ...],
) -> Items:
    import pandas as pd

    if not pairs:
        nothing: tuple[float | None, ...] = (None, None, None)
        empty = pd.DataFrame({name: [] for name in ("subset", "item", "column", "baseline")})
        return Items(empty, {}, 0, 0, 0, (0, 0), (nothing, nothing), problems, unread)
    for side in ("b", "c"):
        _read_side(connection, pairs, wanted, side)
    failed = connection.execute(_FAILED).fetchall()[0]
    connection.execute(_BOTH, {"worst": _worst(connection, wanted)})
    counts = connection.execute(_COUNTS).fetchall()
    sign = 1.0 if wanted.higher_is_better else -1.0
    table = connection.execute(_SEEDS, {"sign": sign}).df()
    table["item"] = table.groupby(["subset", "data_seed", "sample_id"], sort=False).ngroup()
    for name, of in (("baseline_run", "baseline"), ("candidate_run", "candidate")):
        ids = [getattr(pair, of).run_id for pair in pairs]
        table[name] = [ids[int(place)] for place in table["pair"]]
    medians = [connection.execute(_MEDIANS + side).fetchall()[0] for side in ("b", "c")]
    return Items(
        table=table,
        missing={str(row[0]): int(row[1]) for row in counts if row[1]},
        extra=sum(int(row[2]) for row in counts),
        changed=sum(int(row[3]) for row in counts),
        left_out=sum(int(row[4]) for row in counts),
        failed=(int(failed[0] or 0), int(failed[1] or 0)),
        medians=(tuple(medians[0]), tuple(medians[1])),
        problems=problems,
        unread=unread,
    )


def _read_side(
    connection: duckdb.DuckDBPyConnection, pairs: Sequence[RunPair], wanted: Wanted, side: str
) -> None:
    """Make the table of one side: a row for each item of each run."""
    import pandas as pd

    runs = [pair.baseline if side == "b" else pair.candidate for pair in pairs]
    frame = pd.DataFrame(
        {
            "run_id": [run.run_id for run in runs],
            "pair": range(len(runs)),
            # Both sides of a pair are one column, whatever each of them calls it.
            "subset": [pair.baseline.text("subset") for pair in pairs],
            "column": [column_of(pair) for pair in pairs],
            "training": [str(pair.seed) if pair.trained else "" for pair in pairs],
            "data_seed": [pair.baseline.whole("data_seed") or 0 for pair in pairs],
        }
    )
    connection.register(f"{side}_runs", frame)
    given: dict[str, Any] = {
        "paths": sorted({str(path_of(run)) for run in runs}),
        "checkpoint": checkpoint_of(runs[0].text("protocol")),
        "without": list(wanted.without_groups),
    }
    value = _VALUE["score" if wanted.metric == "score" else "metric"]
    if wanted.metric != "score":
        given["metric"] = wanted.metric
    connection.execute(_SIDE.format(side=side, value=value), given)


def column_of(pair: RunPair) -> str:
    """What all items of a run share by chance: its order, and its training if there is one."""
    order = pair.baseline.text("order")
    return f"{order}/{pair.seed}" if pair.trained else order


def _worst(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> float:
    if wanted.worst is not None:
        return wanted.worst
    which = "min(least)" if wanted.higher_is_better else "max(most)"
    query = f"select {which} from (select least, most from b union all select least, most from c)"  # noqa: S608
    found = connection.execute(query).fetchall()[0][0]
    return 0.0 if found is None else float(found)
