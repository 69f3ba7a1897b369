"""``harness compare``: a candidate against a baseline, with an exit code that can gate a release.

Imported by ``harness --help``: everything heavy is imported inside the function.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_leaderboards.comparing.options import ALLOW, DIRECTION, POLICY

_SIDE = "A results folder, run ids separated by commas, or a saved board (NAME.parquet)."


def compare(
    baseline: Annotated[str, typer.Argument(help=_SIDE)],
    candidate: Annotated[str, typer.Argument(help=_SIDE)],
    results: Annotated[
        Path,
        typer.Option("--results", envvar="HARNESS_RESULTS", help="Where run ids are looked up."),
    ] = Path("results"),
    task: Annotated[str, typer.Option(envvar="HARNESS_TASK", help="Only this task.")] = "",
    subset: Annotated[
        list[str] | None,
        typer.Option("--subset", envvar="HARNESS_SUBSET", help="Only these subsets."),
    ] = None,
    method: Annotated[
        str, typer.Option(envvar="HARNESS_METHOD", help="Method of the candidate (and baseline).")
    ] = "",
    baseline_method: Annotated[
        str, typer.Option(envvar="HARNESS_BASELINE_METHOD", help="Another one of the baseline.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(
            envvar="HARNESS_METRIC",
            help="A value of samples, median:NAME or q90:NAME of one, or a figure of runs; "
            "default: the board's.",
        ),
    ] = "",
    direction: Annotated[
        str,
        typer.Option(
            envvar="HARNESS_DIRECTION",
            help=f"Which way the metric is better: {DIRECTION}; default: as the board says.",
        ),
    ] = "",
    alpha: Annotated[
        float, typer.Option(envvar="HARNESS_ALPHA", help="Error rate of the whole report.")
    ] = 0.05,
    min_effect: Annotated[
        float | None,
        typer.Option(
            envvar="HARNESS_MIN_EFFECT",
            help="Smallest difference that matters; default: the task's.",
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(envvar="HARNESS_POLICY", help=f"{POLICY}.")
    ] = "significant",
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", envvar="HARNESS_ALLOW", help=f"What is no obstacle: {ALLOW}."),
    ] = None,
    permutations: Annotated[
        int | None,
        typer.Option(envvar="HARNESS_PERMUTATIONS", help="Most label swaps of a test."),
    ] = None,
    seed: Annotated[int, typer.Option(envvar="HARNESS_SEED", help="Seed of the swaps.")] = 0,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", envvar="HARNESS_MARKDOWN", help="Write markdown to this file."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json-file", envvar="HARNESS_JSON_FILE", help="Write JSON to this file."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", envvar="HARNESS_JUNIT", help="Write JUnit XML to this file."),
    ] = None,
    site: Annotated[
        str,
        typer.Option(envvar="HARNESS_SITE", help="Address of the pages that samples link into."),
    ] = "",
) -> None:
    """Say whether CANDIDATE is worse than BASELINE, on the items that both have.

    Exit code 0: not worse; 3: regressed; 4: inconclusive; 2: not comparable, or bad input; 1: a
    file of a results folder could not be read.

    Raises:
        UsageError: the sides are not comparable, or an option is wrong.
        Exit: unless the candidate is not worse and every file could be read.
    """
    from harness_leaderboards.comparing import export, options
    from harness_leaderboards.comparing.build import build_report
    from harness_leaderboards.comparing.matching import Choice
    from harness_leaderboards.comparing.runs import read_side

    rules = options.rules(alpha, min_effect, policy, allow or [], permutations, seed)
    choice = Choice(task, options.words(subset or []), method, baseline_method)
    report = build_report(
        *(read_side(baseline, results), read_side(candidate, results), choice, rules),
        *(metric, options.direction(direction)),
    )
    if markdown:
        from harness_leaderboards.comparing.markdown import markdown as as_markdown

        export.write(markdown, as_markdown(report, site), "--markdown")
    if junit:
        from harness_leaderboards.comparing.junit import junit as as_junit

        export.write(junit, as_junit(report), "--junit")
    if json_file:
        export.write(json_file, export.as_json(report, site) + "\n", "--json-file")
    if json_output:
        typer.echo(export.as_json(report, site))
    else:
        from harness_leaderboards.comparing.terminal import terminal

        typer.echo(terminal(report))
    options.complain(report.problems)
    code = options.exit_code(report)
    if code:
        raise typer.Exit(code)
