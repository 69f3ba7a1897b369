"""What holds for every adapter, with and without `panda`: reset, resumption, draws, divergence."""

from __future__ import annotations

import inspect
import io
import subprocess
import sys

import pytest
import torch

from harness.errors import MethodError
from harness.protocols.adapt import Order

CASES = [
    ("source", "batch", {}),
    ("source", "none", {}),
    ("source", "text", {}),
    ("bn-adapt", "batch", {}),
    ("bn-adapt", "batch", {"alpha": 0.1}),
    ("bn-adapt", "batch", {"prior": 16}),
    ("tent", "batch", {"lr": 0.05}),
    ("tent", "group", {"lr": 0.05, "predict": "after"}),
    ("tent", "text", {"lr": 0.01, "optimiser": "adam"}),
    ("eta", "batch", {"lr": 0.05, "margin": 0.9, "diversity": 2}),
    ("eata", "layer", {"lr": 0.05, "margin": 0.9, "diversity": 2, "fisher_images": 20}),
    ("sar", "batch", {"lr": 0.05, "margin": 0.9}),
    ("sar", "layer", {"lr": 0.05, "margin": 0.9, "threshold": 1.5}),
    ("deyo", "batch", {"lr": 0.05, "margin": 0.9, "plpd": -0.2}),
    ("deyo", "text", {"lr": 0.05, "margin": 0.99, "plpd": -1, "patches": 3}),
    ("cotta", "batch", {"lr": 0.05, "threshold": 1, "augmentations": 2, "restore": 0.1}),
    ("cotta", "none", {"lr": 0.05, "threshold": 0}),
    ("rotta", "batch", {"lr": 0.05, "capacity": 6, "every": 5, "nu": 0.5}),
    ("rotta", "group", {"lr": 0.05, "capacity": 6, "every": 8, "nu": 0.5}),
    ("rdumb", "batch", {"lr": 0.05, "margin": 0.9, "diversity": 2, "every": 4}),
    ("memo", "batch", {"lr": 0.05, "views": 3}),
    ("memo", "none", {"lr": 0.05, "views": 3, "optimiser": "adamw"}),
    ("lame", "batch", {}),
    ("lame", "batch", {"affinity": "knn", "symmetric": True}),
    ("t3a", "batch", {"keep": 3}),
    ("tpt", "text", {"views": 8, "share": 0.3, "lr": 0.1}),
    ("zero", "text", {"views": 8}),
]
LEARNING = [case for case in CASES if case[0] in {"tent", "eta", "eata", "sar", "deyo", "rdumb"}]
DIVERGING = [case for case in LEARNING if case[0] not in {"sar", "deyo"}]
"""Those that adapt the last layer; behind one that normalises no early weight is too large."""
WRAPPERS = [None, {"beta": 0.3}]


def name_of(value):
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "default"
    return str(value)


every_case = pytest.mark.parametrize(("name", "norm", "options"), CASES, ids=name_of)
with_and_without_panda = pytest.mark.parametrize("wrapper", WRAPPERS, ids=name_of)


@every_case
@pytest.mark.parametrize(
    "wrapper", [*WRAPPERS, {"assembly": "same-position", "detach": True}], ids=name_of
)
def test_killed_stream_continues_as_if_it_had_not_been(
    tiny, start, batches, name, norm, options, wrapper
):
    stream = batches(6)
    straight = start(name, tiny(norm), wrapper, **options)
    expected = [straight.step(images) for images in stream]

    first = start(name, tiny(norm), wrapper, **options)
    outputs = [first.step(images) for images in stream[:3]]
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second = start(name, tiny(norm), wrapper, **options)
    second.load(torch.load(file, weights_only=True))
    outputs += [second.step(images) for images in stream[3:]]

    assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))
    assert second.model.fingerprint() == straight.model.fingerprint()
    assert second.counts == straight.counts


@every_case
@with_and_without_panda
def test_reset_returns_the_source_and_the_same_predictions(
    tiny, start, batches, name, norm, options, wrapper
):
    method = start(name, tiny(norm), wrapper, **options)
    source = tiny(norm).fingerprint()
    draws = method.context.generator.get_state()
    first = [method.step(images) for images in batches(3)]
    method.reset()
    assert method.model.fingerprint() == source
    method.context.generator.set_state(draws)
    assert all(
        torch.equal(method.step(images), before)
        for images, before in zip(batches(3), first, strict=True)
    )


