"""`zero`: for each image alone, let its surest views vote.

Farina et al., "Frustratingly Easy Test-Time Adaptation of Vision-Language Models", arXiv
2405.18330. Reference code: FarinaMatteo/zero. For an image: 64 views, the image itself
and 63 random crops; of those a share gamma with the lowest entropies; with the temperature at zero
each gives its class one vote. Among classes with equally many, the one wins that the next surest
view predicts.

Defaults: gamma = 0.3, to which the authors moved their code from 0.1, the value of the paper's
first version and of Panda's code. Not copied: the reference code breaks ties by views in the order
of their making, not by how sure they are. A class without votes gets a millionth of one, so that
every log-probability is finite; a tie is broken by half a vote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import Requires, TestTimeMethod, entropy, finite
from harness.registry import About
from harness_methods.adaptation.views import crops

if TYPE_CHECKING:
    import torch

NO_VOTE = 1e-6
"""Votes of a class that has none."""


class ZeroOptions(Options):
    """Options of `zero`."""

    views: int = Field(default=64, ge=1)
    """The image and random crops of it."""
    share: float = Field(default=0.3, gt=0, le=1)
    """gamma: share of the views that vote, at least one."""


class Zero(TestTimeMethod):
    """Predict by the vote of confident views."""

    about: ClassVar[About] = About(
        "Vote of the confident views of one image; no weight changes.", "ZERO, arXiv 2405.18330"
    )
    Options: ClassVar[type[Options]] = ZeroOptions
    options: ZeroOptions
    adapts: ClassVar[str] = "predictions"

    def requires(self) -> Requires:
        """Class texts: the method is one for CLIP."""
        return Requires(text=True)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Each image by itself."""
        return self.predict(images)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """The shares of votes."""
        import torch

        with torch.no_grad():
            return torch.cat([self._one(images[i : i + 1], images) for i in range(len(images))])

    def _one(self, image: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        views = crops(image, self.options.views, self.context.generator)
        return vote(finite(self.model.logits(views, batch)), self.options.share)[None]


def vote(logits: torch.Tensor, share: float) -> torch.Tensor:
    """Log of the shares of votes, (classes,), of scores (views, classes)."""
    import torch

    ranked = logits[entropy(logits).argsort(stable=True)].argmax(1)
    number = max(1, int(len(logits) * share))
    votes = torch.bincount(ranked[:number], minlength=logits.shape[1]).to(logits.dtype)
    tied = votes == votes.max()
    if int(tied.sum()) > 1:
        later = ranked[number:]
        deciding = later[tied[later]]
        votes[deciding[0] if len(deciding) else tied.float().argmax()] += 0.5
    votes = votes.clamp_min(NO_VOTE)
    return (votes / votes.sum()).log()
