"""`clip:` out of a folder: zero-shot scores, prompts and their cache, and methods on it."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import torch
import transformers
from tiny_vision import LABELS, MEAN, STD, clip, images, save_clip

from harness.data import cache_dir
from harness.errors import StorageError, UsageError
from harness.models.base import ModelRequest
from harness.models.vision.clip import MEAN as CLIP_MEAN
from harness.models.vision.clip import Clip
from harness.models.vision.prompts import Prompts
from harness.options import build
from harness.protocols.adapt import Context, NormKind, TextClassifier, norm_layers

SIDE = 64


def normalised(pixels, mean=MEAN, std=STD):
    shape = (1, 3, 1, 1)
    return (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


def by_hand(folder, pixels, texts, mean=MEAN, std=STD):
    """Probabilities of transformers' own model."""
    module = transformers.CLIPModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        found = module(pixel_values=normalised(pixels, mean, std), **tokens)
    return found.logits_per_image.softmax(1)


def texts_of(template="a photo of a {}."):
    return [template.format(one) for one in LABELS]


@pytest.fixture
def model(clip_folder):
    return clip(clip_folder).load()


def test_scores_are_those_of_transformers(clip_folder, model):
    pixels = images(3, SIDE)
    with torch.no_grad():
        found = model.logits(pixels).softmax(1)
    torch.testing.assert_close(found, by_hand(clip_folder, pixels, texts_of()), atol=1e-5, rtol=0)
    other = by_hand(clip_folder, pixels, texts_of(), [0.5] * 3, [0.5] * 3)
    assert (found - other).abs().max() > 1e-3
    assert (model.size, model.work.forwards) == (SIDE, 3)
    assert isinstance(model, TextClassifier)


def test_features_and_class_weights_have_length_one(model):
    with torch.no_grad():
        features = model.features(images(2, SIDE))
    rows = model.class_weights()
    assert rows.shape == (len(LABELS), features.shape[1])
    ones = torch.ones(2)
    torch.testing.assert_close(features.norm(dim=1), ones)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(LABELS)))
    assert not rows.requires_grad
    torch.testing.assert_close(model.head(features), model.scale * features @ rows.T)
    assert model.scale == pytest.approx(1 / 0.07, rel=0.1)  # CLIP's start, shaken a little


def test_features_of_several_templates_are_averaged(clip_folder):
    first, second = "a photo of a {}.", "art of the {}"
    each = [clip(clip_folder, template=one).load().class_weights() for one in (first, second)]
    both = clip(clip_folder, template=f"{first} | {second}").load()
    mean = (each[0] + each[1]) / 2
    assert (each[0] - each[1]).abs().max() > 1e-2
    torch.testing.assert_close(both.class_weights(), mean / mean.norm(dim=1, keepdim=True))


def test_the_image_encoder_alone_is_adapted(clip_folder, model):
    """The text encoder is frozen, and in no copy, hash or list of layers."""
    names = list(model.module.state_dict())
    assert all(one.startswith(("vision_model.", "visual_projection.")) for one in names)
    assert "visual_projection.weight" in names
    layers = norm_layers(model.module, (NormKind.LAYER,))
    assert len(layers) == 2 * 4 + 2  # two in each block, before the first and after the last
    late = [name for name, _ in layers if model.late(name)]
    assert [one.partition("vision_model.")[2] for one in late] == [
        "encoder.layers.3.layer_norm1",
        "encoder.layers.3.layer_norm2",
        "post_layernorm",
    ]
    assert not any(one.requires_grad for one in model._texts._encoder.parameters())


def test_a_copy_learns_alone_and_returns_to_the_source(model):
    before, weights = model.fingerprint(), model.copy()
    twin = copy.deepcopy(model)
    assert twin._texts is model._texts
    with torch.no_grad():
        for one in twin.module.parameters():
            one.add_(0.5)
    assert model.fingerprint() == before != twin.fingerprint()
    twin.restore(weights)
    pixels = images(2, SIDE)
    with torch.no_grad():
        assert torch.equal(twin.logits(pixels), model.logits(pixels))
    assert twin.fingerprint() == before


