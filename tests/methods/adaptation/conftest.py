"""Tiny classifiers of images of 16 x 16 pixels, and methods set up on them."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn

from harness.options import build
from harness.protocols.adapt import Classifier, Context, TextClassifier

CLASSES = tuple("abcde")
ADAPTERS = {
    "source": "source:Source",
    "bn-adapt": "bn_adapt:BNAdapt",
    "tent": "tent:Tent",
    "eta": "eta:ETA",
    "eata": "eata:EATA",
    "sar": "sar:SAR",
    "deyo": "deyo:DeYO",
    "cotta": "cotta:CoTTA",
    "rotta": "rotta:RoTTA",
    "rdumb": "rdumb:RDumb",
    "memo": "memo:MEMO",
    "lame": "lame:LAME",
    "t3a": "t3a:T3A",
    "tpt": "tpt:TPT",
    "zero": "zero:Zero",
    "panda": "panda:Panda",
}


def load(name):
    module, _, attribute = ADAPTERS[name].partition(":")
    return getattr(importlib.import_module(f"harness_methods.adaptation.{module}"), attribute)


class Net(nn.Module):
    """Two convolutions with normalisation, the second the last stage, and a linear head."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        kinds = {
            "batch": nn.BatchNorm2d,
            "group": lambda width: nn.GroupNorm(2, width),
            "layer": lambda width: nn.GroupNorm(1, width),
            "none": lambda width: nn.Identity(),
        }
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), kinds[norm](6), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), kinds[norm](8), nn.ReLU())
        self.scale = nn.LayerNorm(8) if norm == "layer" else nn.Identity()
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(8, len(CLASSES))

    def encode(self, images):
        return self.dropout(self.scale(self.last(self.early(images)).mean((2, 3))))


class Tiny(Classifier):
    def features(self, images):
        return self.module.encode((images - 0.5) / 0.25)

    def head(self, features):
        return self.module.head(features)

    def class_weights(self):
        return self.module.head.weight

    def late(self, name):
        return name.startswith("last")


class TextNet(Net):
    def __init__(self) -> None:
        super().__init__("layer")
        self.words = nn.Parameter(torch.randn(4, 6))
        self.names = nn.Parameter(torch.randn(len(CLASSES), 6))
        self.text = nn.Linear(6, 8)


class TinyText(Tiny, TextClassifier):
    scale = 10.0

    def features(self, images):
        return nn.functional.normalize(super().features(images), dim=1)

    def head(self, features):
        return self.scale * features @ self.class_weights().T

    def class_weights(self):
        return self.class_features(self.module.words).detach()

    def context(self):
        return self.module.words.detach().clone()

    def class_features(self, context):
        texts = self.module.text(torch.tanh(context.mean(0) + self.module.names))
        return nn.functional.normalize(texts, dim=1)


class Numbers(Classifier):
    """Features are the first numbers of an image, through a layer; scores are theirs times rows."""

    def __init__(self, layer, rows, classes=None) -> None:
        super().__init__(layer, classes or range(len(rows)), 16)
        self.rows = torch.tensor(rows, dtype=torch.float32)

    def features(self, images):
        return self.module(images[:, 0, 0, : self.rows.shape[1]])

    def head(self, features):
        return features @ self.rows.T

    def class_weights(self):
        return self.rows


def images_of(rows):
    """Images that carry numbers for `Numbers`."""
    images = torch.zeros(len(rows), 3, 16, 16)
    images[:, 0, 0, : len(rows[0])] = torch.tensor(rows)
    return images


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return make()


def tiny(norm="batch"):
    def make():
        net = TextNet() if norm == "text" else Net(norm)
        for name, one in net.named_buffers():
            if name.endswith("running_mean"):
                nn.init.normal_(one, std=0.1)
        net.head.weight.data.mul_(6)
        kind = TinyText if norm == "text" else Tiny
        return kind(net.eval(), CLASSES, 16)

    return seeded(make)


def batches(number, size=8):
    draws = torch.Generator().manual_seed(3)
    return [torch.rand(size, 3, 16, 16, generator=draws) for _ in range(number)]


def context_for(name, seed=0):
    draws = torch.Generator().manual_seed(seed)

    def source_images(number):
        clean = torch.rand(number, 3, 16, 16, generator=torch.Generator().manual_seed(11))
        return list(clean.split(8))

    return Context(seed, draws, name, 8, source_images)


def start(name, model, wrapper=None, **options):
    """A method set up on a model, behind `panda` where its options are given."""
    context = context_for(name)
    if wrapper is not None:
        kind = load("panda")
        model = kind(build(kind.Options, {"patch": 8, **wrapper}, "panda")).wrap(model, context)
    kind = load(name)
    method = kind(build(kind.Options, options, name))
    method.setup(model, context)
    return method


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(name="tiny")
def _tiny():
    return tiny


@pytest.fixture(name="start")
def _start():
    return start


@pytest.fixture(name="batches")
def _batches():
    return batches


@pytest.fixture(name="numbers")
def _numbers():
    return Numbers


@pytest.fixture(name="images_of")
def _images_of():
    return images_of


@pytest.fixture(name="context_for")
def _context_for():
    return context_for


@pytest.fixture(name="load")
def _load():
    return load
