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
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from harness import __version__
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.options import parse_assignments
from harness.registry import Kind, registered


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


@app.command()
def run(
    task: Annotated[
        str | None, typer.Option("--task", envvar="HARNESS_TASK", help="The task; see: harness ls.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method such as exprag:k=8 or react+exprag, or file:PATH#CLASS; repeat."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model such as smollm2 or openai:NAME; repeat.")
    ] = None,
    task_option: Annotated[
        list[str] | None,
        typer.Option("--task-option", "-T", help="Task option NAME=VALUE, such as subset=babyai."),
    ] = None,
    sampling: Annotated[
        list[str] | None,
        typer.Option("--sampling", "-M", help="Sampling NAME=VALUE, such as temperature=0.2."),
    ] = None,
    model_arg: Annotated[
        list[str] | None, typer.Option(help="Engine argument NAME=VALUE, such as retries=3.")
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(envvar="HARNESS_EMBEDDER", help="minilm, bm25, hf:NAME or openai:NAME."),
    ] = None,
    base_url: Annotated[
        list[str] | None, typer.Option(help="Address of an OpenAI-compatible server.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(envvar="HARNESS_LIMIT", help="Only the first N items.")
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option(help="native, shuffle:SEED, easy-hard or hard-easy; repeat."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(envvar="HARNESS_SEEDS", help="Sample seeds, such as 0-4 or 0,3.")
    ] = None,
    data_seed: Annotated[
        int | None, typer.Option(envvar="HARNESS_DATA_SEED", help="Seed of generated data.")
    ] = None,
    results: Annotated[
        str | None, typer.Option(envvar="HARNESS_RESULTS", help="Folder for results.")
    ] = None,
    max_in_flight: Annotated[
        int | None,
        typer.Option(envvar="HARNESS_MAX_IN_FLIGHT", help="Most requests at once for a model."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a new attempt.")] = False,
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

    given = {
        "task": task,
        "method": _texts(method, "HARNESS_METHOD"),
        "model": _texts(model, "HARNESS_MODEL"),
        "task_options": _pairs(task_option, "HARNESS_TASK_OPTION", "-T"),
        "sampling": _pairs(sampling, "HARNESS_SAMPLING", "-M"),
        "model_args": _pairs(model_arg, "HARNESS_MODEL_ARG", "--model-arg"),
        "embedder": embedder,
        "base_url": _texts(base_url, "HARNESS_BASE_URL"),
        "limit": limit,
        "order": _texts(order, "HARNESS_ORDER"),
        "seeds": seeds,
        "data_seed": data_seed,
        "results": results,
        "max_in_flight": max_in_flight,
        "fresh": fresh or None,
    }
    sweep = read_sweep({k: v for k, v in given.items() if v not in (None, (), {})}, config)
    if dry_run:
        commands.print_plan(sweep, as_json=json_output)
    elif preview:
        commands.print_preview(sweep, as_json=json_output)
    else:
        raise typer.Exit(_interruptible(commands.run_sweep(sweep, as_json=json_output)))


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
    folder: ResultsOption = Path("results"),
    json_output: JsonOption = False,
) -> None:
    """List runs: how far they are, and their score."""
    from harness import commands

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


def _add_plugins() -> None:
    """Mount the verbs that packages register under ``harness.commands``."""
    for one in registered(Kind.COMMAND):
        try:
            app.command(name=one.name)(one.load())
        except UsageError as error:
            _warn([str(error)])


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


def _texts(given: list[str] | None, variable: str) -> tuple[str, ...]:
    """A repeatable option, or its environment variable split at commas."""
    if given:
        return tuple(given)
    return tuple(one.strip() for one in os.environ.get(variable, "").split(",") if one.strip())


def _pairs(given: list[str] | None, variable: str, flag: str) -> dict[str, str]:
    return parse_assignments(_texts(given, variable), flag)


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        typer.echo(f"warning: {problem}", err=True)


def _fail(message: str, code: Exit) -> NoReturn:
    typer.echo(f"harness: {message}", err=True)
    sys.exit(code)
