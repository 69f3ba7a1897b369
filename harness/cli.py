"""The command line: parses, calls, prints; no logic of its own.

Results go to stdout, everything else to stderr. Every error of `harness.errors.UsageError` is one
sentence and exit code 2. Long options accept ``-`` and ``_``, and are read from
``HARNESS_<OPTION>`` (lists separated by commas). Importing this module imports nothing heavy.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from harness import __version__
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.registry import Kind, registered
from harness.sweep_options import with_sweep_options


class Exit(IntEnum):
    """Exit codes of every verb."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REGRESSED = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130


_CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("_", "-"),
}

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
    help="Evaluation harness for methods: a model is fixed, what people do with it varies.",
)

ResultsOption = Annotated[
    Path, typer.Option("--results", help="Folder for results.", envvar="HARNESS_RESULTS")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def run(
    given: dict[str, Any],
    config: Annotated[
        Path | None, typer.Option(envvar="HARNESS_CONFIG", help="YAML file; options win over it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Print the first prompts only; nothing is asked.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Run methods on a task; the same command again continues what is unfinished."""
    from harness import commands
    from harness.sweep import read_sweep

    sweep = read_sweep(given, config)
    if dry_run:
        commands.print_plan(sweep, as_json=json_output)
    elif preview:
        commands.print_preview(sweep, as_json=json_output)
    else:
        raise typer.Exit(_interruptible(commands.run_sweep(sweep, as_json=json_output)))


app.command(name="run")(with_sweep_options(run))


@app.command(name="ls")
def list_names(
    what: Annotated[str, typer.Argument(help="tasks, methods, models or all")] = "all",
    json_output: JsonOption = False,
) -> None:
    """List what is registered."""
    from harness import catalogue

    rows, problems = catalogue.rows(what)
    if json_output:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        for line in catalogue.lines(rows):
            typer.echo(line)
    _warn(problems)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A task, method, model or embedder.")],
    json_output: JsonOption = False,
) -> None:
    """Say what something is, where it comes from, and which options it has."""
    from harness import catalogue

    cards = catalogue.cards(name)
    if json_output:
        typer.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    for card in cards:
        typer.echo("\n".join(catalogue.card_lines(card)))


@app.command()
def results(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run, by id, its beginning or end, or 'latest'."),
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="Show one item of the run: what was asked and answered.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Draw the item, a grid puzzle, into this file.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a run of grid puzzles as one page, all of it drawn.")
    ] = None,
    folder: ResultsOption = Path("results"),
    json_output: JsonOption = False,
) -> None:
    """List runs, how far they are and their score; or show one run, or one of its items."""
    from harness import commands

    if html is not None:
        commands.write_report(folder, run_id, html)
    elif item is not None or svg is not None:
        commands.print_item(folder, run_id, item, svg=svg, as_json=json_output)
    elif run_id is not None:
        commands.print_run(folder, run_id, as_json=json_output)
    else:
        raise typer.Exit(commands.list_results(folder, as_json=json_output))


@app.command()
def memory(
    run_id: Annotated[str, typer.Argument(help="A run, by id, its beginning or end, or 'latest'.")],
    stream: Annotated[str | None, typer.Option(help="The stream; default: the first.")] = None,
    at: Annotated[int | None, typer.Option(help="Show the entries after this step.")] = None,
    diff: Annotated[
        tuple[int, int] | None, typer.Option(help="Show what changed between two steps.")
    ] = None,
    folder: ResultsOption = Path("results"),
    json_output: JsonOption = False,
) -> None:
    """Look into a run's memory: what each task added, changed, removed and read."""
    from harness import commands

    commands.print_memory(folder, run_id, stream=stream, at=at, between=diff, as_json=json_output)


@app.command()
def rescore(
    run_id: Annotated[str, typer.Argument(help="A run, by id, its beginning or end, or 'latest'.")],
    folder: ResultsOption = Path("results"),
    json_output: JsonOption = False,
) -> None:
    """Score a run again after its task's scorer has changed; no model is asked."""
    from harness import commands

    commands.print_rescored(folder, run_id, as_json=json_output)


@app.command()
def score(
    task: Annotated[str, typer.Argument(help="The task whose metrics to compute.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Outputs or logs recorded elsewhere; a folder where the task says so."),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(envvar="HARNESS_REFERENCE", help="The same of what to compare with."),
    ] = None,
    task_option: Annotated[
        list[str] | None,
        typer.Option("--task-option", "-T", help="NAME=VALUE; repeatable.", show_default=False),
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="Attempts that count; short for -T k=N.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Compute a task's metrics from outputs recorded elsewhere; no model is asked."""
    from harness import scoring

    scoring.print_scores(task, files, reference, task_option or (), k=k, as_json=json_output)


models_app = typer.Typer(help="Models with files of their own: make them ready before a run.")
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, json_output: JsonOption = False) -> None:
    """Models with files of their own: make them ready before a run; alone: list them."""
    if context.invoked_subcommand is None:
        list_models(json_output)
    elif json_output:
        raise UsageError(f"write --json after {context.invoked_subcommand}.")


@models_app.command(name="list")
def list_models(json_output: JsonOption = False) -> None:
    """List the models that fetch files: whether they are there, and their size."""
    from harness import prepare

    rows, problems = prepare.rows()
    if json_output:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        for line in prepare.lines(rows):
            typer.echo(line)
    _warn(problems)


@models_app.command(name="prepare")
def prepare_model(
    name: Annotated[str, typer.Argument(help="A model or embedder, such as smollm2 or hf:NAME.")],
    json_output: JsonOption = False,
) -> None:
    """Fetch and convert what a model needs at first use; prints the folder."""
    from harness import prepare

    prepared = prepare.prepare(name, lambda text: typer.echo(text, err=True))
    typer.echo(json.dumps(asdict(prepared), indent=2) if json_output else prepared.folder)


cache_app = typer.Typer(help="Answers that --cache keeps for all later runs.")
app.add_typer(cache_app, name="cache")


@cache_app.callback(invoke_without_command=True)
def cache_(context: typer.Context, json_output: JsonOption = False) -> None:
    """Answers that --cache keeps for all later runs; alone: say what is there."""
    if context.invoked_subcommand is None:
        cache_info(json_output)
    elif json_output:
        raise UsageError(f"write --json after {context.invoked_subcommand}.")


@cache_app.command(name="info")
def cache_info(json_output: JsonOption = False) -> None:
    """Say where the answers are, how many of which model, and their size."""
    from harness import commands

    commands.print_cache(as_json=json_output)


@cache_app.command(name="clear")
def cache_clear(
    model: Annotated[
        str | None, typer.Option(help="Only the answers of this model, as info names it.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Forget answers: all of them, or those of one model."""
    from harness import commands

    commands.clear_cache(model, as_json=json_output)


@app.command()
def doctor(
    base_url: Annotated[
        list[str] | None,
        typer.Option(help="A server to ask for its models; repeatable.", show_default=False),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also import what is installed (takes a while).")
    ] = False,
    folder: ResultsOption = Path("results"),
    json_output: JsonOption = False,
) -> None:
    """Say what works here now, and what to type for the rest; exit code 1: something is broken."""
    from harness import doctor as check_up

    found = check_up.examine(check_up.Asked(tuple(base_url or ()), folder, deep))
    if json_output:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        typer.echo("\n".join(check_up.lines(found)))
    raise typer.Exit(Exit.FAILED if check_up.broken(found) else Exit.DONE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``harness`` command."""
    _add_plugins()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="harness")
    except UsageError as error:
        _fail(str(error), Exit.USAGE)
    except InfrastructureError as error:
        _fail(str(error), Exit.FAILED)
    except HarnessError as error:
        _fail(str(error), Exit.FAILED)
    except KeyboardInterrupt:
        _fail("interrupted.", Exit.INTERRUPTED)
    except BrokenPipeError:
        os._exit(Exit.FAILED)


@cache
def _add_plugins() -> None:
    """Mount the verbs that packages register under ``harness.commands``, once."""
    own = {one.name for one in (*app.registered_commands, *app.registered_groups)}
    for one in registered(Kind.COMMAND):
        if one.name in own:
            _warn([f"verb '{one.name}' of package '{one.distribution}' exists already; left out."])
            continue
        try:
            verb = one.load()
            app.command(name=one.name, help=_summary(verb))(verb)
        except UsageError as error:
            _warn([str(error)])


def _summary(verb: Any) -> str:
    """The first paragraph of a verb's docstring; the rest is for who reads the code."""
    return " ".join((verb.__doc__ or "").strip().split("\n\n")[0].split())


def _interruptible(work: Any) -> int:
    """Run a coroutine; Ctrl-C and SIGTERM stop it cleanly."""

    async def guarded() -> int:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        _fail(
            "interrupted; finished samples are kept, the same command continues.", Exit.INTERRUPTED
        )


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        typer.echo(f"warning: {problem}", err=True)


def _fail(message: str, code: Exit) -> NoReturn:
    typer.echo(f"harness: {message}", err=True)
    sys.exit(code)
