"""What the verbs do and print; `harness.cli` only parses."""

from __future__ import annotations

import gc
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.errors import UsageError
from harness.plan import Plan, StreamRun, expand, task_name
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore, RunSummary
from harness.sweep import Sweep
from harness.text import clean

if TYPE_CHECKING:
    from harness.protocols.solve.drawing import Picture

EXIT_FAILED = 1
ALPHA = 0.05
_RESULT_HEADING = (
    *("run", "task", "method", "model", "order", "seed", "status", "samples", "score"),
)


async def run_sweep(sweep: Sweep, *, as_json: bool) -> int:
    """Execute a sweep; returns the exit code."""
    from harness.executors import LocalExecutor
    from harness.progress import open_progress

    plan = expand(sweep)
    if not plan.runs:
        typer.echo(
            f"shard {sweep.shard} has no run; the sweep has fewer runs than parts.", err=True
        )
        if as_json:
            typer.echo("[]")
        return 0
    if not plan.runnable and sweep.shard is None:
        reasons = dict.fromkeys(f"{run.spec.label} {run.skipped}" for run in plan.runs)
        raise UsageError(f"nothing to run: {'; '.join(reasons)}.")
    store = ResultsStore(sweep.results)
    store.prepare()
    _leave_plan_to_itself()
    for line in _design_lines(plan):
        typer.echo(line, err=True)
    with open_progress() as progress:
        outcomes = await LocalExecutor(store, progress).execute(plan)
    if as_json:
        rows = [
            {
                "run_id": one.run_id,
                "method": one.run.spec.label,
                "model": one.run.spec.model,
                "order": one.run.spec.order,
                "sample_seed": one.run.spec.seed,
                "status": str(one.status) if one.status else "skipped",
                "score": one.score,
                "n_done": one.n_done,
                "n_planned": one.run.n_samples,
                "n_failed": one.n_failed,
                "n_invalid": one.n_invalid,
                "n_error": one.n_error,
                "note": one.note,
            }
            for one in outcomes
        ]
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_outcomes(outcomes, sweep)
    return 0 if all(one.good or one.run.skipped for one in outcomes) else EXIT_FAILED


