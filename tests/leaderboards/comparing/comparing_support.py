from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from harness.results.schema import SampleRecord, Status
from harness.results.store import ResultsStore
from harness_leaderboards.comparing.command import compare

_SPEC = importlib.util.spec_from_file_location(
    "boards_conftest", Path(__file__).parents[1] / "conftest.py"
)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)

CLI = typer.Typer()
CLI.command()(compare)
_NUMBERS = itertools.count(1)


class Results(_MODULE.Results):
    """Made-up runs whose ids differ between folders, as those of real ones do."""

    def __init__(self, root):
        super().__init__(root)
        self.offset = next(_NUMBERS) * 1000
        self.count = self.offset

    def run(self, method, streams, *, metrics_of_run=(), **row):
        """Publish a run, with figures of the run as a whole and a key for each training."""
        if row.get("train_seed") is not None:
            place = f"{row.get('subset')}/{row.get('order')}"
            row.setdefault("work_key", f"v1-{method}-train-{row['train_seed']}-{place}")
        run_id = super().run(method, streams, **row)
        if metrics_of_run:
            self.store.replace({**self.store.row(run_id), "metrics": list(metrics_of_run)})
        return run_id


class Answer:
    """What the command said."""

    def __init__(self, done):
        self.code, self.out, self.err = done.exit_code, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def one(self):
        (comparison,) = self.json["comparisons"]
        return comparison


def call(*words, env=None):
    """Run the command; exceptions of the harness are raised, as its own main turns them."""
    words = [str(word.root if isinstance(word, Results) else word) for word in words]
    return Answer(CliRunner().invoke(CLI, words, env=env, catch_exceptions=False))


def streams(groups=10, items=20, *, wrong=0.3, seed=0, lost=0.0):
    """0/1 scores of some streams; ``lost`` is the share of right answers that became wrong."""
    import random

    base, more = random.Random(seed), random.Random(seed + 1)
    return {
        f"s{group}": [
            int(base.random() >= wrong and (not lost or more.random() >= lost))
            for _ in range(items)
        ]
        for group in range(groups)
    }


__all__ = ["CLI", "Answer", "ResultsStore", "SampleRecord", "Status", "call", "streams"]
