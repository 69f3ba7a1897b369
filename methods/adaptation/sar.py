"""`sar`: sharpness-aware entropy minimisation on reliable samples, with recovery from collapse.

Niu et al., "Towards Stable Test-Time Adaptation in Dynamic Wild World", arXiv 2302.12400, equations
2 to 4. Reference code: mr-eggplant/SAR. Adapted are the norm layers but for those of the last stage
(layer4 of a ResNet; blocks 9 to 11 and the last norm of a ViT-B). For each batch:

1. the gradient g of the mean entropy over the samples with H < E0;
2. theta + rho g / |g|, and a second forward pass there;
3. of the same samples those that still have H < E0 give the gradient of the step at theta;
4. their mean entropy moves an average m by 0.1; if m < e_m, back to the source model.

Defaults: E0 = 0.4 ln C, rho = 0.05, e_m = 0.2, SGD 2.5e-4 with momentum 0.9 (ResNet-50 at batches
of 64; 5e-4 / 64 at batches of one, 1e-3 / 64 times the batch for a ViT).

Not copied: the threshold e_m is hard-wired in the reference code, whatever the argument; after a
recovery the low average is put back, so that the model is reset at every batch until the average
has climbed above e_m (``reference_reset=true`` does that); and if nothing is kept, an optimiser
step is still made, which moves the weights by what momentum is left.
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
"""Of the average of entropies."""


class SAROptions(GradientOptions):
    """Options of `sar`."""

    margin: float = Field(default=0.4, gt=0)
    """E0 / ln C: entropies below are kept, for C classes."""
    rho: float = Field(default=0.05, gt=0)
    """Radius within which the loss is to be flat."""
    threshold: float = Field(default=0.2, ge=0)
    """e_m: below this average entropy the model is reset; 0: never."""
    reference_reset: bool = False
    """Keep the average over a recovery, as the reference code does."""


class SAR(GradientMethod):
    """Make the model sure in a flat place, and start anew when it is sure of everything."""

    about: ClassVar[About] = About(
        "Sharpness-aware, reliable entropy minimisation with recovery.", "SAR, arXiv 2302.12400"
    )
    Options: ClassVar[type[Options]] = SAROptions
    options: SAROptions
    adapts: ClassVar[str] = "norm affine but for the last stage"
    average: float | None

    def is_adapted(self, name: str) -> bool:
        """Whether a norm layer comes before the last stage."""
        return not self.model.late(name)

    def prepare(self) -> None:
        """A fresh optimiser and no average."""
        super().prepare()
        self.average = None

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Two forward and backward passes, and one step."""
        logits = self.model.logits(images)
        finite(logits)
        entropies = entropy(logits)
        kept = entropies.detach() < self.margin
        self.count("reliable", int(kept.sum()))
        if bool(kept.any()):
            self.backward(entropies[kept].mean(), len(images))
            self._sharpness_aware(images, kept)
            self.optimiser.zero_grad(set_to_none=True)
        if self.average is not None and self.average < self.options.threshold:
            self._recover()
        return logits.detach().log_softmax(1)

    @property
    def margin(self) -> float:
        """E0, in nats."""
        return self.options.margin * log(len(self.model.classes))

    def _sharpness_aware(self, images: torch.Tensor, kept: torch.Tensor) -> None:
        """Take the gradient uphill and make the step from where the weights are."""
        import torch

        chosen = [one for one in self.parameters() if one.grad is not None]
        before = [one.detach().clone() for one in chosen]
        gradients = [one.grad for one in chosen if one.grad is not None]
        with torch.no_grad():
            for one, step in zip(chosen, ascent(gradients, self.options.rho), strict=True):
                one.add_(step)
        entropies = entropy(self.model.logits(images))[kept]
        entropies = entropies[entropies.detach() < self.margin]
        self.count("selected", len(entropies))
        if len(entropies):
            loss = entropies.mean()
            self.backward(loss, len(images))
            self.average = moved(self.average, loss.item())
        with torch.no_grad():
            for one, value in zip(chosen, before, strict=True):
                one.copy_(value)
        if len(entropies):
            self.optimiser.step()
            self.count("updates")

    def _recover(self) -> None:
        average = self.average
        self.reset()
        self.count("resets")
        if self.options.reference_reset:
            self.average = average

    def memory(self) -> State:
        """The optimiser's averages and that of entropies."""
        return {**super().memory(), "average": self.average}

    def recall(self, memory: State) -> None:
        """Take them back."""
        super().recall(memory)
        average: Any = memory["average"]
        self.average = average


def ascent(gradients: list[torch.Tensor], rho: float) -> list[torch.Tensor]:
    """The step uphill, rho g / |g|, the length being that of all gradients together."""
    import torch

    length = torch.stack([one.norm() for one in gradients]).norm()
    return [one * (rho / (length + 1e-12)) for one in gradients]


def moved(average: float | None, value: float) -> float:
    """The moving average after one more value."""
    return value if average is None else MOMENTUM * average + (1 - MOMENTUM) * value
