"""The tools that are compared, as command lines for one piece of work.

All get the same file of prompts, ask the same server with the same number of requests in flight,
and keep a log of each sample. What a tool cannot express has no command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.echo import MODEL

HERE = Path(__file__).resolve().parent
TASK = "file:benchmarks/prompts_task.py#Prompts"
CLI = "from harness.cli import main; main()"
MAX_TOKENS = 16


@dataclass(frozen=True)
class Work:
    """What a tool is asked to do."""

    name: str
    samples: int
    delay_s: float = 0.0
    """How long the server takes for an answer."""
    in_flight: int = 64
    streams: int | None = None
    """The samples as this many sequences, each asked one after another; None: independent."""


@dataclass(frozen=True)
class Job:
    """One execution of a piece of work."""

    work: Work
    url: str
    """Address of the server, up to ``/v1``."""
    prompts: Path
    folder: Path
    """Empty folder for results."""


@dataclass(frozen=True)
class Tool:
    """A client under test."""

    name: str
    label: str
    command: Callable[[Job], list[str] | None]
    """The command line, or None where the tool cannot express the work."""
    calls: int = 1
    """Requests for each sample."""


def floor(job: Job) -> list[str]:
    """The 40 lines of `benchmarks.floor`; as many workers as streams are the same to it."""
    flight = job.work.streams or job.work.in_flight
    words = (job.url, job.prompts, job.work.samples, flight, job.folder)
    return [sys.executable, str(HERE / "floor.py"), *map(str, words)]


def harness(method: str = "") -> Callable[[Job], list[str]]:
    """The harness with a method; the default is the baseline, or a memory if there are streams."""

    def command(job: Job) -> list[str]:
        chosen = method or ("exprecent" if job.work.streams else "baseline")
        return [sys.executable, "-c", CLI, *harness_arguments(job, chosen)]

    return command


def harness_arguments(job: Job, method: str) -> list[str]:
    """Arguments of the ``harness`` command; streams keep every finished sample in mind."""
    return [
        *("run", "--task", TASK, "-T", f"file={job.prompts}", "-T", "store=all"),
        *("-T", f"streams={job.work.streams or 20}", "--method", method),
        *("--model", f"openai:{MODEL}", "--base-url", job.url, "--embedder", "bm25"),
        *("--max-in-flight", str(job.work.in_flight), "--results", str(job.folder / "results")),
    ]


def lm_eval(python: Path | str) -> Callable[[Job], list[str] | None]:
    """lm-eval: a YAML task over the file, chat endpoint, no tokenizer."""

    def command(job: Job) -> list[str] | None:
        if job.work.streams:
            return None
        template = (HERE / "lm_eval_task.yaml").read_text(encoding="utf-8")
        tasks = job.folder / "tasks"
        tasks.mkdir()
        text = template.replace("PROMPTS", str(job.prompts)).replace("TOKENS", str(MAX_TOKENS))
        (tasks / "prompts.yaml").write_text(text, encoding="utf-8")
        arguments = {
            "model": MODEL,
            "base_url": f"{job.url}/chat/completions",
            "num_concurrent": job.work.in_flight,
            "tokenizer_backend": "none",
        }
        return [
            *(str(python), "-m", "lm_eval", "run", "--model", "local-chat-completions"),
            *("--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())),
            *("--tasks", "prompts", "--include_path", str(tasks), "--apply_chat_template"),
            *("--log_samples", "--output_path", str(job.folder / "results")),
        ]

    return command


def inspect_ai(python: Path | str) -> Callable[[Job], list[str]]:
    """inspect_ai: a task over the file; a stream is a sample that asks several times."""

    def command(job: Job) -> list[str]:
        streams, flight = job.work.streams, str(job.work.in_flight)
        name, more = "prompts", ["--limit", str(streams or job.work.samples)]
        if streams:
            name, more = "streams", [*more, "-T", f"steps={job.work.samples // streams}"]
        return [
            *(str(python), "-m", "inspect_ai", "eval", f"{HERE / 'inspect_task.py'}@{name}"),
            *("-T", f"file={job.prompts}", *more),
            *("--model", f"openai-api/echo/{MODEL}", "--model-base-url", job.url),
            *("--max-connections", flight, "--max-samples", flight),
            *("--max-tokens", str(MAX_TOKENS), "--temperature", "0"),
            *("--display", "none", "--log-dir", str(job.folder / "results")),
        ]

    return command


def environment(scratch: Path) -> dict[str, str]:
    """This environment without what would change a tool's defaults, offline, homes in `scratch`."""
    changing = ("PYTHON", "HARNESS_", "OPENAI_", "INSPECT_", "HF_", "LMEVAL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changing)}
    offline = ("HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "HF_HUB_OFFLINE")
    return {
        **kept,
        **dict.fromkeys((*offline, "TRANSFORMERS_OFFLINE"), "1"),
        **dict.fromkeys(("OPENAI_API_KEY", "ECHO_API_KEY"), "unused"),
        "HF_HOME": str(scratch / "huggingface"),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "XDG_DATA_HOME": str(scratch / "data"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


METHODS = {"exprecent": 1, "exprag": 1, "remem": 2}
"""Methods that do more than ask, and how often they ask for a sample."""


def own_tools() -> list[Tool]:
    """The floor and the harness."""
    return [Tool("floor", "floor", floor), Tool("harness", "harness", harness())]


def peer_tools(python: Path | str, versions: dict[str, str]) -> list[Tool]:
    """The other harnesses of an interpreter."""
    return [
        Tool("lm-eval", f"lm-eval {versions['lm_eval']}", lm_eval(python)),
        Tool("inspect", f"inspect_ai {versions['inspect_ai']}", inspect_ai(python)),
    ]


def method_tools(names: Sequence[str]) -> list[Tool]:
    """The harness with some of `METHODS`."""
    return [Tool(name, f"harness, {name}", harness(name), METHODS[name]) for name in names]
