"""`eta`: Tent on the predictions that are sure enough and unlike those before.

Niu et al., "Efficient Test-Time Model Adaptation without Forgetting", arXiv 2204.02610, equations 3
to 6, without the Fisher term, which `eata` adds. Reference code: mr-eggplant/EATA.

Of a batch those are kept with H < E0 and, as soon as there is a moving average m of kept
probabilities, |cos(p, m)| < d. Each counts exp(E0 - H), without gradient, and the loss is the mean
of the kept. m moves by 0.1 towards the mean of the kept probabilities. A batch of which nothing is
kept makes no step.

Defaults: E0 = 0.4 ln C and d = 0.05, which the paper uses for ImageNet and `main.py` sets; the
default of the reference class is E0 = ln(1000) / 2 - 1 = 2.454, a margin of 0.355. d is for 1000
classes; for fewer it keeps next to nothing (0.4 is common with 10). Not copied: `reset` of the
reference class leaves the average as it is, so that a new stream begins with that of the one
before; ``keep_average=true`` does that.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import GradientMethod, GradientOptions, State, entropy, finite
from harness.registry import About

if TYPE_CHECKING:
    import torch

MOMENTUM = 0.9
"""Of the average of probabilities."""


class ETAOptions(GradientOptions):
    """Options of `eta`."""

    margin: float = Field(default=0.4, gt=0)
    """E0 / ln C: entropies below are kept, for C classes."""
    diversity: float = Field(default=0.05, gt=0)
    """d: kept are probabilities whose cosine with the average is smaller; above 1: all."""
    keep_average: bool = False
    """Keep the average over resets, as the reference code does."""


class ETA(GradientMethod):
    """Make the model sure where it nearly is, and never twice of the same."""

    about: ClassVar[About] = About(
        "Tent on reliable and diverse samples, weighted.", "EATA, arXiv 2204.02610"
    )
    Options: ClassVar[type[Options]] = ETAOptions
    options: Any
    """An `ETAOptions`."""
    average: torch.Tensor | None

    def prepare(self) -> None:
        """A fresh optimiser and no average."""
        super().prepare()
        self.average = None

    def reset(self) -> None:
        """Return to the source model; the average goes, unless an option keeps it."""
        average = self.average
        super().reset()
        if self.options.keep_average:
            self.average = average

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """One step on what is kept of a batch."""
        logits = self.model.logits(images)
        finite(logits)
        entropies = entropy(logits)
        kept = self.select(logits.detach().softmax(1), entropies.detach())
        if bool(kept.any()):
            loss = weighted(entropies[kept], self.margin) + self.penalty()
            self.descend(loss, len(images))
        return logits.detach().log_softmax(1)

    @property
    def margin(self) -> float:
        """E0, in nats."""
        return self.options.margin * log(len(self.model.classes))

    def select(self, probabilities: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
        """Which samples are kept, (batch,); moves the average."""
        kept = entropies < self.margin
        self.count("reliable", int(kept.sum()))
        if self.average is not None:
            kept = kept & diverse(probabilities, self.average, self.options.diversity)
        self.count("selected", int(kept.sum()))
        if bool(kept.any()):
            mean = probabilities[kept].mean(0)
            before = self.average
            self.average = mean if before is None else MOMENTUM * before + (1 - MOMENTUM) * mean
        return kept

    def penalty(self) -> torch.Tensor | float:
        """What is added to the loss."""
        return 0.0

    def memory(self) -> State:
        """The optimiser's averages and that of probabilities."""
        return {**super().memory(), "average": self.average}

    def recall(self, memory: State) -> None:
        """Take them back."""
        super().recall(memory)
        average: Any = memory["average"]
        self.average = average


def weighted(entropies: torch.Tensor, margin: float) -> torch.Tensor:
    """Mean of exp(margin - H) H, the weights without gradient, of entropies (kept,)."""
    return (entropies * (margin - entropies.detach()).exp()).mean()


def diverse(probabilities: torch.Tensor, average: torch.Tensor, bound: float) -> torch.Tensor:
    """Whether |cos| of each of (batch, classes) with an average (classes,) is below a bound."""
    import torch

    cosine = torch.nn.functional.cosine_similarity(average[None], probabilities, dim=1)
    return cosine.abs() < bound
