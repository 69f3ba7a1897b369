"""Gradient surgery against the plain step at matched forgetting, on a transformer of 0.7 M weights.

    python -m benchmarks.unlearning_tiny --results DIR

{ga, graddiff, npo, simnpo} x {plain, +gu rank 1, +gu rank 8, +pcgrad, +permuted, +equal-norm},
three seeds, 20 steps, evaluated every 5 steps on 50 questions of each set. The data are TOFU's
where HARNESS_DATA or the hub has them, else generated authors. A seed draws the authors, trains the
target and its retrained reference, and decides the minibatches, which are equal for all methods.
The board is written beside the results; a killed run goes on with the same command.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable

from harness.errors import MissingData
from harness_tasks.unlearning.tofu.data import published

EDITORS = ("ga", "graddiff", "npo", "simnpo")

SURGERIES = ("", "gu:rank=1", "gu:rank=8", "pcgrad", "permuted:rank=8", "equal-norm:rank=8")
"""The last two are controls: a subspace of label-permuted data, and the plain step made as long
as the surgical one."""

OPTIMISER = "lr=4e-4,beta1=0,weight_decay=0,schedule=constant,warmup=0"
"""Without momentum and decay, so that what is executed is what was projected, up to Adam's scale.
The rate lets the plain steps reach the lowest level within 20 steps; gamma is 1 for all, which for
simnpo is eight times its default."""

HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")

STEPS, EVERY, BATCH, ITEMS = 20, 5, 20, 50


def methods() -> list[str]:
    """All combinations."""
    return [
        f"{editor}:gamma=1,{OPTIMISER}" + (f"+{surgery}" if surgery else "")
        for editor in EDITORS
        for surgery in SURGERIES
    ]


def command(
    args: argparse.Namespace, chosen: Iterable[str], results: str, shard: str = ""
) -> list[str]:
    """A run of the harness."""
    words = [*HARNESS, "run", "--task", "tofu", "--model", "tiny-tofu"]
    options = {
        "subset": "drawn",
        "data": args.data,
        "steps": args.steps,
        "checkpoint_every": EVERY,
        "batch_size": BATCH,
        "max_new_tokens": 64,
    }
    for name, value in options.items():
        words += ["-T", f"{name}={value}"]
    for method in chosen:
        words += ["--method", method]
    words += ["--seeds", args.seeds, "--limit", str(ITEMS), "--results", results]
    return [*words, "--shard", shard] if shard else words


def main() -> int:
    """Make the references, then everything else in two processes, then the board."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", default="results/unlearning-tiny")
    parser.add_argument("--seeds", default="0-2")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--data", choices=("published", "generated"), default=_data())
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    # One thread each: threads that share a core wait for each other most of the time.
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}

    def both(commands: Iterable[list[str]]) -> int:
        started = [subprocess.Popen(one, env=surroundings) for one in commands]
        return max(one.wait() for one in started)

    # References, which all else is compared with; beside them the targets, for the cache.
    targets = f"{args.results}-targets"
    both([command(args, ["retrain"], args.results), command(args, ["identity"], targets)])
    shards = [f"{part + 1}/{args.processes}" for part in range(args.processes)]
    chosen = ["retrain", "identity", *methods()]
    code = both([command(args, chosen, args.results, shard) for shard in shards])
    board = [*HARNESS, "leaderboard", "tofu", "--details"]
    subprocess.run([*board, "--results", args.results], check=True)
    return code


def _data() -> str:
    try:
        published(None)
    except MissingData:
        return "generated"
    return "published"


if __name__ == "__main__":
    sys.exit(main())
