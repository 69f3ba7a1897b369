"""`timm:`: image classifiers of timm (PyTorch Image Models, R. Wightman)."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness import options
from harness.data import file_hash
from harness.errors import UsageError
from harness.models.base import ModelIdentity, ModelRequest
from harness.models.classifiers import ClassifierModel, ClassifierOptions
from harness.models.files import folder_hash
from harness.models.local import device_of
from harness.models.vision.classes import class_ids, imagenet
from harness.models.vision.torchvision import prepare_torchvision
from harness.options import Options
from harness.quiet import quiet
from harness.registry import About, Need, require

if TYPE_CHECKING:
    import torch

    from harness.protocols.adapt.classifier import Classifier

_HUB, _FOLDER = "hf-hub:", "local-dir:"
"""How timm marks a name that is none of its own."""
_FAILURES = (OSError, ValueError, RuntimeError, KeyError, AssertionError)
"""What timm raises where a model cannot be had."""


class TimmOptions(ClassifierOptions):
    """Engine arguments of ``timm:`` classifiers (``--model-arg``)."""

    pretrained: bool = True
    """Take the published weights; false: random ones, always the same."""
    checkpoint: Path | None = None
    """A file of weights for the architecture, instead of the published ones."""
    num_classes: int | None = Field(default=None, ge=2)
    """Classes of the checkpoint; none: as many as the published weights have."""


class TimmClassifier(ClassifierModel):
    """``timm:NAME[@REVISION]``, ``timm:hf-hub:ORG/NAME[@REVISION]`` or ``timm:FOLDER``."""

    about: ClassVar[About] = About(
        "an image classifier of timm, with its published weights or a checkpoint",
        "github.com/huggingface/pytorch-image-models; normalisation from its configuration",
        "the model's own",
    )
    Options: ClassVar[type[Options]] = TimmOptions
    needs: ClassVar[tuple[Need, ...]] = (*ClassifierModel.needs, Need("timm", "timm"))

    def __init__(self, request: ModelRequest) -> None:
        if not request.target:
            raise UsageError("timm needs a name: --model timm:resnet50.a1_in1k.")
        self._what = f"model '{request}'"
        self.chosen: Any = options.build(TimmOptions, dict(request.args), self._what)
        self._request = request
        checkpoint = self.chosen.checkpoint
        if checkpoint is not None and not checkpoint.is_file():
            raise UsageError(f"{self._what}: there is no file checkpoint={checkpoint}.")
        if checkpoint is None and self.chosen.pretrained and self.chosen.num_classes is not None:
            raise UsageError(
                f"{self._what}: num_classes={self.chosen.num_classes} would put a random head on "
                "published weights; name a checkpoint that has so many classes."
            )

    @property
    def _name(self) -> str:
        """The name as timm takes it.

        Raises:
            UsageError: it is a folder that is not there.
        """
        target, revision = self._request.target, self._request.revision
        folder = Path(target).expanduser()
        if folder.is_dir():
            return f"{_FOLDER}{folder}"
        if target.startswith(("/", ".", "~")):
            raise UsageError(f"{self._what} cannot be loaded: there is no folder {folder}.")
        if "/" in target:
            return f"{_HUB}{target.removeprefix(_HUB)}" + (f"@{revision}" if revision else "")
        return target

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        """The configuration of the published weights, without the weights.

        Raises:
            UsageError: there is no such model.
        """
        timm, name = import_timm(), self._name
        try:
            with quiet():
                if name.startswith(_FOLDER):
                    return _of_folder(Path(name.removeprefix(_FOLDER)))
                if name.startswith(_HUB):
                    return timm.models.load_model_config_from_hf(name.removeprefix(_HUB))[0]
                if timm.is_model(name.partition(".")[0]):
                    return self._registered(name)
        except _FAILURES as error:
            raise self._refusal(error) from error
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        mend = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists all."
        raise UsageError(f"timm has no model '{name}'; {mend}")

    def _registered(self, name: str) -> Mapping[str, Any]:
        found = import_timm().get_pretrained_cfg(name)
        if found is None:
            raise UsageError(
                f"timm has no weights '{name}'; list what there are with "
                f"timm.list_pretrained('{name.partition('.')[0]}*')."
            )
        given = dict(found.to_dict())
        if self._request.revision:
            if not given.get("hf_hub_id"):
                raise UsageError(f"{self._what}: its weights are not on the hub; leave out '@'.")
            given["hf_hub_id"] = f"{given['hf_hub_id']}@{self._request.revision}"
        return given

    def identify(self) -> ModelIdentity:
        """Find out which weights they are."""
        import torch

        return ModelIdentity(
            self._request.target,
            self._revision(),
            f"timm/{device_of(self.chosen.device)}",
            f"{import_timm().__version__} (torch {torch.__version__})",
            options=self.engine_options(),
        )

    def _revision(self) -> str:
        """A hash of the file or folder; else the tag, and the commit of the hub."""
        given = self._given
        if self.chosen.checkpoint is not None:
            return f"file-{file_hash(self.chosen.checkpoint)[:16]}"
        if not self.chosen.pretrained:
            return "random"
        if self._name.startswith(_FOLDER):
            return folder_hash(Path(self._name.removeprefix(_FOLDER)))
        tag = given.get("tag") or ""
        if hub := given.get("hf_hub_id"):
            return "@".join(one for one in (tag, self._commit(hub)) if one)
        # The names of files on timm's servers end in a part of their hash.
        return "@".join(one for one in (tag, str(given.get("url", "")).rpartition("/")[2]) if one)

    def _commit(self, hub: str) -> str:
        """The commit that a name of the hub means now.

        Raises:
            UsageError: the hub cannot be reached, and nothing of the model is cached.
        """
        from huggingface_hub import hf_hub_download

        name, _, revision = hub.partition("@")
        try:
            with quiet():
                path = hf_hub_download(name, "config.json", revision=revision or None)
        except _FAILURES as error:
            raise self._refusal(error) from error
        return Path(path).parent.name

    def classes(self) -> tuple[str, ...]:
        """ImageNet's WordNet ids, whichever part of it there is; else label names or numbers."""
        number = self.chosen.num_classes or self._given.get("num_classes", 0)
        if number < 2:
            raise UsageError(
                f"{self._what} has no classes; take a classifier, such as timm:resnet50.a1_in1k."
            )
        known = tuple(imagenet())
        if number == len(known):
            return known
        labels = self._given.get("label_names")
        if labels and len(labels) == number:
            return class_ids(tuple(labels))
        data = import_module("timm.data")
        subset = data.infer_imagenet_subset({"num_classes": number})
        if subset and not self.chosen.num_classes:
            return tuple(data.ImageNetInfo(subset).label_names())
        return tuple(str(one) for one in range(number))

    def load(self) -> Classifier:
        """The weights, fetched at first use."""
        from harness.models.vision.late import last_stage
        from harness.models.vision.linear import LinearHead, place

        classes = self.classes()
        module = self._module()
        place(module, self.chosen)
        data = import_module("timm.data").resolve_model_data_config(module)
        _, height, width = data["input_size"]
        if height != width:
            raise UsageError(
                f"{self._what} takes images of {width} x {height} pixels, and tasks give squares."
            )
        head = _head(module, height, self._what)
        return LinearHead(
            module,
            classes,
            height,
            mean=data["mean"],
            std=data["std"],
            encoder=Encoder(module),
            head=head,
            late=last_stage(module),
        )

    def _module(self) -> Any:
        import torch

        chosen, given = self.chosen, self._given
        how: dict[str, Any] = {}
        if chosen.num_classes is not None:
            how["num_classes"] = chosen.num_classes
        if not self._name.startswith((_FOLDER, _HUB)):
            how["pretrained_cfg"] = dict(given)
        if chosen.checkpoint is not None:
            how["checkpoint_path"] = str(chosen.checkpoint)
        try:
            with quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return import_timm().create_model(
                    self._name, pretrained=chosen.pretrained and chosen.checkpoint is None, **how
                )
        except _FAILURES as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> UsageError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return UsageError(
            f"{self._what} cannot be loaded ({reason}); name another, a local file with "
            "--model-arg checkpoint=FILE, or --model efficientnet-lite0, which needs neither."
        )