@every_case
@with_and_without_panda
def test_predictions_are_log_probabilities_and_draws_are_the_contexts(
    tiny, start, batches, name, norm, options, wrapper
):
    method = start(name, tiny(norm), wrapper, **options)
    before = torch.random.get_rng_state()
    for images in batches(2):
        for given in (method.step(images), method.predict(images)):
            assert given.shape == (8, 5)
            assert not given.requires_grad
            assert torch.allclose(given.exp().sum(1), torch.ones(8), atol=1e-5)
    assert torch.equal(torch.random.get_rng_state(), before)


@every_case
def test_images_stay_as_they_are(tiny, start, batches, name, norm, options):
    method = start(name, tiny(norm), {"beta": 0.3}, **options)
    images = batches(1)[0]
    before = images.clone()
    method.step(images)
    assert torch.equal(images, before)


@every_case
def test_labels_are_no_argument(load, name, norm, options):
    assert list(inspect.signature(load(name).step).parameters) == ["self", "images"]


@every_case
def test_broken_weights_are_told(tiny, start, batches, name, norm, options):
    method = start(name, tiny(norm), **options)
    state = method.state()
    broken = {
        k: v * float("nan") if v.is_floating_point() else v for k, v in state["weights"].items()
    }
    method.model.restore(broken)
    method.source = broken
    if name in {"cotta", "rotta"}:
        method.teacher = broken
    with pytest.raises(MethodError):
        method.step(batches(1)[0])


@pytest.mark.parametrize(("name", "norm", "options"), DIVERGING, ids=name_of)
def test_divergence_is_told(tiny, start, batches, name, norm, options):
    method = start(name, tiny(norm), **{**options, "lr": 1e38, "optimiser": "sgd"})
    with pytest.raises(MethodError, match="diverged"):
        for images in batches(8):
            method.step(images)


@pytest.mark.parametrize(("name", "norm", "options"), LEARNING, ids=name_of)
@with_and_without_panda
def test_only_norm_layers_learn(tiny, start, batches, name, norm, options, wrapper):
    method = start(name, tiny(norm), wrapper, **options)
    before = method.model.copy()
    for images in batches(2):
        method.step(images)
    assert method.counts["updates"] > 0
    if "resets" in method.counts:
        return
    changed = {k for k, v in method.model.copy().items() if not torch.equal(v, before[k])}
    layers = {key.rpartition(".")[0] for key in changed}
    spared = name in {"sar", "deyo"}
    assert layers <= ({"early.1", "scale"} if spared else {"early.1", "last.1", "scale"})
    assert layers


@pytest.mark.parametrize("name", ["source", "bn-adapt", "lame", "t3a", "memo"])
def test_weights_stay_the_sources(tiny, start, batches, name):
    method = start(name, tiny(), **({"views": 2} if name == "memo" else {}))
    source = method.model.fingerprint()
    for images in batches(2):
        method.step(images)
        assert method.model.fingerprint() == source


@pytest.mark.parametrize(
    ("name", "norm", "options", "forwards", "backwards"),
    [
        ("source", "batch", {}, 8, 0),
        ("tent", "batch", {}, 8, 8),
        ("tent", "batch", {"predict": "after"}, 16, 8),
        ("sar", "batch", {"margin": 0.99}, 16, 16),
        ("cotta", "batch", {"threshold": 0}, 24, 8),
        ("cotta", "batch", {"threshold": 1, "augmentations": 4}, 48, 8),
        ("memo", "batch", {"views": 4}, 40, 32),
        ("zero", "text", {"views": 4}, 32, 0),
        ("tpt", "text", {"views": 4, "share": 0.5}, 32, 16),
    ],
)
def test_work_is_counted(tiny, start, batches, name, norm, options, forwards, backwards):
    method = start(name, tiny(norm), **options)
    method.step(batches(1)[0])
    assert (method.model.work.forwards, method.model.work.backwards) == (forwards, backwards)


def test_panda_adds_one_forward_for_ten_images(tiny, start, batches):
    method = start("source", tiny(), {})
    method.step(batches(1, size=20)[0])
    assert method.model.work.forwards == 22


def test_order_is_told(load):
    first = {"source", "tent", "eta", "eata", "sar", "deyo", "cotta", "rotta", "rdumb", "zero"}
    after = {"bn-adapt", "memo", "lame", "t3a", "tpt"}
    assert all(load(name).order is Order.PREDICT_FIRST for name in first)
    assert all(load(name).order is Order.ADAPT_FIRST for name in after)
    kind = load("tent")
    assert kind(kind.Options(predict="after")).order is Order.ADAPT_FIRST


def test_modules_do_not_import_torch():
    code = (
        "import sys, pkgutil, importlib, harness_methods.adaptation as a\n"
        "for one in pkgutil.iter_modules(a.__path__):\n"
        "    importlib.import_module(f'{a.__name__}.{one.name}')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