def _leave_plan_to_itself() -> None:
    """Keep the collector of garbage from walking the whole plan again and again.

    It took an eighth of the processor time of ten thousand samples.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def print_plan(sweep: Sweep, *, as_json: bool) -> None:
    """Print the matrix of a sweep: what would run, and what would not, and why."""
    plan = expand(sweep)
    if as_json:
        rows = [
            {
                **run.spec.model_dump(),
                "work_key": run.spec.work_key(),
                "n_samples": run.n_samples,
                "n_streams": len(run.streams) if isinstance(run, StreamRun) else None,
                "skipped": run.skipped,
            }
            for run in plan.runs
        ]
        document = {
            "runs": rows,
            "clusters": plan.clusters,
            "comparisons": plan.comparisons,
            "smallest_adjusted_p": plan.smallest_p(),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    cells = [
        (
            run.spec.label,
            run.spec.model,
            run.spec.order,
            str(run.spec.seed),
            run.size,
            f"skipped: {run.skipped}" if run.skipped else "runnable",
        )
        for run in plan.runs
    ]
    if not plan.runs:
        typer.echo(f"shard {sweep.shard} has no run; the sweep has fewer runs than parts.")
        return
    typer.echo(f"{sweep.task} / {plan.runs[0].spec.subset}, {plan.runs[0].spec.task_version}")
    _print_columns([("method", "model", "order", "seed", "samples", "state"), *cells])
    for line in _design_lines(plan):
        typer.echo(line)


def print_preview(sweep: Sweep, *, as_json: bool) -> None:
    """Print the first prompt of every method."""
    import asyncio

    from harness.preview import previews

    found = asyncio.run(previews(expand(sweep)))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        typer.echo(f"=== {one.run}, item {one.sample_id}, at most {one.max_tokens} new tokens")
        if one.problem:
            typer.echo(one.problem)
        for message in one.messages:
            typer.echo(f"--- {message.role}\n{message.content}")
        typer.echo("")


def list_results(folder: Path, *, as_json: bool) -> int:
    """List the runs of a results folder; exit code 1 if a file could not be read."""
    store = ResultsStore(folder)
    runs = store.runs()
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in runs], indent=2))
    elif not runs:
        typer.echo(f"no runs in {folder}; make some with: harness run --task evo-memory")
    else:
        _print_columns([_RESULT_HEADING, *(_result_cells(run) for run in runs)])
    for problem in store.problems:
        typer.echo(f"warning: {problem}", err=True)
    return EXIT_FAILED if store.problems else 0


def print_run(folder: Path, run_id: str, *, as_json: bool) -> None:
    """Print one run: how far it is, and its metrics."""
    store = ResultsStore(folder)
    found = store.find(run_id)
    rows = store.run_rows([found.run_id])
    metrics: dict[str, float] = {} if rows.empty else rows.iloc[0]["metrics"]
    settings: dict[str, Any] = {}
    if not rows.empty:
        settings = json.loads(rows.iloc[0]["protocol_settings"] or "{}")
    if as_json:
        document = {**asdict(found), "metrics": metrics, "protocol_settings": settings}
        typer.echo(json.dumps(document, indent=2))
        return
    _print_columns([_RESULT_HEADING, _result_cells(found)])
    if not metrics:
        typer.echo("it is not finished and has no metrics yet")
        return
    typer.echo("")
    _print_columns([("metric", "value"), *((clean(k), f"{v:.6g}") for k, v in metrics.items())])


def print_item(
    folder: Path, run_id: str | None, item: str | None, *, svg: Path | None, as_json: bool
) -> None:
    """Print what was asked and answered for one item; draw it where it is a grid puzzle.

    Raises:
        UsageError: run or item are not named or not there, or the item cannot be drawn.
    """
    if run_id is None or item is None:
        raise UsageError(
            "an item is shown of one run: harness results RUN --item ID; harness results lists "
            "the runs."
        )
    from harness.protocols.solve.drawing import svg as draw

    store = ResultsStore(folder)
    found = store.find(run_id)
    solves = store.row(found.run_id)["protocol"] == "solve"
    rows = store.item(found.task, found.run_id, item)
    if svg is not None and not solves:
        raise UsageError(f"--svg draws grid puzzles, and {found.task} has none; leave it out.")
    if svg is not None:
        _write(svg, draw(_picture(found, rows[0])))
    if as_json:
        plain = [{**row, "trace": _trace_json(row["trace"])} for row in rows]
        typer.echo(json.dumps({"run": asdict(found), "samples": plain}, indent=2))
        return
    typer.echo(f"run {found.run_id}: {found.method} on {found.task}/{found.subset}, {found.model}")
    for row in rows:
        _print_sample(row)
        # A solver whose fit broke was shown no puzzle.
        drawn = solves and row["trace"].get("context", "{}") != "{}"
        if drawn:
            _print_puzzle(_picture(found, row))
        _print_texts(row["trace"], puzzle=drawn)


def _picture(run: RunSummary, row: dict[str, Any]) -> Picture:
    from harness.protocols.solve.drawing import Picture

    title = f"{run.task}/{run.subset} {row['sample_id']}, {run.method} (run {run.run_id})"
    trace = row["trace"]
    return Picture.read(title, trace.get("context", "{}"), trace.get("output", ""))


def _print_puzzle(picture: Picture) -> None:
    from rich.console import Console

    from harness.protocols.solve.drawing import print_picture

    print_picture(picture, Console())


def write_report(folder: Path, run_id: str | None, path: Path) -> None:
    """Write a run of puzzles as one page, every test input drawn.

    Raises:
        UsageError: no run is named, or it has no puzzles.
    """
    from harness.protocols.solve.report import page

    if run_id is None:
        raise UsageError("--html reports on one run: harness results RUN --html FILE.")
    store = ResultsStore(folder)
    found = store.find(run_id)
    row = store.row(found.run_id)
    if row["protocol"] != "solve":
        raise UsageError(f"--html draws grid puzzles, and {found.task} has none; leave it out.")
    title = f"{found.method} on {found.task}/{found.subset}, {found.model} (run {found.run_id})"
    drawn = [
        (one, _picture(found, one))
        for one in store.items(found.task, found.run_id)
        if one["trace"].get("context", "{}") != "{}"
    ]
    _write(path, page(title, dict(row["metrics"]), drawn))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {clean(str(path))} ({error.strerror}); name another file."
        ) from error
    typer.echo(f"drawn in {clean(str(path))}", err=True)


def _trace_json(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace whose JSON columns are read."""
    plain = dict(trace)
    for name in ("calls", "trajectory", "context", "feedback"):
        plain[name] = json.loads(plain[name]) if plain.get(name) else None
    return plain


