"""Execute pieces of work with tools, in turn, and record what each execution cost.

The client's costs come from the kernel (`benchmarks.processes`), times of requests from the server:
the processor time that the client has used by its first completion, and the time from that to the
last answer, which leaves start and end of the client out. Every execution begins with an empty
results folder, and must ask exactly as often as there are samples.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.echo import ROOT, EchoServer
from benchmarks.processes import CommandFailed, last_lines, run_measured
from benchmarks.prompts import write_prompts
from benchmarks.tools import Job, Tool, Work, environment


@dataclass(frozen=True)
class Run:
    """One execution of one tool."""

    tool: str
    work: str
    repeat: int
    samples: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    killed: bool
    requests: int
    most_in_flight: int
    first_cpu_s: float | None
    """Processor time of the client when its first completion arrived."""
    span_s: float | None
    """Time from the first completion to the last answer."""
    server_cpu_s: float


class Driver:
    """Runs tools against one server.

    Args:
        server: the echo server.
        scratch: folder for prompts, results and the tools' caches.
        patience_s: a command that takes longer is killed, and not repeated.
    """

    def __init__(self, server: EchoServer, scratch: Path, patience_s: float) -> None:
        self._server = server
        self._scratch = scratch
        self._patience_s = patience_s
        self.environment = environment(scratch)
        self.runs: list[Run] = []

    def job(self, work: Work) -> Job:
        """A job with an empty folder and its prompts."""
        prompts = self._scratch / f"prompts-{work.samples}.jsonl"
        if not prompts.exists():
            write_prompts(prompts, work.samples)
        folder = self._scratch / "job"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Job(work, self._server.url, prompts, folder)

    def in_turn(self, tools: Sequence[Tool], works: Sequence[Work], repeat: int) -> None:
        """Let every tool do every piece of work once, one tool after another."""
        for work in works:
            for tool in tools:
                done = [run for run in self.runs if (run.tool, run.work) == (tool.name, work.name)]
                if not any(run.killed for run in done):
                    self._record(tool, work, repeat)

    def warm_up(self, tools: Sequence[Tool], work: Work) -> None:
        """Run every tool once unrecorded: files into memory, compiled modules onto the disk."""
        for tool in tools:
            self._execute(tool, work, 0)

    def _record(self, tool: Tool, work: Work, repeat: int) -> None:
        run = self._execute(tool, work, repeat)
        if run is None:
            return
        self.runs.append(run)
        end = f"killed after {run.wall_s:.0f} s" if run.killed else f"{run.wall_s:.2f} s"
        said = f"{end}, {run.cpu_s:.2f} CPU-s, {run.peak_mb:.0f} MB"
        print(f"[{repeat}] {work.name}: {tool.label}: {said}", file=sys.stderr, flush=True)

    def _execute(self, tool: Tool, work: Work, repeat: int) -> Run | None:
        job = self.job(work)
        command = tool.command(job)
        if command is None:
            return None
        log = self._scratch / "log.txt"
        self._server.reset(work.delay_s)
        cost = run_measured(
            command,
            env=self.environment,
            # The harness's task is named by its place in the checkout; nothing is written there.
            cwd=ROOT if command[0] == sys.executable else job.folder,
            patience_s=self._patience_s,
            started=self._server.watch,
            log=log,
        )
        stats = self._server.stats()
        if stats["requests"] != work.samples * tool.calls and not cost.killed:
            raise CommandFailed(
                f"{tool.label} asked {stats['requests']} times for the {work.samples} samples of "
                f"{work.name}:\n{last_lines(log)}"
            )
        first, last = stats["first_at"], stats["last_at"]
        return Run(
            tool=tool.name,
            work=work.name,
            repeat=repeat,
            samples=work.samples,
            wall_s=cost.wall_s,
            cpu_s=cost.cpu_s,
            peak_mb=cost.peak_mb,
            killed=cost.killed,
            requests=stats["requests"],
            most_in_flight=stats["most_in_flight"],
            first_cpu_s=stats["first_cpu_s"],
            span_s=None if first is None or last is None else last - first,
            server_cpu_s=stats["server_cpu_s"],
        )
