"""Editors through the real loop, on a tiny model: they end, resume, and do what they say."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

import pytest
import torch
from pydantic import ValidationError

from harness.errors import UsageError
from harness.models.in_process import InProcessLM
from harness.protocols.edit import GradientEditor, ModelEditor, Step, mean_nll
from harness_methods.unlearning.finetune import Finetune
from harness_methods.unlearning.ga import GA
from harness_methods.unlearning.ga_kl import GAKL
from harness_methods.unlearning.graddiff import GradDiff
from harness_methods.unlearning.identity import Identity
from harness_methods.unlearning.idknll import IdkNLL
from harness_methods.unlearning.npo import NPO
from harness_methods.unlearning.pdu import PDU
from harness_methods.unlearning.retrain import Retrain
from harness_methods.unlearning.rmu import RMU
from harness_methods.unlearning.task_vector import TaskVector
from harness_methods.unlearning.undial import UNDIAL
from harness_methods.unlearning.whp import WHP

EDITORS = {
    point.name.removeprefix("edit.editor."): point
    for point in entry_points(group="harness.methods")
    if point.name.startswith("edit.editor.") and "harness_methods" in point.value
}
TRAINED = sorted(EDITORS.keys() - {"identity", "retrain"})


def editor(name, **options):
    kind = EDITORS[name].load()
    return kind(kind.Options(**options))


def build(kind, **options):
    return kind(kind.Options(**options))


def forget_nll(lab, model):
    batch = model.batch(lab.data.forget)
    with torch.no_grad():
        found = model.module(input_ids=batch.ids, attention_mask=batch.mask)
    return mean_nll(found.logits, batch.labels).item()


def test_all_editors_are_registered():
    expected = (
        "identity retrain ga graddiff ga-kl npo simnpo dpo idknll wga satimp undial ceu pdu rmu "
        "task-vector whp"
    )
    assert set(expected.split()) <= EDITORS.keys()


@pytest.mark.parametrize("name", sorted(EDITORS))
def test_every_editor_names_its_source_and_has_defaults(name):
    kind = EDITORS[name].load()
    assert issubclass(kind, ModelEditor)
    assert kind.about.summary
    assert kind.about.source
    assert kind.Options()
    module = importlib.import_module(kind.__module__)
    assert "arXiv" in module.__doc__ or name in ("identity", "retrain")


@pytest.mark.parametrize("name", TRAINED)
def test_every_editor_ends_with_finite_weights_that_it_reported(lab, weights, name):
    edited, progress = lab.edit(editor(name))
    found = weights(edited)
    assert all(one.isfinite().all() for one in found.values())
    assert [step for step, _ in progress.reports] == [1, 2, 3, 4]
    assert [step for step, _ in progress.checkpoints] == [1, 2, 3, 4]
    last = progress.checkpoints[-1][1]
    assert all(torch.equal(found[one], last[one]) for one in found)


@pytest.mark.parametrize("name", TRAINED)
def test_a_killed_edit_goes_on_bit_for_bit(lab, same, name):
    # The warm-up of PDU's multiplier ends before the kill, so that there is one to be saved.
    options = {"dual_warmup": 0} if name == "pdu" else {}
    whole, straight = lab.edit(editor(name, **options))
    resumed, rest = lab.edit(editor(name, **options), progress=straight.killed_after(2))
    assert [step for step, _ in rest.reports] == [3, 4]
    assert same(whole, resumed)


@pytest.mark.parametrize("name", ["task-vector", "whp", "npo"])
def test_an_edit_killed_after_its_last_step_returns_the_same_model(lab, same, name):
    whole, straight = lab.edit(editor(name))
    resumed, rest = lab.edit(editor(name), progress=straight.killed_after(4))
    assert not rest.reports
    assert same(whole, resumed)


@pytest.mark.parametrize("kind", [Identity, Retrain])
def test_identity_changes_nothing_and_is_evaluated_at_the_end(lab, same, kind):
    edited, progress = lab.edit(build(kind))
    assert same(edited, lab.model())
    assert [step for step, _ in progress.checkpoints] == [4]
    # Told again to a new process, whose evaluation may have been cut short.
    _, again = lab.edit(build(kind), progress=progress.killed_after(4))
    assert [step for step, _ in again.checkpoints] == [4]


def test_retrain_asks_for_the_retrained_model():
    assert Retrain.loads_retrained
    assert not Identity.loads_retrained


@pytest.mark.parametrize("name", ["ga", "ga-kl", "npo", "simnpo", "dpo", "wga", "satimp", "ceu"])
def test_without_a_retain_loss_forget_answers_become_less_likely(lab, name):
    before = forget_nll(lab, lab.model())
    options = {} if name in ("ga", "ceu") else {"alpha": 0}
    edited, _ = lab.edit(editor(name, **options), budget=lab.budget(steps=8))
    assert forget_nll(lab, edited) > before


def test_the_first_step_of_npo_is_that_of_gradient_ascent_on_sums(lab):
    # At the reference, the gradient of NPO is that of the summed negative log-likelihood.
    losses = lab.edit(build(NPO, alpha=0), budget=lab.budget(steps=1))[1].reports[0][1]
    assert losses["forget_loss"] == pytest.approx(2 / 0.1 * 0.6931472, rel=1e-6)
    assert "retain_loss" not in losses


def test_ga_kl_begins_at_a_retain_loss_of_0(lab):
    reports = lab.edit(build(GAKL))[1].reports
    assert reports[0][1]["retain_loss"] == pytest.approx(0, abs=1e-6)
    assert reports[-1][1]["retain_loss"] > 1e-6


def test_idknll_learns_to_decline(lab):
    reports = lab.edit(build(IdkNLL), budget=lab.budget(steps=8))[1].reports
    assert reports[-1][1]["forget_loss"] < reports[0][1]["forget_loss"]


def test_undial_learns_ten_times_as_fast_and_has_no_retain_loss(lab):
    report = lab.edit(build(UNDIAL, warmup=0, schedule="constant"))[1].reports[0][1]
    assert report["lr"] == pytest.approx(0.1)
    assert "retain_loss" not in report


def test_pdu_raises_its_multiplier_while_the_retain_loss_is_above_the_bound(lab):
    surgery = build(PDU, dual_warmup=0.5, dual_step=2.0, retain_eps=1.0)
    _, progress = lab.edit(surgery)
    # Half an epoch of 6 examples in minibatches of 3 is one step.
    expected = 1 + sum(2 * (report["retain_loss"] - 1) for _, report in progress.reports[1:])
    assert surgery.multiplier == pytest.approx(expected)


def test_pdu_never_has_a_negative_multiplier(lab):
    surgery = build(PDU, dual_warmup=0, retain_eps=100.0)
    lab.edit(surgery)
    assert surgery.multiplier == 0


def test_rmu_edits_only_what_lies_before_the_steered_states(lab, weights):
    before = weights(lab.model(layers=4))
    edited, _ = lab.edit(build(RMU), model=lab.model(layers=4))
    changed = {name for name, one in weights(edited).items() if not torch.equal(one, before[name])}
    assert any(".layers.1." in name for name in changed)
    assert not any(".layers.2." in name or "lm_head" in name for name in changed)


def test_rmu_can_edit_down_projections_alone(lab, weights):
    before = weights(lab.model(layers=4))
    edited, _ = lab.edit(build(RMU, trained="down", layer=3), model=lab.model(layers=4))
    changed = {name for name, one in weights(edited).items() if not torch.equal(one, before[name])}
    assert changed == {f"model.layers.{n}.mlp.down_proj.weight" for n in (1, 2, 3)}


def test_rmu_steers_towards_the_control_vector_and_holds_retain_states(lab):
    reports = lab.edit(build(RMU, c=1.0), budget=lab.budget(steps=8))[1].reports
    assert reports[0][1]["retain_loss"] == 0
    assert reports[-1][1]["forget_loss"] < reports[0][1]["forget_loss"]


def test_rmu_refuses_a_layer_that_the_model_lacks(lab):
    with pytest.raises(UsageError, match="0 to 1"):
        lab.edit(build(RMU, layer=2))


def test_task_vector_with_a_0_is_the_target_model(lab, same):
    assert same(lab.edit(build(TaskVector, a=0))[0], lab.model())


def test_task_vector_mirrors_fine_tuning_on_the_forget_set(lab, weights):
    target = weights(lab.model())
    tuned = weights(lab.edit(build(Finetune))[0])
    edited = weights(lab.edit(build(TaskVector, a=2.0))[0])
    for name, one in edited.items():
        assert torch.allclose(one, 3 * target[name] - 2 * tuned[name], atol=1e-6)
    before = forget_nll(lab, lab.model())
    assert forget_nll(lab, lab.edit(build(Finetune))[0]) < before
    assert forget_nll(lab, lab.edit(build(TaskVector, a=1.0))[0]) > before


def test_task_vector_refuses_adapters():
    with pytest.raises(ValidationError, match="lora_rank"):
        TaskVector.Options(lora_rank=4)


def test_whp_decodes_with_a_cache_as_without(lab):
    model, _ = lab.edit(build(WHP))
    assert not model.savable
    prompts = [model.codec.prompt(one.question) for one in lab.data.forget[:3]]
    for prompt in prompts:
        whole, cached, past = list(prompt), list(prompt), None
        for _ in range(8):
            with torch.no_grad():
                full = model.module(input_ids=torch.tensor([whole])).logits[0, -1]
                fed = cached if past is None else cached[-1:]
                found = model.module(
                    input_ids=torch.tensor([fed]), past_key_values=past, use_cache=True
                )
            past = found.past_key_values
            assert torch.allclose(full, found.logits[0, -1], atol=1e-5)
            whole.append(int(full.argmax()))
            cached.append(int(found.logits[0, -1].argmax()))
        assert whole == cached


def test_whp_is_evaluated_as_any_model_of_this_process(lab):
    model, _ = lab.edit(build(WHP))
    backend = InProcessLM(model)
    encoded = [model.codec.encode(one) for one in lab.data.forget]
    assert all(scores.loss > 0 for scores in backend.score(encoded))
    prompts = [model.codec.prompt(one.question) for one in lab.data.forget[:2]]
    assert len(list(backend.generate(prompts, 4))) == 2


def test_whp_with_a_0_answers_as_the_target_model(lab):
    model, target = lab.edit(build(WHP, a=0))[0], lab.model()
    batch = target.batch(lab.data.forget)
    with torch.no_grad():
        one = model.module(input_ids=batch.ids, attention_mask=batch.mask).logits
        other = target.module(input_ids=batch.ids, attention_mask=batch.mask).logits
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["npo", "whp", "rmu"])
def test_editors_work_with_adapters(lab, name):
    edited, _ = lab.edit(editor(name, lora_rank=2))
    assert all(one.isfinite().all() for one in edited.module.parameters())


def test_methods_under_one_seed_see_the_same_minibatches(lab, monkeypatch):
    seen = {}
    for kind in (GA, GradDiff, NPO):
        seen[kind] = []

        def recorded(self, step: Step, kind=kind, loss=kind.forget_loss):
            seen[kind].append((step.forget.example_ids, step.retain.example_ids))
            return loss(self, step)

        monkeypatch.setattr(kind, "forget_loss", recorded)
        lab.edit(build(kind))
    assert seen[GA] == seen[GradDiff] == seen[NPO]
    assert len(set(seen[GA])) > 1


def test_gradient_editors_take_a_surgery_and_the_others_do_not():
    for name, point in EDITORS.items():
        kind = point.load()
        assert kind.takes_surgery == issubclass(kind, GradientEditor), name
