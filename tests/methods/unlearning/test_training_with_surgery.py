"""Surgeries through the real loop on a tiny model: invariants, and going on after a kill."""

from __future__ import annotations

from importlib.metadata import entry_points
from itertools import pairwise

import pytest
import torch

from harness.protocols.edit import GradientSurgery, mean_nll, norm
from harness.protocols.edit.training import gradients
from harness_methods.unlearning.ga import GA
from harness_methods.unlearning.geometry import Span
from harness_methods.unlearning.graddiff import GradDiff
from harness_methods.unlearning.npo import NPO
from harness_methods.unlearning.surgery.equal_norm import EqualNorm
from harness_methods.unlearning.surgery.gru import GRU
from harness_methods.unlearning.surgery.gu import GU
from harness_methods.unlearning.surgery.gu_safeprox import SafeProx
from harness_methods.unlearning.surgery.pcgrad import PCGrad
from harness_methods.unlearning.surgery.permuted import Permuted
from harness_methods.unlearning.surgery.random_subspace import RandomSubspace

SURGERIES = {
    point.name.removeprefix("edit.surgery."): point
    for point in entry_points(group="harness.methods")
    if point.name.startswith("edit.surgery.")
}
STATEFUL = [
    (GU, {"rank": 2, "basis": "history"}),
    (GU, {"rank": 2, "metric": "realised"}),
    (GU, {"rank": 2, "trust_region": 0.05}),
    (SafeProx, {"retain_history_rank": 2}),
    (GRU, {}),
    (EqualNorm, {"rank": 2, "basis": "history", "metric": "realised"}),
    (Permuted, {"rank": 2, "basis": "history"}),
    (RandomSubspace, {"rank": 2, "metric": "realised"}),
]


def build(kind, **options):
    return kind(kind.Options(**options))


def test_all_surgeries_are_registered():
    expected = "none gu gu-safeprox pcgrad gru equal-norm permuted random-subspace"
    assert set(expected.split()) <= SURGERIES.keys()


@pytest.mark.parametrize("name", sorted(SURGERIES))
def test_every_surgery_composes_with_every_kind_of_editor(lab, name):
    kind = SURGERIES[name].load()
    assert issubclass(kind, GradientSurgery)
    for editor in (GA, NPO):
        edited, progress = lab.edit(build(editor), build(kind))
        assert all(one.isfinite().all() for one in edited.module.parameters())
        assert len(progress.reports) == 4


@pytest.mark.parametrize("editor", [GA, GradDiff])
@pytest.mark.parametrize("kind", [GU, Permuted, RandomSubspace, EqualNorm])
def test_an_empty_basis_is_the_base_method_bit_for_bit(lab, same, kind, editor):
    plain, _ = lab.edit(build(editor))
    empty, _ = lab.edit(build(editor), build(kind, rank=0))
    other, _ = lab.edit(build(editor), build(kind, rank=1))
    assert same(plain, empty)
    assert not same(plain, other)


@pytest.mark.parametrize("editor", [GA, NPO])
@pytest.mark.parametrize("metric", ["euclidean", "adam", "realised"])
def test_residual_stays_within_the_bound_of_float32(lab, metric, editor):
    surgery = build(GU, rank=3, metric=metric)
    for _, report in lab.edit(build(editor), surgery)[1].reports:
        assert report["residual"] <= 1e-5
        assert 0 < report["preserved"] <= 1


@pytest.mark.parametrize(("kind", "options"), STATEFUL)
@pytest.mark.parametrize("editor", [GA, NPO])
def test_a_killed_edit_goes_on_bit_for_bit(lab, same, kind, options, editor):
    whole, straight = lab.edit(build(editor), build(kind, **options))
    resumed, _ = lab.edit(build(editor), build(kind, **options), progress=straight.killed_after(2))
    assert same(whole, resumed)


def test_forgetting_what_a_surgery_remembers_would_be_seen(lab, same):
    whole, straight = lab.edit(build(NPO), build(GU, rank=3, basis="history"))
    saved = straight.killed_after(2)
    saved.saved["surgery"] = build(GU).state()
    resumed, _ = lab.edit(build(NPO), build(GU, rank=3, basis="history"), progress=saved)
    assert not same(whole, resumed)


def retain_change(lab, size, kind):
    """How much one step of gradient ascent, of a given size, changes the retain loss."""
    model = lab.model(torch.float64)
    editor = build(GA, optimiser="sgd", lr=size, warmup=0, schedule="constant", max_grad_norm=None)
    budget = lab.budget(steps=1)
    batch = model.batch(lab.data.retain_batch(budget.seed, 0, budget.batch_size))

    def loss():
        with torch.no_grad():
            # Double precision, which the harness's own loss leaves.
            found = model.module(input_ids=batch.ids, attention_mask=batch.mask).logits
            shifted, targets = found[:, :-1].transpose(1, 2), batch.labels[:, 1:]
            return torch.nn.functional.cross_entropy(shifted, targets).item()

    before = loss()
    lab.edit(editor, kind, budget=budget, model=model)
    return abs(loss() - before)


