"""What a training step and a prediction of TRM cost, beside a plain translation of the algorithm.

    OMP_NUM_THREADS=1 python -m benchmarks.trm [--config miniature] [--rounds 15] [--compiled]

Both train on the same made-up puzzles from the same first weights with the same draws, on one
thread. First the losses of the first updates and the votes after them are compared; if they do not
agree, nothing is timed and the exit code is 1. Then steps of the two alternate; what is printed are
medians of processor time over rounds, and the median of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time

import numpy as np
import torch

from benchmarks.trm.plain import PlainTrainer, vote
from harness.protocols.solve import Pair, Puzzle, array
from harness_methods.solvers.sequences.canvas import canvas_for
from harness_methods.solvers.sequences.examples import Examples, entries
from harness_methods.solvers.sequences.fitted import Fitted
from harness_methods.solvers.sequences.options import Compilation
from harness_methods.solvers.sequences.training import Course
from harness_methods.solvers.trm.options import Config, TRMOptions
from harness_methods.solvers.trm.training import Trainer

_TOLERANCE = 1e-4
"""Most that losses may differ, as a share: both are sums in single precision in another order."""
_AGREE = 8
"""Updates over which they are compared; later a sign or a halt that rounding decides parts them."""


def main() -> int:
    """Compare, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", choices=[one.value for one in Config], default="miniature")
    parser.add_argument("--rounds", type=int, default=15, help="of everything (%(default)s)")
    parser.add_argument("--compiled", action="store_true", help="the harness's with torch.compile")
    args = parser.parse_args()
    torch.set_num_threads(1)
    compilation = Compilation.ON if args.compiled else Compilation.OFF
    options = TRMOptions(config=args.config, precision="float32", compilation=compilation)
    puzzles = _puzzles(25, 5)
    ours, plain, known = _trainers(options, puzzles)
    print(f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}")
    print(f"config {args.config}, torch.compile {compilation.value}, 1 thread\n")
    pairs = []
    for _ in range(_AGREE):
        ours.loss.zero_()
        # The trainer tells a running mean; from 0, one update leaves its share of the loss.
        share = 0.02 if ours.done else 1.0
        ours.update()
        pairs.append((float(ours.loss) / share, plain.update()))
    apart = max(abs(one - other) / other for one, other in pairs)
    print("loss, harness:", " ".join(f"{one:.6f}" for one, _ in pairs))
    print("loss, plain:  ", " ".join(f"{other:.6f}" for _, other in pairs))
    print(f"largest relative difference {apart:.1e} (at most {_TOLERANCE:.0e})")
    if apart > _TOLERANCE:
        print("the results differ: nothing is timed.", file=sys.stderr)
        return 1
    steps = [(_timed(ours.update), _timed(plain.update)) for _ in range(args.rounds)]
    predictions, same = _predictions(ours, plain, options, puzzles, known, args.rounds)
    print(f"votes of the same weights agree: {same}\n")
    print(f"{'':30} {'harness ms':>11} {'plain ms':>9} {'ratio':>6}")
    for name, times in (("training step", steps), ("augmented prediction", predictions)):
        one, other = (1000 * statistics.median(values) for values in zip(*times, strict=True))
        ratio = statistics.median(slow / fast for fast, slow in times)
        print(f"{name:30} {one:11.2f} {other:9.2f} {ratio:6.2f}")
    return 0 if same else 1


def _trainers(options, puzzles):
    settings = options.settings()
    known = entries(puzzles, settings.variants, 0)
    every = [(one, known[one.content_hash], pair) for one in puzzles for pair in one.train]
    canvas = canvas_for((g, p.domain) for p, _, pair in every for g in (pair.input, pair.output))
    examples = Examples(every, canvas, settings.translation)
    rows = 1 + sum(len(one.variants) for one in known.values())
    compiled = options.compilation is Compilation.ON
    course = Course(torch.device("cpu"), 10**9, 10**9, compiled)
    ours = Trainer(settings, canvas, rows, examples, None, 0, course)
    plain = PlainTrainer(settings, canvas, rows, examples, 0)
    plain.take(ours.network)
    return ours, plain, known


def _predictions(ours, plain, options, puzzles, known, rounds):
    """Seconds for each augmented prediction of both, and whether their votes agree."""
    canvas = ours.examples.canvas
    state = {
        "canvas": [canvas.rows, canvas.columns, canvas.symbols],
        "weights": ours.network.state_dict(),
        "table": ours.table,
        "puzzles": {key: one.plain() for key, one in known.items()},
    }
    fitted = Fitted(Trainer.build, state, options)
    steps, draw = range(1, ours.settings.usual_steps + 1), np.random.default_rng(0)
    plain.model.take(ours.network)
    plain.model.table.copy_(ours.table)
    plain.model.requires_grad_(False)
    times, same = [], True
    for number in range(rounds):
        puzzle = puzzles[number % len(puzzles)]
        entry, question = known[puzzle.content_hash], puzzle.tests[0]
        rows = [entry.first + place for place in range(len(entry.variants))]
        kept = []
        # Bound by default arguments: the lambdas are called in this round.
        mine = _timed(
            lambda q=question, e=entry, r=rows, k=kept: k.append(
                fitted.rankings(q, e.variants, r, steps, draw)
            )
        )
        theirs = _timed(
            lambda q=question, e=entry, r=rows, k=kept: k.append(
                vote(plain.model, canvas, array(q), e.variants, r)
            )
        )
        times.append((mine / len(rows), theirs / len(rows)))
        votes = {one.grid: len(one.ballots) for one in kept[0][-1][0]}
        same &= votes == {grid: count for grid, count, _ in kept[1]}
    return times, same


def _timed(work) -> float:
    # Processor time of the one thread: others on the machine wait with it, and do not count.
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _puzzles(count, most):
    """Made-up puzzles: grids of chance, mirrored."""
    draw, made = random.Random(0), []
    for number in range(count):
        grids = [
            tuple(
                tuple(draw.randrange(10) for _ in range(most)) for _ in range(draw.randint(2, most))
            )
            for _ in range(4)
        ]
        pairs = tuple(Pair(grid, tuple(row[::-1] for row in grid)) for grid in grids[1:])
        made.append(Puzzle(f"made-{number}", pairs, (grids[0],)))
    return made


if __name__ == "__main__":
    sys.exit(main())