def _print_sample(row: dict[str, Any]) -> None:
    place = [str(row["sample_id"])]
    place += [f"{name} {row[name]}" for name in ("stream_id", "checkpoint") if row[name]]
    score = _figure(row["score"])
    typer.echo(f"item {clean(', '.join(place))}: {row['status']}, score {score}")
    if row["error"]:
        typer.echo(f"{clean(row['error_type'])}: {clean(row['error'])}")
    figures = ", ".join(f"{clean(name)} {value:.4g}" for name, value in row["metrics"].items())
    if figures:
        typer.echo(figures)


def _print_texts(trace: dict[str, Any], *, puzzle: bool) -> None:
    """Print each call's prompt and output, then the answer; a puzzle's is drawn already."""
    plain = _trace_json(trace)
    calls: list[dict[str, Any]] = plain["calls"] or []
    for number, call in enumerate(calls, 1):
        phase = f" ({clean(call['phase'])})" if call.get("phase") else ""
        typer.echo(f"=== call {number}{phase}")
        for message in call.get("messages") or ():
            _print_text(message.get("role", ""), message.get("content"))
        if call.get("prompt"):
            _print_text("prompt", call["prompt"])
        _print_text("output", call.get("output"))
    if not puzzle:
        _print_text("answer", plain.get("output"))


def _print_text(heading: str, text: Any) -> None:
    """Print a foreign text: line feeds are kept, other control characters are shown."""
    typer.echo(f"--- {clean(heading)}")
    for line in str(text or "").split("\n"):
        typer.echo(clean(line))


def print_memory(
    folder: Path,
    run_id: str,
    *,
    stream: str | None,
    at: int | None,
    between: tuple[int, int] | None,
    as_json: bool,
) -> None:
    """Print a memory's timeline, its entries at a step, or what changed between two."""
    from rich.console import Console

    from harness.results import memory, memory_text

    store = ResultsStore(folder)
    found = store.find(run_id)
    rows = store.memory(found.run_id)
    known = memory.streams(rows)
    if stream is None and not known:
        raise UsageError(f"{found.method} kept, read and changed nothing in run {found.run_id}.")
    chosen = stream if stream is not None else known[0]
    samples = store.samples(found.task, [found.run_id])
    last = int(samples[samples.stream_id == chosen].step.max()) if chosen in known else None
    console = Console()
    views: list[tuple[str, Any, Any]]
    if between is not None:
        changes = memory.diff(rows, chosen, *between, last_step=last)
        views = [("diff", changes, memory_text.print_diff)]
    elif at is not None:
        state = memory.state_at(rows, chosen, at, last_step=last)
        views = [("entries", state, memory_text.print_state)]
    else:
        views = [
            ("timeline", memory.timeline(rows, chosen), memory_text.print_timeline),
            ("provenance", memory.provenance(rows, chosen), memory_text.print_provenance),
        ]
    if as_json:
        typer.echo(json.dumps({name: _plain(view) for name, view, _ in views}, indent=2))
        return
    others = f" (of {', '.join(known)})" if len(known) > 1 else ""
    typer.echo(f"run {found.run_id}: {found.method} on {found.task}/{found.subset}")
    typer.echo(f"stream {chosen}{others}")
    for _, view, printer in views:
        printer(view, console)


