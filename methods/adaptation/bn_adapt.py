"""`bn-adapt`: batch norm by the statistics of the test batch, or by a mixture with the source's.

With alpha = 1 this is prediction-time batch normalisation (Nado et al., arXiv 2006.10963), the
``BN-1`` of later tables. With ``prior`` N it is Schneider et al., "Improving robustness against
common corruptions by covariate shift adaptation", arXiv 2006.16971: the batch counts n / (N + n)
for n images. alpha = 0.1 is the ``norm_alpha`` of mariodoebler/test-time-adaptation.

mean = (1 - a) mean_source + a mean_batch, and likewise the variance. The buffers of the layers are
not changed, so a batch leaves nothing behind. Not copied: the ``norm`` of DequanWang/tent, which
moves the buffers by 0.1 a batch and so depends on all batches before. Those codes mix in the
unbiased variance of the batch; here it is the biased one, which batch norm itself takes, so that
alpha = 1 and the mixture meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import (
    NormKind,
    Order,
    Requires,
    TestTimeMethod,
    finite,
    use_batch_statistics,
)
from harness.registry import About
from harness_methods.adaptation.statistics import mix_statistics

if TYPE_CHECKING:
    import torch


class BNAdaptOptions(Options):
    """Options of `bn-adapt`."""

    alpha: float = Field(default=1.0, gt=0, le=1)
    """Weight of the batch's statistics; 1: the batch's alone."""
    prior: int | None = Field(default=None, ge=0)
    """N: the source's statistics count as much as N images do, instead of alpha; none: alpha."""


class BNAdapt(TestTimeMethod):
    """Normalise by the batch's mean and variance; no weight changes."""

    about: ClassVar[About] = About(
        "Batch norm by the statistics of the test batch.", "arXiv 2006.10963, arXiv 2006.16971"
    )
    Options: ClassVar[type[Options]] = BNAdaptOptions
    options: BNAdaptOptions
    order = Order.ADAPT_FIRST
    adapts: ClassVar[str] = "batch norm statistics"

    def requires(self) -> Requires:
        """Batch norm; layer and group norm have no statistics to replace."""
        return Requires(norms=frozenset({NormKind.BATCH}))

    def prepare(self) -> None:
        """Tell the layers what to normalise by."""
        alpha, prior = self.options.alpha, self.options.prior
        if prior is not None:
            mix_statistics(self.model.module, lambda images: images / (images + prior))
        elif alpha < 1:
            mix_statistics(self.model.module, lambda _: alpha)
        else:
            use_batch_statistics(self.model.module)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Predict a batch by its own statistics."""
        return finite(self.predict(images))