def _of_folder(folder: Path) -> Mapping[str, Any]:
    """The configuration of a model that timm has saved to a folder."""
    whole = json.loads((folder / "config.json").read_text("utf-8"))
    found = dict(whole.get("pretrained_cfg", whole))
    return {
        **found,
        **{name: whole[name] for name in ("num_classes", "label_names") if name in whole},
    }


class Encoder:
    """Gives what goes into the head of a timm model."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features, (batch, dimensions), of normalised images."""
        module = self._module
        return module.forward_head(module.forward_features(images), pre_logits=True)


def _head(module: Any, size: int, what: str) -> torch.nn.Linear:
    """The classifier of a timm model.

    Raises:
        UsageError: it is not one linear layer.
    """
    import torch

    from harness.models.vision.heads import probe

    head: Any = module.get_classifier()
    image = probe(module, size)
    with torch.no_grad():
        linear = isinstance(head, torch.nn.Linear)
        if linear and torch.allclose(head(Encoder(module)(image)), module(image), atol=1e-4):
            return head
    raise UsageError(
        f"{what} has no linear head that gives its scores, and methods need one; take a classifier "
        "that ends in a linear layer."
    )


def import_timm() -> Any:
    """timm, whose import takes a second.

    Raises:
        UsageError: it is not installed, or not together with torchvision.
    """
    require((Need("torchvision", "timm"), Need("timm", "timm")), "timm:NAME")
    prepare_torchvision()
    return import_module("timm")