def test_prompts_from_their_context_are_the_class_weights(model):
    context = model.context().requires_grad_(True)
    assert len(context) == len("a") + 4 + len("of") + len("a")  # letters, but for the merged ph
    found = model.class_features(context)
    torch.testing.assert_close(found, model.class_weights(), atol=1e-5, rtol=0)
    found[:, 0].sum().backward()
    assert (context.grad.abs().sum(1) > 0).all()
    moved = model.class_features(2 * context.detach())
    assert (moved - found).abs().max() > 1e-3
    # What was put in its place is gone again.
    torch.testing.assert_close(model.class_features(model.context()), model.class_weights())


@pytest.mark.parametrize("template", ["{}", "{} in a photo", "a photo of a {}.|art of a {}"])
def test_templates_without_a_context_cannot_be_tuned(clip_folder, template):
    model = clip(clip_folder, template=template).load()
    with pytest.raises(UsageError, match="no context to tune.*'a photo of a {}.'"):
        model.context()


def count_encodings(monkeypatch):
    from harness.models.vision.texts import Texts

    done, weights = [], Texts.weights
    monkeypatch.setattr(Texts, "weights", lambda self: done.append(1) or weights(self))
    return done


def test_text_features_are_computed_once_for_each_list_of_texts(clip_folder, tmp_path, monkeypatch):
    done = count_encodings(monkeypatch)
    first = clip(clip_folder).load().class_weights()
    again = clip(clip_folder, device="cpu").load().class_weights()
    assert len(done) == 1
    assert torch.equal(first, again)
    clip(clip_folder, template="art of a {}.").load()
    assert len(done) == 2
    fewer = clip(clip_folder, classes="cat,dog").load()
    assert fewer.class_weights().shape[0] == 2
    assert len(done) == 3
    moved = shutil.copytree(clip_folder, tmp_path / "moved")
    clip(moved).load()
    assert len(done) == 3  # the same weights elsewhere
    other = clip(save_clip(tmp_path / "other", seed=1)).load()
    assert len(done) == 4
    assert not torch.equal(other.class_weights(), first)


def test_a_broken_cache_is_made_again(clip_folder):
    first = clip(clip_folder).load().class_weights()
    (path,) = (cache_dir() / "class-texts").iterdir()
    path.write_bytes(b"torn")
    assert torch.equal(clip(clip_folder).load().class_weights(), first)


def test_a_cache_that_cannot_be_written_is_told(clip_folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set HARNESS_CACHE"):
        clip(clip_folder).load()


def test_many_classes_go_through_the_encoder_in_batches(clip_folder):
    names = [f"class {one}" for one in range(230)]
    many = clip(clip_folder, classes=",".join(names)).load().class_weights()
    few = clip(clip_folder, classes=",".join(names[120:122])).load().class_weights()
    torch.testing.assert_close(many[120:122], few, atol=1e-5, rtol=0)


def test_classes_are_imagenets_or_a_list_or_a_file(tmp_path):
    usual = Clip(ModelRequest("clip", "a/b"))
    assert len(usual.classes()) == 1000
    assert usual.classes()[0] == "n01440764"
    assert Prompts.read("a {}", "imagenet").texts("a {}")[:2] == ["a tench", "a goldfish"]
    listed = tmp_path / "names.txt"
    listed.write_text("tin opener\n\nhen \n")
    assert clip("a/b", classes=str(listed)).classes() == ("tin opener", "hen")
    listed.write_text("n01440764\ttench\nn01443537\tgoldfish\n")
    found = Prompts.read("a {}", str(listed))
    assert found.ids == ("n01440764", "n01443537")
    assert found.names == ("tench", "goldfish")
    assert clip("a/b", classes="cat, tin opener").classes() == ("cat", "tin opener")
    assert Prompts.read("a {}", "{odd},x").texts("a {}") == ["a {odd}", "a x"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"template": "a photo"}, "needs one {} for the class's name"),
        ({"template": "{} and {}"}, "needs one {}"),
        ({"template": "|"}, "needs one {}"),
        ({"classes": "nowhere.txt"}, "classes=nowhere.txt is no file"),
        ({"classes": "cat,"}, "names 1; a classifier needs two or more"),
        ({"classes": "cat,dog,cat"}, "names 'cat' 2 times"),
        ({"classes": ""}, "option classes='' is refused"),
        ({"dtype": "int8"}, "unknown option"),
    ],
)
def test_wrong_prompts_are_refused_before_anything_is_loaded(args, message):
    with pytest.raises(UsageError, match=message):
        clip("a/b", **args)


