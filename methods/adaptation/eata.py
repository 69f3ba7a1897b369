"""`eata`: `eta` with weights held near the source's where the source data need them.

Niu et al., "Efficient Test-Time Model Adaptation without Forgetting", arXiv 2204.02610, equations 8
and 9. Reference code: mr-eggplant/EATA. To ETA's loss comes beta sum_i F_i (theta_i - theta0_i)^2,
F the diagonal Fisher information of the adapted weights at the source weights, from 2000 clean
images without labels: the mean over batches of the squared gradient of the cross-entropy with the
model's own predictions. As in the reference code the gradient is squared for each batch, not for
each image, so F depends on the size of the batches that the images come in.

Defaults: beta = 2000, as the paper for ImageNet. The clean images have the labels nowhere, but they
are data of the source, which Tent does without; results say how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import Classifier, Context, Requires
from harness.registry import About
from harness_methods.adaptation.eta import ETA, ETAOptions

if TYPE_CHECKING:
    import torch


class EATAOptions(ETAOptions):
    """Options of `eata`."""

    beta: float = Field(default=2000.0, ge=0)
    """Weight of the Fisher term."""
    fisher_images: int = Field(default=2000, ge=1)
    """Clean images that the Fisher information is computed from."""


class EATA(ETA):
    """Make the model sure without forgetting the source."""

    about: ClassVar[About] = About(
        "ETA with a Fisher penalty against forgetting.", "EATA, arXiv 2204.02610"
    )
    Options: ClassVar[type[Options]] = EATAOptions
    options: EATAOptions

    def requires(self) -> Requires:
        """Norm layers and clean images."""
        return Requires(norms=super().requires().norms, source_images=self.options.fisher_images)

    def setup(self, model: Classifier, context: Context) -> None:
        """Compute the Fisher information; resets keep it."""
        super().setup(model, context)
        self._anchors = [one.detach().clone() for one in self.parameters()]
        self._fisher = self._information(context.source_images(self.options.fisher_images))

    def _information(self, batches: list[torch.Tensor]) -> list[torch.Tensor]:
        import torch

        chosen = list(self.parameters())
        sums = [torch.zeros_like(one) for one in chosen]
        for images in batches:
            logits = self.model.logits(images)
            loss = torch.nn.functional.cross_entropy(logits, logits.argmax(1))
            self.backward(loss, len(images))
            for total, one in zip(sums, chosen, strict=True):
                if one.grad is not None:
                    total += one.grad**2
        self.optimiser.zero_grad(set_to_none=True)
        return [total / len(batches) for total in sums]

    def penalty(self) -> torch.Tensor | float:
        """The Fisher term, beta sum F (theta - theta0)^2."""
        held = zip(self._fisher, self.parameters(), self._anchors, strict=True)
        return self.options.beta * sum((f * (one - anchor) ** 2).sum() for f, one, anchor in held)
