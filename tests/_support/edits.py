"""Shared by the tests of the edit protocol: the command in this process, and in one that is killed.

A command in a process of its own spends ten seconds on imports, so most tests call it here; those
that kill fork a child of a server process which has imported everything once.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WORLD = (
    *("-T", "subset=drawn", "-T", "data=generated", "-T", "drawn_forget=2", "-T", "drawn_retain=4"),
    *("-T", "drawn_held=2", "-T", "questions=4", "-T", "batch_size=4", "-T", "max_new_tokens=4"),
)
BUDGET = ("-T", "steps=4", "-T", "checkpoint_every=2")
SHAPE = ("layers=1", "hidden=32", "vocabulary=300", "epochs=3", "lr=5e-3")
MODEL = ("--model", "tiny-tofu", *(word for one in SHAPE for word in ("--model-arg", one)))
TINY = (*WORLD, *BUDGET, *MODEL, "--limit", "4")
"""A run of seconds: 2 authors to forget, 4 to retain, 2 held, a model of one layer."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: str) -> Done:
    """Run the `harness` command in this process."""
    from harness.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(one) for one in arguments])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def run(results: Path | str, *arguments: str, world: tuple[str, ...] = TINY) -> Done:
    """Run `harness run --task tofu` here."""
    return command("run", "--task", "tofu", *world, "--results", str(results), *arguments)


def refused(done: Done, *words: str, code: int = 2) -> None:
    """Assert that a command said one clear sentence and computed nothing."""
    assert done.code == code, (done.code, done.out, done.err)
    assert "Traceback" not in done.err + done.out
    lines = [line for line in done.err.splitlines() if line.strip()]
    assert len(lines) == 1, done.err
    for word in words:
        assert word in lines[0], (word, lines[0])


def comparable(results: Path) -> dict[str, Any]:
    """Everything of a results folder that must not depend on how it came about, by method."""
    from harness.results.store import ResultsStore

    store, found = ResultsStore(results), dict[str, Any]()
    timed = ("step_seconds", "peak_memory_bytes")
    for run_ in store.runs():
        samples = store.samples(run_.task, [run_.run_id])
        samples = samples.drop(columns=["run_id", "latency_s", "attempt"])
        texts = store.traces(run_.task, [run_.run_id])[["sample_id", "checkpoint", "output"]]
        looks = [
            {
                "checkpoint": row["checkpoint"],
                "request": row["request"],
                "step": row["step"],
                "metrics": {k: v for k, v in row["metrics"].items() if k not in timed},
                "missing": row["missing"],
            }
            for row in store.checkpoints(run_.run_id).to_dict("records")
        ]
        row = store.row(run_.run_id)
        found[run_.method + f" seed {row['train_seed']}"] = {
            "status": str(run_.status),
            "samples": json.dumps(samples.to_dict("records"), sort_keys=True),
            "texts": texts.to_dict("records"),
            "looks": looks,
            "metrics": {k: v for k, v in row["metrics"] if k not in timed},
            "counts": [row[name] for name in ("n_planned", "n_done", "n_failed", "n_error")],
        }
    assert not store.problems
    return found


def tries(results: Path) -> dict[str, dict[tuple[str, str], int]]:
    """How often each evaluation was made, by method."""
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    return {
        one.method: {
            (row["sample_id"], row["checkpoint"]): row["attempt"]
            for row in store.samples(one.task, [one.run_id]).to_dict("records")
        }
        for one in store.runs()
    }


# What follows runs in a child process, which ends itself at a chosen moment.


@dataclass(frozen=True)
class Moment:
    """When a signal comes: at the n-th call of a method of a class of the harness."""

    module: str
    owner: str
    method: str
    calls: int
    after: bool = False
    """After the call rather than before it."""
    signal: int = signal.SIGKILL


