"""`recurrent`: a transformer whose middle is iterated as often as one likes.

Geiping et al., "Scaling up Test-Time Compute with Latent Reasoning: A Recurrent Depth Approach",
arXiv 2502.05171. Reference code: seal-rg/recurrent-pretraining. Prelude blocks embed the input
once; core blocks renew a state, which starts from noise, and see the embedded input in each
iteration; coda blocks read it out. In training the number of iterations is drawn for each update.

The paper's is a causal language model. Here it reads and writes the sequences of `trm`: attention
goes both ways, a puzzle embedding stands before the tokens, and examples, optimisers, averaging and
voting are TRM's, so that the two can be compared. The first weights are TRM's kind too: the paper's
scaling by depth is left out, as are its clipping of gradients and the biases of queries and keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from harness.options import Options
from harness.registry import About
from harness_methods.solvers.recurrent.options import RecurrentFit, RecurrentOptions
from harness_methods.solvers.sequences.solver import SequenceSolver

if TYPE_CHECKING:
    from harness_methods.solvers.recurrent.training import Trainer


class Recurrent(SequenceSolver):
    """Iterate a state in a transformer's middle, then read it out."""

    about: ClassVar[About] = About(
        "Depth-recurrent transformer: its middle is iterated as often as asked; variants vote.",
        "recurrent depth, arXiv 2502.05171",
    )
    Options: ClassVar[type[Options]] = RecurrentOptions
    Fit: ClassVar[type[Options]] = RecurrentFit
    name: ClassVar[str] = "recurrent"
    quick: ClassVar[Mapping[str, Any]] = {
        "updates": 12,
        "batch_size": 8,
        "variants": 3,
        "save_every": 3,
        "mean_recurrence": 2,
        "backprop_depth": 2,
        "hidden": 16,
        "heads": 2,
        "inner": 16,
        "puzzle_positions": 1,
        "puzzle_width": 16,
    }

    def trainer(self) -> type[Trainer]:
        """Iterations drawn for each update."""
        from harness_methods.solvers.recurrent.training import Trainer

        return Trainer

    def shown_steps(self) -> Sequence[int]:
        """Powers of 2, and the last: reading out takes the coda each time."""
        powers = [2**power for power in range(self.steps.bit_length())]
        return sorted({*powers, self.steps})
