"""From a fit's state to rankings of candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from harness.protocols.solve.augmentation import Augmentation
from harness.protocols.solve.grids import Grid, array, grid_of
from harness.protocols.solve.method import Candidate
from harness.protocols.solve.puzzle import Puzzle
from harness.protocols.solve.voting import Prediction, rank
from harness_methods.solvers.sequences.canvas import Canvas
from harness_methods.solvers.sequences.examples import BLANK, Entry
from harness_methods.solvers.sequences.network import SequenceNetwork
from harness_methods.solvers.sequences.options import Compilation, SequenceOptions
from harness_methods.solvers.sequences.prediction import place_of, predict


class Fitted:
    """A network that is ready to predict.

    Args:
        build: makes the network.
        state: what `train` returned.
        options: device, steps and precision among them.
    """

    blank = BLANK

    def __init__(
        self,
        build: Callable[[Any, Canvas, torch.Generator], SequenceNetwork],
        state: Mapping[str, Any],
        options: SequenceOptions,
    ) -> None:
        settings = options.settings()
        device = place_of(options.device)
        self.canvas = Canvas(*state["canvas"])
        self._entries = {key: Entry.read(plain) for key, plain in state["puzzles"].items()}
        self._table: torch.Tensor = state["table"].to(device)
        self._network = build(settings, self.canvas, torch.Generator())
        self._network.load_state_dict(state["weights"])
        self._network.to(device).requires_grad_(False).eval()
        if options.compilation is Compilation.ON:
            self._network.repeated.compile()
        self._precision = settings.precision
        self._batch = options.predict_batch

    @property
    def entries(self) -> list[Entry]:
        """Of all fitted puzzles."""
        return list(self._entries.values())

    def entry(self, puzzle: Puzzle) -> Entry | None:
        """Of a puzzle; None if it was not fitted."""
        return self._entries.get(puzzle.content_hash)

    def rankings(
        self,
        question: Grid,
        voters: Sequence[Augmentation],
        rows: Sequence[int],
        steps: Sequence[int],
        draw: np.random.Generator,
    ) -> list[tuple[list[Candidate], int]]:
        """Predict a test input in some variants.

        Args:
            question: the input.
            voters: the variants.
            rows: the puzzle embedding of each.
            steps: recursion steps, rising.
            draw: whatever the network's first states take by chance.

        Returns:
            For each of the steps the candidates, best first, and how many predictions were no
            grid.
        """
        shown = array(question)
        tokens = np.stack([self.canvas.draw(one.apply(shown)) for one in voters])
        puzzles = self._table[list(rows)]
        predicted = predict(
            self._network, tokens, puzzles, steps, draw, self._precision, self._batch
        )
        found = list[tuple[list[Candidate], int]]()
        for step in predicted:
            read = list[Prediction]()
            for number, voter in enumerate(voters):
                cells = self.canvas.read(step.tokens[number])
                if cells is not None:
                    grid = grid_of(voter.invert(cells))
                    read.append((number, grid, float(step.confidence[number])))
            found.append((rank(read), len(voters) - len(read)))
        return found