def print_rescored(folder: Path, run_id: str, *, as_json: bool) -> None:
    """Score a run again with the task's current code and print what became of it."""
    from harness.progress import open_progress
    from harness.rescore import rescore

    with open_progress() as progress:
        found = rescore(ResultsStore(folder), run_id, progress)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    if found.note:
        typer.echo(found.note)
        return
    cells = [("metric", "before", "after")]
    for name in dict.fromkeys(("score", *found.before, *found.after)):
        before, after = found.before.get(name), found.after.get(name)
        if name == "score" or before != after:
            cells.append((name, _figure(before), _figure(after)))
    typer.echo(f"{found.method} on {found.task}/{found.subset}, {found.model}")
    _print_columns(cells)
    few = ", ".join(found.changed) + (", ..." if found.n_changed > len(found.changed) else "")
    typer.echo(
        f"{found.n_changed} of {found.n_samples} samples changed{': ' if few else ''}{few}\n"
        f"run {found.run_id}, rescored from {found.rescored_from}"
    )


def print_cache(*, as_json: bool) -> None:
    """Print where the response cache is and what is in it."""
    from harness.models import cache

    found = cache.info()
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    typer.echo(f"{found.path}: {_answers(found.answers)}, {found.bytes / 1e6:.1f} MB")
    if found.models:
        _print_columns([("model", "answers"), *((k, str(n)) for k, n in found.models.items())])


def clear_cache(model: str | None, *, as_json: bool) -> None:
    """Forget answers of the response cache and print how many."""
    from harness.models import cache

    count = cache.clear(model)
    if as_json:
        typer.echo(json.dumps({"path": str(cache.cache_path()), "forgotten": count}, indent=2))
    elif count is None:
        typer.echo("the cache was damaged; it is gone, with all its answers")
    else:
        typer.echo(f"{_answers(count)} forgotten")


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count} answers"


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _plain(view: Any) -> Any:
    """A dataclass, or a sequence of them, as JSON values."""
    return [asdict(one) for one in view] if isinstance(view, tuple) else asdict(view)


def _design_lines(plan: Plan) -> list[str]:
    """What the design can decide, said before anything runs."""
    notes = [f"note: {one}" for one in plan.notes]
    if plan.comparisons == 0:
        return notes
    smallest = plan.smallest_p()
    compared = f"{plan.comparisons} comparison" + ("" if plan.comparisons == 1 else "s")
    line = (
        f"design: {plan.clusters} {plan.unit}, {compared} with the baseline; "
        f"smallest adjusted p it can reach: {smallest:.2g}"
    )
    if smallest >= ALPHA:
        line += f" - every verdict will be inconclusive at {ALPHA}; use more {plan.unit}"
    return [*notes, line]


def _print_outcomes(outcomes: list[Any], sweep: Sweep) -> None:
    cells = [("method", "model", "run", "status", "samples", "score", "note")]
    for one in outcomes:
        counts = [f"{one.n_done} of {one.run.n_samples}"]
        for number, word in ((one.n_failed, "failed"), (one.n_invalid, "invalid")):
            counts += [f"{number} {word}"] if number else []
        cells.append(
            (
                one.run.spec.label,
                one.run.spec.model,
                one.run_id,
                str(one.status or "not run"),
                ", ".join(counts),
                "n/a" if one.score is None else f"{one.score:.3f}",
                one.note,
            )
        )
    _print_columns(cells)
    board = task_name(sweep.task)
    typer.echo(f"\nleaderboard: harness leaderboard {board} --results {sweep.results}")


def _result_cells(run: RunSummary) -> tuple[str, ...]:
    done = f"{run.n_done} of {run.n_planned}"
    for number, word in ((run.n_failed, "failed"), (run.n_error, "errors")):
        done += f", {number} {word}" if number else ""
    score = "n/a" if run.score is None else f"{run.score:.3f}"
    if run.status is not RunStatus.COMPLETE and run.score is not None:
        score += " so far"
    return (
        run.run_id,
        f"{run.task}/{run.subset}",
        run.method,
        run.model,
        run.order,
        str(run.sample_seed),
        str(run.status),
        done,
        score,
    )


def _print_columns(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())
