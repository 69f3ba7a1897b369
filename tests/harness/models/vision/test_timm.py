"""`timm:` classifiers with random weights; where timm is not installed, what is said then."""

from __future__ import annotations

import copy
import importlib.util
import json

import pytest
import torch
from tiny_vision import images

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.vision.classes import imagenet
from harness.models.vision.timm_models import TimmClassifier
from harness.protocols.adapt import NormKind, norm_layers
from harness.registry import require

needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None,
    reason="timm and torchvision are not installed: pip install 'method-harness[timm]'",
)


def timm(name, **args):
    return TimmClassifier(ModelRequest("timm", str(name), args=tuple(args.items())))


def random_one(name):
    return timm(name, pretrained="false", device="cpu")


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package 'torch'"):
        require(timm("resnet18").requirements(), "timm:resnet18")
    with pytest.raises(UsageError, match=r"'torchvision'.*method-harness\[timm\]"):
        timm("resnet18").classes()


def test_options_that_contradict_are_refused(tmp_path):
    with pytest.raises(UsageError, match="needs a name"):
        timm("")
    with pytest.raises(UsageError, match="there is no file checkpoint=nowhere.pth"):
        timm("resnet18", checkpoint="nowhere.pth")
    with pytest.raises(UsageError, match="random head on published weights"):
        timm("resnet18", num_classes="10")


@pytest.fixture(scope="module", params=["resnet10t", "vit_tiny_patch16_224", "convnext_atto"])
def loaded(request):
    return request.param, random_one(request.param).load()


@needs_timm
def test_scores_are_the_models_own_on_images_normalised_as_it_says(loaded):
    import timm as library

    _, model = loaded
    data = library.data.resolve_model_data_config(model.module)
    pixels = images(2, 224)
    shape = (1, 3, 1, 1)
    mean, std = torch.tensor(data["mean"]).view(shape), torch.tensor(data["std"]).view(shape)
    with torch.no_grad():
        found = model.logits(pixels)
        torch.testing.assert_close(found, model.module((pixels - mean) / std), atol=1e-5, rtol=0)
        other = model.module((pixels - 0.3) / 0.4)
    assert (found - other).abs().max() > 1e-5
    assert model.class_weights().shape == (1000, model.features(pixels).shape[1])
    assert model.size == data["input_size"][1]
    assert model.classes == tuple(imagenet())


@needs_timm
def test_normalisation_layers_and_the_last_stage_are_found(loaded):
    name, model = loaded
    kinds = {one for one in NormKind if norm_layers(model.module, (one,))}
    assert kinds == {NormKind.BATCH if name == "resnet10t" else NormKind.LAYER}
    names = [one for one, _ in norm_layers(model.module)]
    late = [one for one in names if model.late(one)]
    last = {
        "resnet10t": ("layer4.",),
        "vit_tiny_patch16_224": ("blocks.9.", "blocks.10.", "blocks.11.", "norm"),
        "convnext_atto": ("stages.3.", "head.norm"),
    }[name]
    assert late == [one for one in names if one.startswith(last)]
    assert len(late) > 2


@needs_timm
def test_a_copy_learns_alone_and_returns_to_the_source(loaded):
    _, model = loaded
    before, weights = model.fingerprint(), model.copy()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for one in twin.module.parameters():
            one.add_(0.5)
        assert model.fingerprint() == before != twin.fingerprint()
        twin.restore(weights)
        pixels = images(1, 224)
        assert torch.equal(twin.logits(pixels), model.logits(pixels))


@needs_timm
def test_random_weights_are_always_the_same():
    asked = random_one("resnet10t")
    assert asked.load().fingerprint() == asked.load().fingerprint()
    identity = asked.identify()
    assert (identity.id, identity.revision, identity.engine) == ("resnet10t", "random", "timm/cpu")
    assert "torch" in identity.engine_version


@needs_timm
def test_checkpoints_are_known_by_their_content(tmp_path):
    import timm as library

    made = library.create_model("resnet10t", num_classes=4)
    path = tmp_path / "four.pth"
    torch.save(made.state_dict(), path)
    asked = timm("resnet10t", checkpoint=path, num_classes="4", device="cpu")
    model = asked.load()
    assert asked.classes() == tuple("0123")
    assert torch.equal(model.class_weights(), made.get_classifier().weight)
    assert asked.identify().revision.startswith("file-")
    with pytest.raises(UsageError, match="cannot be loaded"):
        timm("resnet10t", checkpoint=path, device="cpu").load()


@needs_timm
def test_folders_are_read_as_timm_saves_them(tmp_path):
    import timm as library
    from timm.models import save_for_hf

    made = library.create_model("resnet10t", num_classes=3).eval()
    labels = {"label_names": ["cat", "dog", "hen"], "mean": [0.1, 0.2, 0.3]}
    made.pretrained_cfg.update(mean=[0.1, 0.2, 0.3])
    save_for_hf(made, tmp_path / "saved", model_config=labels, safe_serialization="both")
    asked = timm(tmp_path / "saved", device="cpu")
    model = asked.load()
    assert torch.equal(model.class_weights(), made.get_classifier().weight)
    assert asked.classes() == ("cat", "dog", "hen")
    assert model._mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert asked.identify().revision.startswith("folder-")


@needs_timm
def test_classes_of_larger_imagenets_are_wordnet_ids():
    found = timm("convnext_nano.in12k").classes()
    assert len(found) == 11821
    assert all(one.startswith("n") for one in found)


@needs_timm
def test_what_timm_does_not_have_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"timm has no model 'resnet5O'; did you mean resnet50"):
        timm("resnet5O").classes()
    with pytest.raises(UsageError, match=r"cannot be loaded \(Invalid pretrained tag"):
        timm("resnet18.nothing").classes()
    with pytest.raises(UsageError, match="there is no folder /nowhere/model"):
        timm("/nowhere/model").classes()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="cannot be loaded"):
        timm(tmp_path / "empty").classes()
    with pytest.raises(UsageError, match="has no classes"):
        timm("vit_small_patch14_dinov2.lvd142m").classes()


@needs_timm
def test_two_heads_are_refused():
    with pytest.raises(UsageError, match="no linear head"):
        random_one("deit_tiny_distilled_patch16_224").load()


@needs_timm
def test_a_hub_that_cannot_be_reached_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("resnet18.a1_in1k", "hf-hub:nobody/nothing-at-all"):
        with pytest.raises(UsageError, match=rf"'timm:{name}' cannot be loaded"):
            timm(name).identify()
    with pytest.raises(UsageError, match="cannot be loaded"):
        timm("resnet18.a1_in1k").load()


@needs_timm
def test_revisions_are_those_of_the_hub(monkeypatch):
    asked = TimmClassifier(ModelRequest("timm", "resnet18.a1_in1k", "abc"))
    assert asked._given["hf_hub_id"] == "timm/resnet18.a1_in1k@abc"
    seen = []

    def fetched(name, file, revision):
        seen.append((name, file, revision))
        return f"/cache/snapshots/0123abcd/{file}"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetched)
    assert asked.identify().revision == "a1_in1k@0123abcd"
    assert seen == [("timm/resnet18.a1_in1k", "config.json", "abc")]
    assert json.dumps(dict(asked.identify().options)) == "{}"