def test_the_retain_loss_changes_to_second_order_only(lab):
    sizes = (4e-3, 2e-3, 1e-3)
    projected = [retain_change(lab, size, build(GU)) for size in sizes]
    plain = [retain_change(lab, size, None) for size in sizes]
    for large, small in pairwise(projected):
        assert large / small == pytest.approx(4, rel=0.1)
    for large, small in pairwise(plain):
        assert large / small == pytest.approx(2, rel=0.1)
    assert projected[-1] < plain[-1] / 50


@pytest.mark.parametrize("metric", ["adam", "realised"])
def test_the_executed_step_of_adam_is_orthogonal_to_the_retain_gradient(lab, weights, metric):
    model, budget = lab.model(torch.float64), lab.budget(steps=1)
    before = weights(model)
    batch = model.batch(lab.data.retain_batch(budget.seed, 0, budget.batch_size))
    found = model.module(input_ids=batch.ids, attention_mask=batch.mask)
    retain = gradients(mean_nll(found.logits, batch.labels), list(model.module.parameters()))
    lab.edit(build(GA), build(GU, metric=metric), budget=budget, model=model)
    step = [one.detach() - before[name] for name, one in model.module.named_parameters()]
    product = sum(float((one * other).sum()) for one, other in zip(retain, step, strict=True))
    assert abs(product) <= 1e-6 * norm(retain) * norm(step)
    assert norm(step) > 0


def test_the_parts_of_the_step_of_adam_with_momentum_sum_to_it(lab, same):
    """Without projection, forget part and retain part are the optimiser's own step."""

    class Nothing(GU):
        def directions(self, moment, *, probe):
            return [[torch.zeros_like(one) for one in moment.forget]], None

    plain, _ = lab.edit(build(NPO))
    split, _ = lab.edit(build(NPO), build(Nothing, metric="realised"))
    for one, other in zip(plain.module.parameters(), split.module.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_memory_of_adam_holds_no_forgetting_that_was_not_projected(lab):
    """The retain part is built of retain gradients alone, whatever the forget gradients were."""
    steps = []

    class Recording(GU):
        def _parts(self, moment, metric):
            forget, retain = super()._parts(moment, [torch.ones_like(one) for one in metric])
            steps.append((moment.optimiser.lr, moment.retain, retain))
            return forget, retain

    lab.edit(build(NPO), build(Recording, metric="realised"))
    average = [torch.zeros_like(one) for one in steps[0][1]]
    for number, (lr, gradient, part) in enumerate(steps, start=1):
        average = [0.9 * old + 0.1 * new for old, new in zip(average, gradient, strict=True)]
        for mean, one in zip(average, part, strict=True):
            assert torch.allclose(one, -lr * mean / (1 - 0.9**number), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("kind", [GU, PCGrad])
def test_forgetting_spares_the_retain_minibatch(lab, kind):
    changes = []
    for surgery in (None, build(kind)):
        changes.append(retain_change(lab, 1e-2, surgery))
    assert changes[1] < changes[0] / 5


def test_permuted_answers_give_other_directions_and_the_same_ones_again(lab, same):
    first, second = (lab.edit(build(GA), build(Permuted, rank=2))[0] for _ in range(2))
    assert same(first, second)
    assert not same(first, lab.edit(build(GA), build(GU, rank=2))[0])


def test_random_directions_leave_a_step_nearly_as_it_is(lab):
    report = lab.edit(build(GA), build(RandomSubspace, rank=4))[1].reports[0][1]
    assert report["preserved"] > 0.99


def test_equal_norm_is_as_long_as_gu(lab, weights):
    def step(surgery):
        before = weights(lab.model())
        after = weights(lab.edit(build(GA), surgery, budget=lab.budget(steps=1))[0])
        return [after[name] - before[name] for name in before]

    assert norm(step(build(EqualNorm))) == pytest.approx(norm(step(build(GU))), rel=1e-3)
    assert Span([step(build(EqualNorm))]).share(step(None)) == pytest.approx(1, abs=1e-4)


def test_coverage_is_reported_where_it_is_asked_for(lab):
    reports = lab.edit(build(GA), build(GU, rank=2, coverage_every=2))[1].reports
    assert ["coverage" in report for _, report in reports] == [True, False, True, False]
    assert 0 < reports[0][1]["coverage"] <= 1