def test_what_is_no_clip_is_refused(tmp_path, folders):
    with pytest.raises(UsageError, match="is no CLIP but a model of type 'resnet'.*hf:NAME"):
        clip(folders["resnet"]).load()
    with pytest.raises(UsageError, match="there is no folder /nowhere/clip"):
        clip("/nowhere/clip").load()
    with pytest.raises(UsageError, match="cannot be loaded"):
        clip(tmp_path).identify()
    with pytest.raises(UsageError, match="needs a name"):
        Clip(ModelRequest("clip"))


def test_weights_that_are_missing_are_refused(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "half")
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match="no weights for visual_projection.weight"):
        clip(folder).load()


def test_texts_that_are_too_long_are_refused(clip_folder):
    with pytest.raises(UsageError, match="tokens and the text encoder takes 40; shorten"):
        clip(clip_folder, classes=f"cat,{'very long ' * 10}").load()


def test_a_clip_without_a_processor_takes_clips_normalisation(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    model = clip(folder).load()
    assert model.size == SIDE
    assert model._mean.flatten().tolist() == pytest.approx(CLIP_MEAN)


def test_texts_are_a_part_of_the_revision(clip_folder, tmp_path):
    listed = tmp_path / "names.txt"
    listed.write_text("cat\ndog\n")
    asked = clip(clip_folder, classes=str(listed))
    found = asked.identify()
    assert found.revision.startswith("folder-")
    assert found.options == {"classes": str(listed)}
    assert asked.identify() == clip(clip_folder, classes=str(listed)).identify()
    listed.write_text("cat\nhen\n")
    assert clip(clip_folder, classes=str(listed)).identify().revision != found.revision
    other = clip(clip_folder, classes=str(listed), template="art of a {}")
    assert json.loads(json.dumps(dict(other.identify().options)))["template"] == "art of a {}"


def started(name, model, wrapper=None, **given):
    import importlib

    def load(one):
        module, kind = one.split(":")
        return getattr(importlib.import_module(f"harness_methods.adaptation.{module}"), kind)

    draws = torch.Generator().manual_seed(0)
    context = Context(0, draws, name.split(":")[0], 6, lambda number: [])
    if wrapper is not None:
        kind = load("panda:Panda")
        model = kind(build(kind.Options, wrapper, "panda")).wrap(model, context)
    kind = load(name)
    method = kind(build(kind.Options, given, name))
    method.setup(model, context)
    return method


@pytest.mark.parametrize(
    ("name", "wrapper", "given"),
    [
        ("tpt:TPT", None, {"views": 8}),
        ("tpt:TPT", {}, {"views": 8}),
        ("zero:Zero", None, {"views": 8}),
        ("tent:Tent", None, {}),
        ("tent:Tent", {}, {}),
        ("sar:SAR", None, {}),
        ("t3a:T3A", None, {}),
    ],
)
def test_methods_adapt_it_and_return_to_the_source(model, name, wrapper, given):
    before = model.fingerprint()
    method = started(name, model, wrapper, **given)
    pixels = images(6, SIDE)
    with torch.no_grad():
        source = model.logits(pixels).log_softmax(1)
    found = method.step(pixels)
    assert found.shape == (6, len(LABELS))
    torch.testing.assert_close(found.exp().sum(1), torch.ones(6), atol=1e-4, rtol=0)
    if name.startswith("tpt"):
        assert method.counts["updates"] == 6
        assert (found - source).abs().max() > 1e-4
    if name.startswith("tent"):
        assert model.fingerprint() != before
    method.reset()
    assert model.fingerprint() == before
    with torch.no_grad():
        torch.testing.assert_close(model.logits(pixels).log_softmax(1), source)
