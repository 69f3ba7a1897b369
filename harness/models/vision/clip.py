"""`clip:`: zero-shot classifiers, which compare an image with a text for each class.

CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", arXiv
2103.00020) out of the Hugging Face hub or a folder. What methods adapt is the image encoder with
its projection; the text encoder is frozen and stands beside it, outside of the weights that are
copied, restored and fingerprinted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness import options
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.classifiers import ClassifierModel, ClassifierOptions
from harness.models.local import device_of
from harness.models.vision.preprocessing import Preprocessing
from harness.models.vision.prompts import IMAGENET, Prompts
from harness.models.vision.source import Source
from harness.options import Options
from harness.protocols.adapt.classifier import TextClassifier
from harness.registry import About, Need

if TYPE_CHECKING:
    import torch

    from harness.models.vision.texts import Texts

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training images (openai/CLIP, clip.py), for models that do not say theirs."""


class ClipOptions(ClassifierOptions):
    """Engine arguments of ``clip:`` classifiers (``--model-arg``)."""

    template: str = "a photo of a {}."
    """Text for a class, with {} for its name; of several, with | between them, features are
    averaged."""
    classes: str = Field(default=IMAGENET, min_length=1)
    """imagenet; a file with a name, or an id, a tab and a name, on each line; or names with commas
    between them. Labelled images are matched by the ids, which for imagenet are WordNet's."""


class Clip(ClassifierModel):
    """``clip:ORG/NAME[@REVISION]`` or ``clip:FOLDER``."""

    about: ClassVar[About] = About(
        "a CLIP of the Hugging Face hub or of a local folder, as zero-shot image classifier",
        "CLIP, arXiv 2103.00020; transformers, CLIPModel",
        "the model's own",
    )
    Options: ClassVar[type[Options]] = ClipOptions
    needs: ClassVar[tuple[Need, ...]] = (*ClassifierModel.needs, Need("transformers", "vision"))

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError(
                "clip needs a name: --model clip:openai/clip-vit-base-patch16 or clip:FOLDER."
            )
        self.chosen: Any = options.build(ClipOptions, dict(request.args), f"model '{request}'")
        self._what = f"model '{request}'"
        self._source = Source(request)
        self._prompts = Prompts.read(self.chosen.template, self.chosen.classes)

    @cached_property
    def _config(self) -> Any:
        """The configuration.

        Raises:
            UsageError: the model is no CLIP; transformers would give it random weights.
        """
        found = self._source.config()
        if found.model_type != "clip":
            raise UsageError(
                f"{self._what} is no CLIP but a model of type '{found.model_type}'; for an image "
                "classifier of the hub take hf:NAME."
            )
        return found

    def identify(self) -> ModelIdentity:
        """Read the configuration; the texts are a part of the revision, for they decide scores."""
        return ModelIdentity(
            self._source.name,
            f"{self._weights_revision}+texts-{self._prompts.hash[:8]}",
            f"transformers/{device_of(self.chosen.device)}",
            _versions(),
            options=self.engine_options(),
        )

    @cached_property
    def _weights_revision(self) -> str:
        return self._source.revision(self._config)

    def classes(self) -> tuple[str, ...]:
        """The ids of the classes that were named."""
        return self._prompts.ids

    def load(self) -> TextClassifier:
        """The published weights, and features of the class texts out of the cache or made now."""
        import torch

        from harness.models.vision.late import last_stage
        from harness.models.vision.linear import place
        from harness.models.vision.texts import Texts, kept

        preprocessing = self._preprocessing(self._config)
        tokenizer = self._source.tokenizer()
        whole = self._source.weights("CLIPModel")
        place(whole, self.chosen)
        texts = Texts(whole.text_model, whole.text_projection, tokenizer, self._prompts)
        key = (self._weights_revision, _versions(), self._prompts.templates, self._prompts.names)
        # Without a revision nobody knows whose features they would be.
        weights = kept(key, texts.weights) if self._weights_revision else texts.weights()
        module = _image_encoder(whole.vision_model, whole.visual_projection)
        return ZeroShot(
            module.eval(),
            self.classes(),
            preprocessing,
            texts=texts,
            weights=weights.to(next(module.parameters()).device),
            scale=float(torch.exp(whole.logit_scale.detach())),
            late=last_stage(module),
        )

    def _preprocessing(self, config: Any) -> Preprocessing:
        found = self._source.processor()
        if found is None:
            return Preprocessing(config.vision_config.image_size, MEAN, STD)
        return Preprocessing.read(found, self._what)


class ZeroShot(TextClassifier):
    """An image encoder with class weights that are features of texts.

    Args:
        module: the image encoder with its projection.
        classes: ids of the classes.
        preprocessing: size and normalisation of images.
        texts: the text encoder.
        weights: class features, (classes, dimensions), of length 1.
        scale: that cosines are multiplied by.
        late: names of the layers of the last stage.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        classes: Sequence[str],
        preprocessing: Preprocessing,
        *,
        texts: Texts,
        weights: torch.Tensor,
        scale: float,
        late: tuple[str, ...],
    ) -> None:
        super().__init__(module, classes, preprocessing.size)
        self.scale = scale
        self._mean = weights.new_tensor(preprocessing.mean).view(1, 3, 1, 1)
        self._std = weights.new_tensor(preprocessing.std).view(1, 3, 1, 1)
        self._texts, self._weights, self._late = texts, weights, late

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features of length 1, (batch, dimensions)."""
        from torch.nn.functional import normalize

        return normalize(self.module((images - self._mean) / self._std), dim=1)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Scores, (batch, classes)."""
        return self.scale * features @ self._weights.T

    def class_weights(self) -> torch.Tensor | None:
        """Features of the class texts."""
        return self._weights

    def context(self) -> torch.Tensor:
        """Embeddings of the template's words before the class's name, (words, width), copied.

        Raises:
            UsageError: there is more than one template, or no word before the name.
        """
        return self._texts.context()

    def class_features(self, context: torch.Tensor) -> torch.Tensor:
        """Class features, (classes, dimensions), of prompts that begin with a context."""
        return self._texts.class_features(context)

    def late(self, name: str) -> bool:
        """Whether a layer is of the last stage."""
        from harness.models.vision.linear import is_in

        return is_in(name, self._late)


def _versions() -> str:
    import torch
    import transformers

    return f"{transformers.__version__} (torch {torch.__version__})"


def _image_encoder(vision: Any, projection: Any) -> torch.nn.Module:
    """The part of CLIP that methods adapt."""
    from torch import nn

    class ImageEncoder(nn.Module):
        """Images to features that are not normalised."""

        def __init__(self) -> None:
            super().__init__()
            self.vision_model, self.visual_projection = vision, projection

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.visual_projection(self.vision_model(pixel_values=images).pooler_output)

    return ImageEncoder()
