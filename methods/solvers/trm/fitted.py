"""From data to a fit's state, and from that to rankings of candidates."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import torch

from harness.errors import UsageError
from harness.protocols.solve.augmentation import Augmentation
from harness.protocols.solve.grids import Grid, array, grid_of
from harness.protocols.solve.method import Candidate, FitData, FitDesk
from harness.protocols.solve.puzzle import Pair, Problem, Puzzle
from harness.protocols.solve.voting import Prediction, rank
from harness_methods.solvers.trm.canvas import Canvas, canvas_for
from harness_methods.solvers.trm.examples import BLANK, Drawn, Entry, Examples, entries
from harness_methods.solvers.trm.network import Network, Shape
from harness_methods.solvers.trm.options import Compilation, TRMOptions
from harness_methods.solvers.trm.prediction import place_of, predict
from harness_methods.solvers.trm.training import Course, Trainer


def train(options: TRMOptions, data: FitData, desk: FitDesk) -> dict[str, Any]:
    """Fit TRM and return its state.

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
        raise UsageError("trm has nothing to learn from: no puzzle has a demonstration.")
    canvas = canvas_for(_grids(data.puzzles, labelled))
    every = (one for one in known.values())
    course = Course(
        device=place_of(options.device),
        check_every=max(1, settings.updates // options.checks),
        save_every=options.save_every,
        compiled=options.compilation is Compilation.ON,
        batch=options.predict_batch,
    )
    trainer = Trainer(
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


class Fitted:
    """A network that is ready to predict.

    Args:
        state: what `train` returned.
        options: device, steps and precision among them.
    """

    blank = BLANK

    def __init__(self, state: Mapping[str, Any], options: TRMOptions) -> None:
        settings = options.settings()
        device = place_of(options.device)
        self.canvas = Canvas(*state["canvas"])
        self._entries = {key: Entry.read(plain) for key, plain in state["puzzles"].items()}
        self._table: torch.Tensor = state["table"].to(device)
        self._network = Network(Shape.of(settings, self.canvas), torch.Generator())
        self._network.load_state_dict(state["weights"])
        self._network.to(device).requires_grad_(False).eval()
        if options.compilation is Compilation.ON:
            self._network.stack.compile()
        self._precision = settings.precision
        self._steps = options.steps or settings.halt_max_steps
        self._batch = options.predict_batch

    @property
    def entries(self) -> list[Entry]:
        """Of all fitted puzzles."""
        return list(self._entries.values())

    def entry(self, puzzle: Puzzle) -> Entry | None:
        """Of a puzzle; None if it was not fitted."""
        return self._entries.get(puzzle.content_hash)

    def rankings(
        self, question: Grid, voters: Sequence[Augmentation], rows: Sequence[int]
    ) -> list[tuple[list[Candidate], int]]:
        """Predict a test input in some variants.

        Args:
            question: the input.
            voters: the variants.
            rows: the puzzle embedding of each.

        Returns:
            For each recursion step the candidates, best first, and how many predictions were no
            grid.
        """
        cells = array(question)
        tokens = np.stack([self.canvas.draw(one.apply(cells)) for one in voters])
        puzzles = self._table[list(rows)]
        steps = predict(self._network, tokens, puzzles, self._steps, self._precision, self._batch)
        found = list[tuple[list[Candidate], int]]()
        for step in steps:
            read = list[Prediction]()
            for number, voter in enumerate(voters):
                predicted = self.canvas.read(step.tokens[number])
                if predicted is not None:
                    grid = grid_of(voter.invert(predicted))
                    read.append((number, grid, float(step.confidence[number])))
            found.append((rank(read), len(voters) - len(read)))
        return found


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


def _state(trainer: Trainer, canvas: Canvas, known: Mapping[str, Entry]) -> dict[str, Any]:
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
