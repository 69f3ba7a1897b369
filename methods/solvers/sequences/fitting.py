"""From data to a fit's state: which pairs are trained on, and which choose the weights."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.protocols.solve.grids import Grid, array
from harness.protocols.solve.method import FitData, FitDesk
from harness.protocols.solve.puzzle import Pair, Problem, Puzzle
from harness_methods.solvers.sequences.canvas import Canvas, canvas_for
from harness_methods.solvers.sequences.examples import BLANK, Drawn, Entry, Examples, entries
from harness_methods.solvers.sequences.options import Compilation, SequenceOptions
from harness_methods.solvers.sequences.prediction import place_of
from harness_methods.solvers.sequences.training import Course, Trainer


def train(
    kind: type[Trainer[Any, Any]], options: SequenceOptions, data: FitData, desk: FitDesk
) -> dict[str, Any]:
    """Fit a network and return its state.

    Args:
        kind: what makes the updates.
        options: of the fit.
        data: to learn from.
        desk: seed, and the state to go on from.

    Raises:
        UsageError: there is nothing to learn from.
    """
    settings = options.settings()
    labelled = _unasked(data)
    known = entries(
        [*data.puzzles, *(one.puzzle for one in labelled)], settings.variants, desk.seed
    )
    held_out = _held_out(labelled, options.validation, desk.seed)
    pairs = [(one, pair) for one in data.puzzles for pair in one.train]
    for problem in labelled:
        shown = () if problem in held_out else problem.pairs
        pairs += [(problem.puzzle, pair) for pair in (*problem.puzzle.train, *shown)]
    if not pairs:
        raise UsageError("there is nothing to learn from: no puzzle has a demonstration.")
    canvas = canvas_for(_grids(data.puzzles, labelled))
    every = (one for one in known.values())
    course = Course(
        device=place_of(options.device),
        check_every=max(1, settings.updates // options.checks),
        save_every=options.save_every,
        compiled=options.compilation is Compilation.ON,
        batch=options.predict_batch,
    )
    trainer = kind(
        settings,
        canvas,
        BLANK + 1 + sum(len(one.variants) for one in every),
        Examples(
            [(puzzle, known[puzzle.content_hash], pair) for puzzle, pair in pairs],
            canvas,
            settings.translation,
        ),
        _drawn(held_out, known, canvas),
        desk.seed,
        course,
    )
    if (saved := desk.load()) is not None:
        trainer.restore(saved)
    trainer.run(desk)
    return _state(trainer, canvas, known)


def _unasked(data: FitData) -> list[Problem]:
    """Labelled puzzles that are not asked; of one that is, the outputs would give it away."""
    asked = {one.content_hash for one in data.puzzles}
    return [one for one in data.labelled if one.puzzle.content_hash not in asked]


def _held_out(labelled: Sequence[Problem], share: float, seed: int) -> list[Problem]:
    """Those whose test pairs choose the weights."""
    if not labelled or not share:
        return []
    count = max(1, round(share * len(labelled)))
    return random.Random(f"validation/{seed}").sample(labelled, count)


def _grids(puzzles: Iterable[Puzzle], labelled: Iterable[Problem]) -> Iterable[tuple[Grid, Any]]:
    for puzzle in (*puzzles, *(one.puzzle for one in labelled)):
        for pair in puzzle.train:
            yield pair.input, puzzle.domain
            yield pair.output, puzzle.domain
        for grid in puzzle.tests:
            yield grid, puzzle.domain
    for problem in labelled:
        for grid in problem.answers:
            yield grid, problem.puzzle.domain


def _drawn(problems: Sequence[Problem], known: Mapping[str, Entry], canvas: Canvas) -> Drawn | None:
    """Test pairs as they are, at the corner of the canvas."""
    pairs: list[tuple[int, Pair]] = [
        (known[one.puzzle.content_hash].first, pair) for one in problems for pair in one.pairs
    ]
    if not pairs:
        return None
    return Drawn(
        np.stack([canvas.draw(array(pair.input)) for _, pair in pairs]),
        np.stack([canvas.draw(array(pair.output)) for _, pair in pairs]),
        np.array([row for row, _ in pairs]),
    )


def _state(
    trainer: Trainer[Any, Any], canvas: Canvas, known: Mapping[str, Entry]
) -> dict[str, Any]:
    weights, table, chosen = trainer.result()
    metrics = {
        "fit_steps": trainer.done,
        "fit_seconds": trainer.seconds,
        "parameters": trainer.parameters,
        "embedding_parameters": table.numel(),
        "fit_loss": trainer.loss.item(),
        "chosen_step": chosen,
    }
    if trainer.best:
        metrics["validation_exact"] = trainer.best["exact"]
    return {
        "canvas": list(astuple(canvas)),
        "weights": {name: one.cpu() for name, one in weights.items()},
        "table": table.cpu(),
        "puzzles": {key: one.plain() for key, one in known.items()},
        "metrics": metrics,
    }
