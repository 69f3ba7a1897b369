"""`hf:` classifiers out of folders: normalisation, heads, last stages, classes, refusals."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import transformers
from tiny_vision import (
    ARCHITECTURES,
    LABELS,
    MEAN,
    SIZE,
    STD,
    images,
    opened,
    processor,
    save_classifier,
)

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.vision.classes import imagenet
from harness.models.vision.hub import HubClassifier
from harness.protocols.adapt import NormKind, norm_layers


@pytest.fixture(params=ARCHITECTURES)
def loaded(request, folders):
    return request.param, folders[request.param], opened(folders[request.param]).load()


def by_hand(folder, pixels, mean=MEAN, std=STD):
    """Scores of the model itself, for images normalised here."""
    module = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    shape = (1, 3, 1, 1)
    normalised = (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
    with torch.no_grad():
        return module(pixel_values=normalised).logits


def test_scores_are_the_models_own_on_images_normalised_as_it_says(loaded):
    _, folder, model = loaded
    pixels = images(3)
    with torch.no_grad():
        found = model.logits(pixels)
    torch.testing.assert_close(found, by_hand(folder, pixels), atol=1e-5, rtol=0)
    other = by_hand(folder, pixels, [0.5] * 3, [0.5] * 3)
    assert (found - other).abs().max() > 1e-3
    assert model.size == SIZE
    assert model.work.forwards == 3


def test_features_go_through_a_linear_head(loaded):
    _, _, model = loaded
    with torch.no_grad():
        features = model.features(images(2))
        rows = model.class_weights()
        by_rows = features @ rows.T + model._head.bias
        torch.testing.assert_close(model.head(features), by_rows, atol=1e-5, rtol=0)
    assert features.shape[0] == 2
    assert rows.shape == (len(LABELS), features.shape[1])


def test_normalisation_layers_and_the_last_stage_are_found(loaded):
    architecture, _, model = loaded
    kinds = {name for name in NormKind if norm_layers(model.module, (name,))}
    assert kinds == {NormKind.BATCH if architecture == "resnet" else NormKind.LAYER}
    names = [name for name, _ in norm_layers(model.module)]
    late = [name for name in names if model.late(name)]
    last = {
        "resnet": "resnet.encoder.stages.3",
        "convnext": "convnext.encoder.stages.3",
        "convnextv2": "convnextv2.encoder.stages.3",
        "swin": "swin.encoder.layers.3",
    }.get(architecture)
    if last is None:  # one block in four, and the norm after them
        inside = [name for name in late if ".3." in name]
        last_norm = late[-1]
        assert len(inside) == 2
        assert not any(one.isdigit() for one in last_norm.split("."))
        assert late == [*inside, last_norm]
        return
    assert [name for name in late if name.startswith(last)]
    assert all(name.startswith(last) or name.endswith("layernorm") for name in late)
    assert not any(".2." in name and not name.startswith(last) for name in late)


def test_gradients_reach_the_norm_layers(loaded):
    _, _, model = loaded
    model.logits(images(2)).square().sum().backward()
    touched = [one.weight.grad is not None for _, one in norm_layers(model.module)]
    assert sum(touched) >= len(touched) - 1  # some have a norm for another use


def test_a_copy_learns_alone_and_returns_to_the_source(loaded):
    _, _, model = loaded
    before, weights = model.fingerprint(), model.copy()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for one in twin.module.parameters():
            one.add_(0.5)
        pixels = images(2)
        assert not torch.equal(twin.logits(pixels), model.logits(pixels))
    assert model.fingerprint() == before != twin.fingerprint()
    twin.restore(weights)
    assert twin.fingerprint() == before
    with torch.no_grad():
        assert torch.equal(twin.logits(pixels), model.logits(pixels))


def test_every_load_is_fresh_and_predicts(folders):
    asked = opened(folders["resnet"], device="cpu", threads="1")
    one, other = asked.load(), asked.load()
    assert one.module is not other.module
    assert not any(part.training for part in one.module.modules())
    assert one.fingerprint() == other.fingerprint()
    assert torch.get_num_threads() == 1


def test_folders_are_known_by_their_content(tmp_path, folders):
    identity = opened(folders["resnet"], device="cpu").identify()
    assert identity.id == str(folders["resnet"])
    assert identity.revision.startswith("folder-")
    assert identity.engine == "transformers/cpu"
    other = save_classifier(tmp_path / "other", image_mean=[0.1, 0.1, 0.1])
    assert opened(other).identify().revision != identity.revision


def test_labels_are_the_classes(tmp_path, folders):
    assert opened(folders["vit"]).classes() == LABELS
    unnamed = [f"LABEL_{one}" for one in range(11)]
    folder = save_classifier(tmp_path / "unnamed", labels=unnamed)
    assert opened(folder).classes() == tuple(str(one) for one in range(11))


@pytest.mark.parametrize("written", ["names", "ids"])
def test_labels_of_imagenet_become_wordnet_ids(tmp_path, written):
    ids = list(imagenet())
    labels = ids
    if written == "names":
        labels = [f"{one}, and a synonym" for one in imagenet().values()]
        labels[0] = "tench, Tinca tinca"
    folder = tmp_path / "imagenet"
    transformers.ResNetConfig(id2label=dict(enumerate(labels))).save_pretrained(folder)
    assert opened(folder).classes() == tuple(ids)
    turned = labels[::-1]
    transformers.ResNetConfig(id2label=dict(enumerate(turned))).save_pretrained(folder)
    assert opened(folder).classes() == tuple(turned)


@pytest.mark.parametrize(
    ("changes", "size", "mean", "std"),
    [
        ({"size": {"height": 32, "width": 32}}, 32, MEAN, STD),
        ({"size": {"shortest_edge": 32}, "crop_pct": 0.9}, 32, MEAN, STD),
        ({"size": 48, "crop_size": 32, "do_center_crop": True}, 32, MEAN, STD),
        ({"size": 32, "crop_size": 48, "do_center_crop": False}, 32, MEAN, STD),
        ({"do_normalize": False}, 32, [0, 0, 0], [1, 1, 1]),
        ({"do_normalize": False, "do_rescale": False}, 32, [0, 0, 0], [1 / 255] * 3),
        # Pixels to [-1, 1], as EfficientNet's processor does it in one way, then mean 0.
        (
            {"rescale_factor": 2 / 255, "rescale_offset": True}
            | {"image_mean": [0, 0, 0], "image_std": [1, 1, 1]},
            *(32, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ),
        ({"include_top": True, "image_std": [0.5] * 3}, 32, MEAN, [0.25] * 3),
    ],
)
def test_processors_are_read_in_every_way_they_are_written(
    tmp_path, folders, changes, size, mean, std
):
    from harness.models.vision.preprocessing import Preprocessing

    found = Preprocessing.read(processor(**changes), "it")
    assert found.size == size
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)


def test_processor_of_a_newer_transformers_is_read(tmp_path):
    folder = save_classifier(tmp_path / "newer")
    given = (folder / "preprocessor_config.json").read_text()
    (folder / "preprocessor_config.json").unlink()
    nested = {"image_processor": json.loads(given)}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    assert opened(folder).load().size == SIZE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_mean": None}, "does not say how its images are normalised.*image_mean"),
        ({"size": {"height": 32, "width": 64}}, "does not say that its images are squares"),
        ({"do_flip_channel_order": True}, "blue first"),
        ({"size": 64}, "does not take images of 64 x 64 pixels"),
    ],
)
def test_images_that_cannot_be_known_are_refused(tmp_path, changes, message):
    folder = save_classifier(tmp_path / "odd", "vit", **changes)
    with pytest.raises(UsageError, match=message):
        opened(folder).load()


def test_a_model_without_a_processor_is_refused(tmp_path):
    folder = save_classifier(tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UsageError, match="no preprocessor_config.json; add one with image_mean"):
        opened(folder).load()
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(UsageError, match=r"preprocessor_config.json is no JSON"):
        opened(folder).load()


def test_random_heads_are_refused(tmp_path):
    folder = save_classifier(tmp_path / "headless", "vit")
    body = transformers.ViTModel.from_pretrained(folder)
    body.save_pretrained(folder)
    with pytest.raises(UsageError, match=r"no weights for classifier.*random"):
        opened(folder).load()


def test_models_without_one_linear_head_are_refused(tmp_path):
    from tiny_vision import config_of, shaken

    folder = save_classifier(tmp_path / "two heads", "deit")
    made = transformers.DeiTForImageClassificationWithTeacher(config_of("deit"))
    shaken(made).save_pretrained(folder)
    with pytest.raises(UsageError, match="no linear head"):
        opened(folder).load()


def test_what_is_no_model_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="there is no folder /nowhere/model"):
        opened("/nowhere/model").classes()
    with pytest.raises(UsageError, match="cannot be loaded.*name a model of the hub"):
        opened(tmp_path).classes()
    with pytest.raises(UsageError, match="needs a name"):
        HubClassifier(ModelRequest("hf"))
    with pytest.raises(UsageError, match="unknown option"):
        opened(tmp_path, dtype="int8")
    llama = tmp_path / "language"
    transformers.GPT2Config(n_layer=1).save_pretrained(llama)
    (llama / "preprocessor_config.json").write_text(json.dumps(processor()))
    with pytest.raises(UsageError, match=r"cannot be loaded \(Unrecognized configuration class"):
        opened(llama).load()


def test_models_of_timm_are_left_to_timm(tmp_path):
    given = {"model_type": "timm_wrapper", "architecture": "resnet18", "num_classes": 3}
    (tmp_path / "config.json").write_text(json.dumps(given))
    # Without timm, transformers says that it needs it.
    said = f"is a model of timm; take --model timm:{tmp_path}|requires the timm library"
    with pytest.raises(UsageError, match=said):
        opened(tmp_path).classes()


def test_broken_weights_are_refused(tmp_path):
    folder = save_classifier(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UsageError, match="cannot be loaded"):
        opened(folder).load()


def test_a_device_that_is_not_there_is_refused(folders):
    with pytest.raises(UsageError, match="cannot be put on device=cuda:77"):
        opened(folders["resnet"], device="cuda:77").load()


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = HubClassifier(ModelRequest("hf", "nobody/nothing-at-all"))
    with pytest.raises(UsageError, match=r"model 'hf:nobody/nothing-at-all' cannot be loaded"):
        asked.classes()
    with pytest.raises(UsageError, match=r"model 'hf:nobody/nothing-at-all' cannot be loaded"):
        asked._source.processor()


def test_packages_are_named_that_are_missing(monkeypatch):
    import importlib.util

    from harness.registry import require

    asked = HubClassifier(ModelRequest("hf", "a/b"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package 'torch'.*method-harness\[vision\]"):
        require(asked.requirements(), "hf:a/b")
