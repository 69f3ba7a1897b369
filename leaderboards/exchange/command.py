"""``harness import`` and ``harness export``: results from other harnesses, results for other tools.

Imported by ``harness --help``: everything heavy is imported inside the functions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness_leaderboards.exchange.imported import Kept

_Results = Annotated[
    Path, typer.Option("--results", envvar="HARNESS_RESULTS", help="Results folder.")
]


class Tool(StrEnum):
    """Whose logs can be imported."""

    LM_EVAL = "lm-eval"
    INSPECT = "inspect"


class Format(StrEnum):
    """What runs can be exported as."""

    EVERY_EVAL_EVER = "every-eval-ever"
    CSV = "csv"
    HF_RESULTS = "hf-results"


def import_(
    tool: Annotated[Tool, typer.Argument(help="Whose logs they are.")],
    path: Annotated[Path, typer.Argument(help="A log, or a folder of logs.")],
    results: _Results = Path("results"),
    method: Annotated[
        str | None, typer.Option(envvar="HARNESS_METHOD", help="What to call it [the tool].")
    ] = None,
    task: Annotated[
        str | None, typer.Option(envvar="HARNESS_TASK", help="Task to join [the log's].")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(envvar="HARNESS_SUBSET", help="Subset to join [none].")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(envvar="HARNESS_METRIC", help="What becomes the score.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Import logs of another harness as runs: they are listed, ranked and compared like others.

    Raises:
        UsageError: there is no log, or one is damaged, unfinished, or without samples.
    """
    from dataclasses import replace

    from harness.results.store import ResultsStore
    from harness_leaderboards.exchange.imported import keep
    from harness_leaderboards.exchange.inspect_log import read_inspect
    from harness_leaderboards.exchange.lm_eval import read_lm_eval

    read = read_lm_eval if tool is Tool.LM_EVAL else read_inspect
    # All logs are read before the first is kept: a damaged one leaves nothing half imported.
    runs = [
        replace(
            run,
            method=method or run.method,
            task=_name(task or run.task, "task"),
            subset=_name(subset, "subset") if subset else run.subset if subset is None else "",
        )
        for run in read(path.expanduser(), metric)
    ]
    store = ResultsStore(results)
    kept = [keep(run, store) for run in runs]
    if json_output:
        typer.echo(json.dumps([asdict(one) for one in kept], indent=2))
    else:
        _print(kept)


def export(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs; none: all that are finished.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", envvar="HARNESS_FORMAT", help="What to write.")
    ] = Format.CSV,
    results: _Results = Path("results"),
    out: Annotated[
        Path | None, typer.Option(envvar="HARNESS_OUT", help="Folder [RESULTS/export].")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(envvar="HARNESS_DATASET", help="hf-results: the benchmark's id.")
    ] = None,
    task_id: Annotated[
        str | None, typer.Option(envvar="HARNESS_TASK_ID", help="hf-results: its task's id.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write finished runs in a format of other tools.

    Raises:
        UsageError: a run is unknown or unfinished, or the folder cannot be written.
        Exit: code 1, after writing, if files could not be read or runs were left out.
    """
    from harness.results.store import ResultsStore
    from harness_leaderboards.exchange.chosen import chosen
    from harness_leaderboards.exchange.csv_files import csv_files
    from harness_leaderboards.exchange.every_eval_ever import every_eval_ever
    from harness_leaderboards.exchange.hf_results import hf_results

    store = ResultsStore(results)
    found = chosen(store, runs or ())
    left_out = list[str]()
    if form is Format.CSV:
        files = csv_files(found, store)
    elif form is Format.EVERY_EVAL_EVER:
        files = every_eval_ever(found, store)
    else:
        files, left_out = hf_results(found, dataset, task_id)
    folder = out or store.root / "export"
    _write(folder, files)
    if json_output:
        typer.echo(json.dumps([str(folder / name) for name in files], indent=2))
    else:
        typer.echo(f"{len(files)} files of {len(found)} runs in {folder}")
    problems = [*store.problems, *left_out]
    _complain(problems)
    if problems:
        raise typer.Exit(1)


def _name(name: str, what: str) -> str:
    """The name of a task or subset, which becomes part of paths.

    Raises:
        UsageError: it cannot be one.
    """
    import re

    from harness.errors import UsageError
    from harness.text import clean

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        shown = clean(name if len(name) <= 100 else f"{name[:100]}...")
        raise UsageError(
            f"'{shown}' cannot be the name of a {what}: that has letters, digits, '-', '_' and "
            f"'.', at most 100, and begins with none of '-' and '.'; give one with "
            f"--{what} NAME."
        )
    return name


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    from harness.errors import ResultsError
    from harness_leaderboards.export import replace_file

    inside = folder.resolve()
    try:
        for name, content in files.items():
            path = folder / name
            # Names of models and tasks come from logs and data.
            if not path.resolve().is_relative_to(inside):
                raise ResultsError(f"'{name}' is outside of '{folder}': nothing is written there.")
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
    except OSError as error:
        raise ResultsError(
            f"cannot write to '{folder}' ({error.strerror}); choose another folder with --out."
        ) from error


def _print(kept: Iterable[Kept]) -> None:
    from harness.text import clean

    for one in kept:
        score = "n/a" if one.score is None else f"{one.score:.3f}"
        state = "imported" if one.new else "was there already"
        typer.echo(
            clean(f"{one.run_id} {state}: {one.task}, {one.method}, {one.model}, ")
            + f"{one.n} samples, score {score}"
        )
        for note in one.notes:
            typer.echo(clean(f"note: {note}"), err=True)
    tasks = dict.fromkeys(one.task for one in kept)
    typer.echo(f"leaderboard: harness leaderboard {clean(' '.join(tasks))}")


def _complain(problems: Iterable[str]) -> None:
    from harness.text import clean

    for problem in dict.fromkeys(problems):
        typer.echo(clean(problem), err=True)
