"""Deep supervision: what an update of TRM's fit is.

Each update is one supervision step of every example of the batch. An example stays with its states
until it halts, by its own halting score or after the last step, and another one takes its place.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness_methods.solvers.sequences import training
from harness_methods.solvers.sequences.canvas import PAD, Canvas
from harness_methods.solvers.sequences.examples import Drawn, Examples
from harness_methods.solvers.sequences.prediction import numbers
from harness_methods.solvers.trm.losses import step_losses
from harness_methods.solvers.trm.network import Carry, Network, Outcome, Shape
from harness_methods.solvers.trm.options import Settings


class Trainer(training.Trainer[Settings, Network]):
    """A fit of TRM under way."""

    def __init__(
        self,
        settings: Settings,
        canvas: Canvas,
        rows: int,
        examples: Examples,
        held_out: Drawn | None,
        seed: int,
        course: training.Course,
    ) -> None:
        super().__init__(settings, canvas, rows, examples, held_out, seed, course)
        batch, device = settings.batch_size, course.device
        self._tokens, self._labels = (
            torch.full((batch, canvas.tokens), PAD, dtype=torch.long, device=device)
            for _ in range(2)
        )
        self._rows = torch.zeros(batch, dtype=torch.long, device=device)
        self._steps = torch.zeros(batch, dtype=torch.long, device=device)
        self._halted = torch.ones(batch, dtype=torch.bool, device=device)
        # Copies, since a saved state is written into them.
        self._carry = Carry(*(one.contiguous() for one in self.network.begin(batch)))

    @staticmethod
    def build(settings: Settings, canvas: Canvas, generator: torch.Generator) -> Network:
        """A network with its first weights."""
        return Network(Shape.of(settings, canvas), generator)

    def update(self) -> Outcome:
        """One supervision step of the batch and one step of the optimisers."""
        given = self.settings
        draw = np.random.default_rng((self.seed, self.done))
        self._refill(draw)
        puzzles = self.table[self._rows].requires_grad_()
        with numbers(self.course.device, given.precision):
            found: Outcome = self.network(self._carry, self._tokens, puzzles)
        losses = step_losses(found.scores, found.halt, self._labels, given.loss)
        self.learn(losses.total, losses.right, self._rows, puzzles)
        self._halt(found, draw)
        return found

    def carried(self) -> dict[str, Tensor]:
        """Examples of the batch with their states."""
        return {
            "tokens": self._tokens,
            "labels": self._labels,
            "rows": self._rows,
            "steps": self._steps,
            "halted": self._halted,
            "answer": self._carry.answer,
            "latent": self._carry.latent,
        }

    def _refill(self, draw: np.random.Generator) -> None:
        """Put new examples in the place of those that halted."""
        places = self._halted.nonzero()[:, 0]
        drawn = self.on_device(self.examples.draw(len(places), draw))
        self._tokens[places], self._labels[places], self._rows[places] = drawn
        self._steps[places] = 0
        self._carry = self._carry.renewed(self._halted, self.network.begin(len(self._rows)))

    def _halt(self, found: Outcome, draw: np.random.Generator) -> None:
        """Say who makes room: the last step is made, or the network thinks that it is right.

        Some may not halt before a random step, so that later steps are learned too.
        """
        given, count = self.settings, len(self._rows)
        self._carry = found.carry
        self._steps += 1
        last = self._steps >= given.halt_max_steps
        if given.halt_max_steps == 1:
            self._halted = last
            return
        explores = draw.random(count) < given.exploration
        least = explores * draw.integers(2, given.halt_max_steps + 1, size=count)
        late = self._steps >= torch.from_numpy(least).to(self.course.device)
        self._halted = (last | (found.halt.detach() > 0)) & late
