"""What is measured, and the rows that are made of it.

* CPU per sample: slope of processor time between two sizes, so that start and end of a tool do not
  count; the server answers at once.
* CPU to the first request: processor time of the client and its descendants at the moment when the
  server reads its first completion (from ``/proc``, in steps of 10 ms), at both sizes.
* Peak memory: largest resident set at the larger size.
* Wall at a latency: the larger size with the server taking 50 ms; the ideal is samples / in flight
  * latency. From the start of the command to its end.
* Streams: 32 sequences of 20 samples, each asked after the one before, with a memory that keeps
  them (`exprecent`); the server takes 20 ms; from the first completion to the last answer.
* In flight: most requests that the server has under way at once, when 512 are asked for.
* Methods: CPU per sample of methods that remember, retrieve with BM25, or ask twice.
* Imports: heavy packages that the harness imports although the model is remote.
* Server: answers a second to the floor, to see that the server is not what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import rows as targets
from benchmarks.driver import Driver
from benchmarks.echo import ROOT
from benchmarks.imports import HEAVY, heavy_imports
from benchmarks.rows import Row, Table, bounded, without_ratios
from benchmarks.tools import METHODS, Tool, Work, method_tools

MOST_FOR_METHODS = 2200
"""Samples are in 20 streams; 110 in each is what a memory is searched with."""
LEAST_RATE = 4000.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    repeats: int = 5
    peer_repeats: int = 5
    small: int = 500
    large: int = 10_000
    latency_s: float = 0.05
    streams: int = 32
    steps: int = 20
    step_latency_s: float = 0.02
    in_flight: int = 512
    methods: tuple[str, ...] = tuple(METHODS)

    def works(self) -> dict[str, Work]:
        """The pieces of work by name."""
        found = [
            Work("small", self.small),
            Work("large", self.large),
            Work("latency", self.large, delay_s=self.latency_s),
            Work(
                "streams",
                self.streams * self.steps,
                delay_s=self.step_latency_s,
                streams=self.streams,
            ),
            # Long enough for a tool that sends 512 requests a second to have all under way.
            Work(
                "in flight",
                2 * self.in_flight,
                delay_s=self.in_flight / 512,
                in_flight=self.in_flight,
            ),
        ]
        if self.large > MOST_FOR_METHODS:
            found.append(Work("methods", MOST_FOR_METHODS))
        return {work.name: work for work in found}

    @property
    def larger_for_methods(self) -> str:
        """The larger of the two sizes at which methods are compared."""
        return "methods" if self.large > MOST_FOR_METHODS else "large"


def execute(driver: Driver, sizes: Sizes, own: Sequence[Tool], peers: Sequence[Tool]) -> None:
    """Run everything; what was run is in `Driver.runs`."""
    works, methods = sizes.works(), method_tools(sizes.methods)
    mine = [tool for tool in own if tool.name == "harness"]
    if sizes.repeats > 1:
        driver.warm_up([*own, *peers], Work("warm-up", 10))
    for repeat in range(1, max(sizes.repeats, sizes.peer_repeats) + 1):
        tools = [*(own if repeat <= sizes.repeats else ())]
        if tools:
            driver.in_turn(methods, [works["small"], works[sizes.larger_for_methods]], repeat)
            if "methods" in works:
                driver.in_turn(mine, [works["methods"]], repeat)
        tools += peers if repeat <= sizes.peer_repeats else ()
        names = ["small", "large", "latency", "streams", *(["in flight"] if repeat == 1 else [])]
        driver.in_turn(tools, [works[name] for name in names], repeat)


def imports_row(driver: Driver) -> Row:
    """Whether heavy packages stay out."""
    found = heavy_imports(driver.job(Work("imports", 10)), driver.environment, ROOT)
    return Row(
        f"imported, of {', '.join(HEAVY)}",
        "harness",
        text=", ".join(found) or "none",
        target="none",
        met=not found,
    )


def rows(table: Table, sizes: Sizes) -> list[Row]:
    """All rows of the tools that were run, but that of the imports."""
    tools = [name for name in table.labels if name not in METHODS]
    return [
        *_processor_rows(table, sizes, tools),
        *_wall_rows(table, sizes, tools),
        *_flight_rows(table, sizes, tools),
        *_method_rows(table, sizes),
        *_server_rows(table),
    ]


def _processor_rows(table: Table, sizes: Sizes, tools: Sequence[str]) -> list[Row]:
    found = table.compare(
        f"CPU per sample, ms ({sizes.small} to {sizes.large})",
        table.slope_ms("small", "large"),
        tools,
        targets.CPU_PER_SAMPLE,
    )
    for name, samples in (("small", sizes.small), ("large", sizes.large)):
        found += table.compare(
            f"CPU to first request, s ({samples} samples)",
            table.of(name, lambda run: run.first_cpu_s, cut_short=False),
            tools,
            targets.CPU_TO_FIRST,
        )
    peak = table.of("large", lambda run: run.peak_mb)
    title = f"peak memory, MB ({sizes.large} samples)"
    return [*found, *bounded(table.compare(title, peak, tools), "harness", targets.PEAK_MB)]


def _wall_rows(table: Table, sizes: Sizes, tools: Sequence[str]) -> list[Row]:
    work = sizes.works()["latency"]
    latency = table.against_ideal(
        f"wall, s ({work.samples} at {work.delay_s * 1000:g} ms, {work.in_flight} in flight)",
        table.of("latency", lambda run: run.wall_s),
        tools,
        work.samples / work.in_flight * work.delay_s,
        targets.WALL_OF_IDEAL,
    )
    work = sizes.works()["streams"]
    streams = table.against_ideal(
        f"wall, s ({sizes.streams} streams of {sizes.steps} steps at {work.delay_s * 1000:g} ms)",
        table.of("streams", lambda run: run.span_s),
        tools,
        sizes.steps * work.delay_s,
        targets.STREAMS_OF_IDEAL,
    )
    return [*latency, *streams]


def _flight_rows(table: Table, sizes: Sizes, tools: Sequence[str]) -> list[Row]:
    most = table.of("in flight", lambda run: float(run.most_in_flight))
    found = table.compare(f"most in flight ({sizes.in_flight} asked for)", most, tools)
    return bounded(without_ratios(found), "harness", float(sizes.in_flight), at_least=True)


def _method_rows(table: Table, sizes: Sizes) -> list[Row]:
    larger = sizes.works()[sizes.larger_for_methods]
    slope = table.slope_ms("small", larger.name)
    title = f"CPU per sample by method, ms ({sizes.small} to {larger.samples})"
    return table.compare(title, slope, ["harness", *sizes.methods])


def _server_rows(table: Table) -> list[Row]:
    rate = table.of("large", lambda run: run.requests / run.span_s if run.span_s else None)
    found = table.compare("the server's answers a second", rate, ["floor"])
    return bounded(without_ratios(found), "floor", LEAST_RATE, at_least=True)
