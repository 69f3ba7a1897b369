"""`tpt`: for each image alone, tune the words before the class's name.

Shu et al., "Test-Time Prompt Tuning for Zero-Shot Generalization in Vision-Language Models", arXiv
2209.07511. Reference code: azshue/TPT. For an image: 64 views, the image itself
and 63 random crops; of those the tenth with the lowest entropies; one AdamW step (lr 5e-3, weight
decay 0.01) on the embeddings of the context ("a photo of a"), L = the entropy of the mean
prediction; the image itself is predicted with the new context, and the context returns. The image
encoder is not touched, so features are computed once. The AugMix operations, which that code adds
for fine-grained data sets only, are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field

from harness.errors import MethodError, UsageError
from harness.options import Options
from harness.protocols.adapt import (
    Order,
    Requires,
    TestTimeMethod,
    TextClassifier,
    entropy,
    finite,
)
from harness.registry import About
from harness_methods.adaptation.memo import marginal_entropy
from harness_methods.adaptation.views import crops

if TYPE_CHECKING:
    import torch


class TPTOptions(Options):
    """Options of `tpt`."""

    lr: float = Field(default=5e-3, gt=0)
    """Learning rate of AdamW."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW; 0.01 is torch's default, which the reference code leaves."""
    views: int = Field(default=64, ge=1)
    """The image and random crops of it."""
    share: float = Field(default=0.1, gt=0, le=1)
    """Share of the views that is kept, at least one."""
    steps: int = Field(default=1, ge=1)
    """Steps for an image, on the views that were kept at first."""


class TPT(TestTimeMethod):
    """Adapt the prompt to one image, and forget it."""

    about: ClassVar[About] = About(
        "Tune the prompt's context on confident views of one image.", "TPT, arXiv 2209.07511"
    )
    Options: ClassVar[type[Options]] = TPTOptions
    options: TPTOptions
    order = Order.ADAPT_FIRST
    adapts: ClassVar[str] = "prompt context"

    def requires(self) -> Requires:
        """Prompts."""
        return Requires(text=True)

    def prepare(self) -> None:
        """Freeze the network; the context is all that learns."""
        if not isinstance(self.model, TextClassifier):
            raise UsageError("tpt tunes prompts; it needs a model with class texts, such as clip.")
        self.model.module.requires_grad_(False)

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Each image by itself; afterwards the context is what it was."""
        import torch

        return torch.cat([self._one(images[i : i + 1], images) for i in range(len(images))])

    def _one(self, image: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        import torch

        model = cast(TextClassifier, self.model)
        with torch.no_grad():
            features = model.encode(crops(image, self.options.views, self.context.generator), batch)
            logits = finite(model.head(features))
        kept = features[surest_views(logits, self.options.share)]
        tuned = self._tuned(model, kept)
        with torch.no_grad():
            scores = model.scale * features[:1] @ model.class_features(tuned).T
        return finite(scores).log_softmax(1)

    def _tuned(self, model: TextClassifier, features: torch.Tensor) -> torch.Tensor:
        """The context after steps on features (kept, dimensions)."""
        import torch

        words = model.context().requires_grad_(True)
        given = self.options
        optimiser: Any = torch.optim.AdamW([words], given.lr, weight_decay=given.weight_decay)
        for _ in range(given.steps):
            loss = marginal_entropy(model.scale * features @ model.class_features(words).T)
            if not bool(loss.isfinite()):
                raise MethodError(f"the loss is {loss.item()}: the prompt diverged")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            model.work.backwards += len(features)
            self.count("updates")
        return words.detach()


def surest_views(logits: torch.Tensor, share: float) -> torch.Tensor:
    """Places of the share of views with the lowest entropies, surest first, of (views, classes)."""
    number = max(1, int(len(logits) * share))
    return entropy(logits).argsort(stable=True)[:number]
