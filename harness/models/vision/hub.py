"""`hf:`: image classifiers of the Hugging Face hub or of a folder."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from harness import options
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.classifiers import ClassifierModel, ClassifierOptions
from harness.models.local import device_of
from harness.models.vision.classes import class_ids
from harness.models.vision.preprocessing import Preprocessing
from harness.models.vision.source import Source
from harness.options import Options
from harness.registry import About, Need

if TYPE_CHECKING:
    from harness.protocols.adapt.classifier import Classifier


class HubOptions(ClassifierOptions):
    """Engine arguments of ``hf:`` classifiers (``--model-arg``)."""

    trust_remote_code: bool = False
    """Run code that the model's repository brings."""


class HubClassifier(ClassifierModel):
    """``hf:ORG/NAME[@REVISION]`` or ``hf:FOLDER``."""

    about: ClassVar[About] = About(
        "an image classifier of the Hugging Face hub or of a local folder",
        "transformers, AutoModelForImageClassification; normalisation from its image processor",
        "the model's own",
    )
    Options: ClassVar[type[Options]] = HubOptions
    needs: ClassVar[tuple[Need, ...]] = (*ClassifierModel.needs, Need("transformers", "vision"))

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("hf needs a name: --model hf:microsoft/resnet-50 or hf:FOLDER.")
        self.chosen: Any = options.build(HubOptions, dict(request.args), f"model '{request}'")
        self._what = f"model '{request}'"
        self._source = Source(request, self.chosen.trust_remote_code)

    @cached_property
    def _config(self) -> Any:
        """The configuration.

        Raises:
            UsageError: it is of timm, whose files say otherwise how images are normalised.
        """
        found = self._source.config()
        if found.model_type == "timm_wrapper":
            name = self._source.name
            raise UsageError(f"{self._what} is a model of timm; take --model timm:{name}.")
        return found

    def identify(self) -> ModelIdentity:
        """Read the configuration, which is small."""
        import torch
        import transformers

        return ModelIdentity(
            self._source.name,
            self._source.revision(self._config),
            f"transformers/{device_of(self.chosen.device)}",
            f"{transformers.__version__} (torch {torch.__version__})",
            options=self.engine_options(),
        )

    def classes(self) -> tuple[str, ...]:
        """WordNet ids where the labels are ImageNet's, else the labels."""
        labels: dict[Any, str] = dict(self._config.id2label or {})
        if not labels:
            raise UsageError(f"{self._what} has no classes (id2label); take an image classifier.")
        return class_ids([labels[one] for one in sorted(labels, key=int)])

    def load(self) -> Classifier:
        """The published weights."""
        from harness.models.vision.heads import HeadInput, linear_head
        from harness.models.vision.late import last_stage
        from harness.models.vision.linear import LinearHead, place

        classes, preprocessing = self.classes(), self._preprocessing()
        module = self._source.weights("AutoModelForImageClassification")
        place(module, self.chosen)
        head = linear_head(module, preprocessing.size, self._what)
        if head.out_features != len(classes):
            raise UsageError(
                f"{self._what} gives {head.out_features} scores and names {len(classes)} classes; "
                "mend id2label in its config.json."
            )
        return LinearHead(
            module,
            classes,
            preprocessing.size,
            mean=preprocessing.mean,
            std=preprocessing.std,
            encoder=HeadInput(module, head),
            head=head,
            late=last_stage(module),
        )

    def _preprocessing(self) -> Preprocessing:
        found = self._source.processor()
        if found is None:
            # A guess would cost points that nobody could explain.
            raise UsageError(
                f"{self._what} does not say how its images are normalised: it has no "
                "preprocessor_config.json; add one with image_mean, image_std and size."
            )
        return Preprocessing.read(found, self._what)