PRELOADED = (
    *("pandas", "torch", "transformers.models.llama.modeling_llama", "tokenizers", "rouge_score"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    *("harness.cli", "harness.commands", "harness.executors", "harness_tasks.unlearning.tofu.task"),
)


def start_server() -> Any:
    """The server process that children are forked from, everything imported."""
    context = multiprocessing.get_context("forkserver")
    # Names that need no path of the tests, which the server is not told before it imports.
    context.set_forkserver_preload(list(PRELOADED))
    return context


def perform(
    moment: Moment | None, arguments: tuple[str, ...], note: str, environment: dict[str, str]
) -> None:
    """Run a command that gets a signal at a moment, and write what it says to `note`."""
    import importlib

    import torch

    from harness.cli import main

    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.open(note, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if moment is not None:
        owner = getattr(importlib.import_module(moment.module), moment.owner)
        _arm(owner, moment)
    main(list(arguments))


def ended(
    context: Any,
    moment: Moment | None,
    arguments: tuple[str, ...],
    note: Path,
    child: Callable[..., None] = perform,
) -> int:
    """Run a command in a child that gets a signal at a moment; returns its exit status."""
    process = context.Process(target=child, args=(moment, arguments, str(note), dict(os.environ)))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def _arm(owner: Any, moment: Moment) -> None:
    original, calls = getattr(owner, moment.method), [0]

    def method(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if not moment.after and calls[0] == moment.calls:
            os.kill(os.getpid(), moment.signal)
        found = original(*given, **named)
        if moment.after and calls[0] == moment.calls:
            os.kill(os.getpid(), moment.signal)
        return found

    setattr(owner, moment.method, method)


# Fixtures, for the conftest files of folders that test edits.


@pytest.fixture(scope="session", autouse=True)
def edit_cache(tmp_path_factory):
    """Targets are trained once."""
    yield from one_cache(tmp_path_factory.getbasetemp() / "edit-cache")


def one_cache(folder: Path) -> Iterator[Path]:
    """One cache for all, and one thread: more wait for one another."""
    import torch

    threads, patch = torch.get_num_threads(), pytest.MonkeyPatch()
    torch.set_num_threads(1)
    for name in list(os.environ):
        if name.startswith("HARNESS_") and name != "HARNESS_DATA":
            patch.delenv(name)
    patch.setenv("HARNESS_CACHE", str(folder))
    yield folder
    patch.undo()
    torch.set_num_threads(threads)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of TOFU's schema with 200 generated authors; see `write_mirror`."""
    folder = tmp_path / "data"
    write_mirror(folder)
    monkeypatch.setenv("HARNESS_DATA", str(folder))
    return folder


def write_mirror(folder: Path) -> None:
    """Write what TOFU's mirror holds, of generated authors: 200 and the holdout's two."""
    from harness_tasks.unlearning.tofu.generated import generated

    authors = generated(202, 20, 0)
    members = list(authors.by_author.values())
    known, holdout = members[:200], members[200:]

    def plain(one: Any) -> dict[str, Any]:
        return {"question": one.example.question, "answer": one.example.answer}

    def perturbed(one: Any) -> dict[str, Any]:
        more = {"paraphrased_answer": one.paraphrase, "perturbed_answer": list(one.wrong)}
        return plain(one) | more

    def choices(one: Any) -> dict[str, Any]:
        return plain(one) | {"perturbed_answer": list(one.wrong)}

    tables = {
        "full": [plain(one) for author in known for one in author],
        "retain_perturbed": [perturbed(one) for author in known[:5] for one in author],
        "forget10_perturbed": [perturbed(one) for author in known[-20:] for one in author],
        "real_authors_perturbed": [choices(one) for one in authors.real_authors],
        "world_facts_perturbed": [choices(one) for one in authors.world_facts],
        "holdout01": [plain(one) for author in holdout for one in author],
    }
    (folder / "tofu").mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "tofu" / f"{name}.json").write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def folder_model(tmp_path_factory):
    """A folder with a tiny random Llama and its tokenizer, as `transformers` saves them."""
    return save_folder_model(tmp_path_factory.mktemp("models") / "tiny-llama")


def save_folder_model(folder: Path, seed: int = 0) -> Path:
    """Save an untrained `tiny-tofu` of one layer that knows the generated authors' words."""
    from harness.models.base import ModelRequest
    from harness_tasks.unlearning.tiny import TinyTofu
    from harness_tasks.unlearning.tofu.task import Tofu, TofuSettings

    shape = tuple(tuple(one.split("=")) for one in SHAPE)
    model = TinyTofu(ModelRequest("tiny-tofu", args=shape))
    settings = {"subset": "drawn", "data": "generated", "drawn_retain": 4, "drawn_held": 2}
    corpus = Tofu(TofuSettings.model_validate(settings)).corpus(0)
    model.base(corpus, seed).save(folder)
    return folder
