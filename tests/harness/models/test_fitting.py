"""Targets and references: taught alike, made once, kept whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from edits import SHAPE

from harness.errors import MethodError, StorageError
from harness.models.base import ModelRequest
from harness.models.causal import Corpus
from harness.models.fitting import Fitting, fit, kept
from harness.models.in_process import InProcessLM
from harness.protocols.edit import Example
from harness_tasks.unlearning.tiny import TinyTofu

FULL = tuple(
    Example(str(n), str(n % 4), f"what is number {n}?", f"number {n} is {n * 7 % 10}")
    for n in range(20)
)
CORPUS = Corpus(FULL, FULL[5:])
ARGS = tuple(tuple(one.split("=")) for one in (*SHAPE[:3], "epochs=12", "lr=2e-2"))


def tiny():
    return TinyTofu(ModelRequest("tiny-tofu", args=ARGS))


def weights(model):
    return {name: one.detach().clone() for name, one in model.module.named_parameters()}


def equal(one, other):
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def loss(model, examples):
    scores = InProcessLM(model).score([model.codec.encode(one) for one in examples])
    return sum(one.loss for one in scores) / len(examples)


def test_target_knows_the_forget_set_and_the_reference_does_not():
    said = []
    target = tiny().target(CORPUS, 0, None, said.append)
    reference = tiny().retrained(CORPUS, 0, None, said.append)
    assert any("training the target: epoch 12 of 12: loss" in one for one in said)
    assert any("reference (without the forget set)" in one for one in said)
    assert loss(target, FULL[:5]) < loss(reference, FULL[:5])
    assert target.codec.tokenizer.get_vocab() == reference.codec.tokenizer.get_vocab()
    assert not target.module.training


def test_models_are_made_once_and_differ_by_seed(monkeypatch):
    first = tiny().target(CORPUS, 1, None, lambda _text: None)
    monkeypatch.setattr("harness.models.fitting.fit", lambda *_given: pytest.fail("taught again"))
    assert equal(first, tiny().target(CORPUS, 1, None, lambda _text: None))
    monkeypatch.undo()
    assert not equal(first, tiny().target(CORPUS, 2, None, lambda _text: None))


def test_teaching_is_repeatable_whatever_was_drawn_before():
    models = []
    for drawn in (0, 5):
        torch.rand(drawn)
        model = tiny().base(CORPUS, 0)
        fit(model, FULL, Fitting(epochs=1, lr=1e-2, batch_size=4), 0, lambda _text: None)
        models.append(model)
    assert equal(*models)


def test_teaching_that_diverges_says_so():
    model = tiny().base(CORPUS, 0)
    with torch.no_grad():
        next(model.module.parameters()).fill_(float("nan"))
    with pytest.raises(MethodError, match="training the target model diverged in epoch 1"):
        fit(model, FULL, Fitting(epochs=2, lr=1.0), 0, lambda _text: None)


def test_half_written_model_is_never_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    how, made = {"model": "half"}, []

    def make():
        made.append(1)
        return tiny().base(CORPUS, 0)

    def full(self, folder):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("harness.protocols.edit.causal.CausalLM.save", full)
        with pytest.raises(StorageError, match="No space left on device; make room or set"):
            kept(how, make, tiny().read)
    assert not [one for one in (tmp_path / "targets").iterdir() if one.suffix != ".lock"]
    model = kept(how, make, tiny().read)
    assert equal(model, kept(how, make, tiny().read))
    assert len(made) == 2
    (folder,) = [one for one in (tmp_path / "targets").iterdir() if one.is_dir()]
    assert json.loads((Path(folder) / "key.json").read_text())["model"] == "half"


def test_damaged_model_of_the_cache_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    kept({"model": "x"}, lambda: tiny().base(CORPUS, 0), tiny().read)
    (weights_file,) = tmp_path.rglob("model.safetensors")
    weights_file.write_bytes(weights_file.read_bytes()[:100])
    with pytest.raises(StorageError, match=r"targets/\w+ is damaged .*; remove that folder"):
        kept({"model": "x"}, lambda: tiny().base(CORPUS, 0), tiny().read)


def epochs_taught(how):
    said = []
    model = tiny().base(CORPUS, 0)
    fit(model, FULL, how, 0, said.append)
    return int(said[-1].split()[1]), loss(model, FULL)


def test_teaching_ends_soon_after_the_loss_is_low_enough():
    rate = {"lr": 5e-3, "batch_size": 2}
    ends, taught = epochs_taught(Fitting(epochs=40, enough=1.1, **rate))
    assert 4 < ends < 40
    assert taught < 1.1
    # The learning rate has fallen to 0 by then: a model stopped without that knows less.
    assert taught < epochs_taught(Fitting(epochs=ends - 4, **rate))[1]
    assert epochs_taught(Fitting(epochs=6, enough=1e-9, **rate))[0] == 6
