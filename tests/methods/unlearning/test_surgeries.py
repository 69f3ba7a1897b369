"""Surgeries on one step: reference vectors, with an optimiser of a given rate and metric."""

from __future__ import annotations

import pytest
import torch

from harness.protocols.edit import Diverged, Moment
from harness_methods.unlearning.surgery.equal_norm import EqualNorm
from harness_methods.unlearning.surgery.gru import GRU
from harness_methods.unlearning.surgery.gu import GU
from harness_methods.unlearning.surgery.gu_safeprox import SafeProx
from harness_methods.unlearning.surgery.pcgrad import PCGrad
from harness_methods.unlearning.surgery.permuted import Permuted
from harness_methods.unlearning.surgery.random_subspace import RandomSubspace

FORGET = [1.0, 2.0, 3.0, 4.0]
BASIS = [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]
V = [0.04, 1.0, 0.25, 0.01]


class Preconditioned:
    """-lr g / H, with a fixed H and no momentum."""

    momentum = 0.0

    def __init__(self, lr=1.0, metric=None):
        self.lr = lr
        self._metric = metric

    def metric(self, gradient):
        return [torch.ones_like(one) for one in gradient] if self._metric is None else self._metric

    def preview(self, gradient):
        pairs = zip(gradient, self.metric(gradient), strict=True)
        return [-self.lr * one / scale for one, scale in pairs]


def vector(values):
    return [torch.tensor(values)]


def moment(forget, basis=(), retain=None, optimiser=None, permuted=(), index=0):
    return Moment(
        index=index,
        forget=vector(forget),
        retain=None if retain is None else vector(retain),
        retain_gradients=lambda count: [vector(one) for one in list(basis)[:count]],
        permuted_gradients=lambda count: [vector(one) for one in list(permuted)[:count]],
        optimiser=optimiser or Preconditioned(),
        seed=0,
    )


def build(kind, **options):
    return kind(kind.Options(**options))


def values(parts):
    return torch.cat([one.flatten() for one in parts]).tolist()


def near(expected):
    return pytest.approx(expected, abs=1e-6)


def adam():
    return Preconditioned(metric=[torch.tensor(V).sqrt()])


def test_gu_projects_the_forget_gradient():
    update = build(GU, rank=2).update(moment(FORGET, BASIS))
    assert values(update.gradient) == near([-1 / 3, -1 / 3, 3, 1 / 3])
    assert update.delta is None
    assert update.report["preserved"] == near(0.5577734)
    assert update.report["residual"] < 1e-6


def test_gu_keeps_the_retain_gradient_whole():
    update = build(GU, rank=2).update(moment(FORGET, BASIS, retain=BASIS[0]))
    assert values(update.gradient) == near([2 / 3, -1 / 3, 3, 4 / 3])
    alone = build(GU, rank=2, joint=False).update(moment(FORGET, BASIS, retain=BASIS[0]))
    assert values(alone.gradient) == near([-1 / 3, -1 / 3, 3, 1 / 3])


def test_gu_trust_region_is_the_longest_step_that_leaves_the_retain_loss():
    update = build(GU, rank=2, trust_region=0.1).update(moment(FORGET, BASIS))
    # The reference vector is that of an ascent; a step descends.
    assert values(update.delta) == near([0.0109109, 0.0109109, -0.0981981, -0.0109109])
    gain = -sum(a * b for a, b in zip(values(update.delta), FORGET, strict=True))
    assert gain == near(0.3055050)


def test_gu_adam_steps_within_the_first_order_of_the_retain_loss():
    update = build(GU, rank=2, metric="adam", floor=0).update(
        moment(FORGET, BASIS, optimiser=adam())
    )
    step = values(update.delta)
    assert step == near([0.7692308, 0.7692308, -6, -0.7692308])
    for one in BASIS:
        assert sum(a * b for a, b in zip(one, step, strict=True)) == pytest.approx(0, abs=1e-5)
    assert values(update.gradient) == FORGET  # what the optimiser's state sees


def test_euclidean_gu_then_preconditioning_does_not():
    kept = build(GU, rank=2).update(moment(FORGET, BASIS)).gradient
    step = values(adam().preview(kept))
    products = [sum(a * b for a, b in zip(one, step, strict=True)) for one in BASIS]
    assert products == near([-1.6666667, -3.0])


@pytest.mark.parametrize("floor", [0, 1])
def test_gu_realised_is_gu_adam_where_the_optimiser_has_no_memory(floor):
    made = [
        build(GU, rank=2, metric=metric, floor=floor).update(
            moment(FORGET, BASIS, retain=[1.0, -1.0, 0.5, 0.0], optimiser=adam())
        )
        for metric in ("adam", "realised")
    ]
    assert values(made[0].delta) == near(values(made[1].delta))


def test_gu_with_a_floor_satisfies_the_constraint_too():
    update = build(GU, rank=2, metric="adam", floor=1).update(
        moment(FORGET, BASIS, optimiser=adam())
    )
    for one in BASIS:
        product = sum(a * b for a, b in zip(one, values(update.delta), strict=True))
        assert product == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("metric", ["euclidean", "adam", "realised"])
@pytest.mark.parametrize("kind", [GU, Permuted, RandomSubspace, EqualNorm])
def test_an_empty_basis_is_the_plain_step(kind, metric):
    now = moment(FORGET, BASIS, retain=BASIS[1])
    update = build(kind, rank=0, metric=metric).update(now)
    assert update.delta is None
    assert torch.equal(update.gradient[0], now.plain()[0])


def test_gu_history_spans_the_last_gradients_and_survives_a_kill():
    first = build(GU, rank=2, basis="history")
    first.update(moment(FORGET, [BASIS[0]]))
    second = build(GU, rank=2, basis="history")
    second.load(first.state())
    update = second.update(moment(FORGET, [BASIS[1]], index=1))
    assert values(update.gradient) == near([-1 / 3, -1 / 3, 3, 1 / 3])
    third = second.update(moment(FORGET, [BASIS[1]], index=2))
    assert third.report["preserved"] > update.report["preserved"]  # the oldest is forgotten


def test_coverage_is_of_a_further_retain_gradient_every_so_often():
    surgery = build(GU, rank=1, coverage_every=2)
    basis = [[1.0, 0, 0, 0], [3.0, 4.0, 0, 0]]
    assert surgery.update(moment(FORGET, basis)).report["coverage"] == near(0.6)
    assert "coverage" not in surgery.update(moment(FORGET, basis, index=1)).report


def test_gu_with_a_retain_gradient_that_is_not_finite_says_at_which_step():
    with pytest.raises(Diverged, match="step 4"):
        build(GU).update(moment(FORGET, [[float("nan")] * 4], index=3))


def test_gu_with_a_zero_forget_gradient_makes_no_forget_step():
    for options in ({}, {"metric": "adam"}, {"metric": "realised"}, {"trust_region": 0.1}):
        update = build(GU, **options).update(moment([0.0] * 4, BASIS))
        step = update.gradient if update.delta is None else update.delta
        assert values(step) == [0.0] * 4
        assert update.report["preserved"] == 1


def test_permuted_projects_on_permuted_gradients():
    update = build(Permuted, rank=1).update(moment(FORGET, BASIS, permuted=[[0.0, 0, 1, 0]]))
    assert values(update.gradient) == near([1, 2, 0, 4])


def test_random_subspace_takes_no_retain_gradient_and_repeats_its_draws():
    def refused(count):
        raise AssertionError("no retain gradient is needed")

    found = []
    for index in (0, 0, 1):
        now = moment(FORGET, index=index)
        now.retain_gradients = refused
        found.append(values(build(RandomSubspace, rank=2).update(now).gradient))
    assert found[0] == found[1] != found[2]


def test_equal_norm_makes_the_plain_step_with_the_length_of_gu():
    update = build(EqualNorm, rank=2).update(moment(FORGET, BASIS))
    length = sum(one * one for one in FORGET) ** 0.5
    expected = [-0.5577734 * one for one in FORGET]
    assert values(update.delta) == near(expected)
    assert torch.linalg.vector_norm(update.delta[0]).item() == near(0.5577734 * length)


def test_pcgrad_leaves_gradients_that_agree():
    now = moment([1.0, 1.0], retain=[1.0, 0.0])
    assert torch.equal(build(PCGrad).update(now).gradient[0], now.plain()[0])


def test_pcgrad_projects_gradients_that_conflict():
    now = moment([-1.0, 1.0], retain=[2.0, 0.0])
    assert values(build(PCGrad).update(now).gradient) == near([2, 1])
    assert values(build(PCGrad, symmetric=True).update(now).gradient) == near([1, 2])


def test_pcgrad_of_a_method_without_retain_loss_adds_none():
    now = moment([-1.0, 1.0], basis=[[2.0, 0.0]])
    assert values(build(PCGrad).update(now).gradient) == near([0, 1])


def test_gru_projects_on_the_average_of_retain_gradients():
    surgery = build(GRU, moving_avg=0.8)
    surgery.update(moment([1.0, 1.0], [[1.0, 0.0]]))
    resumed = build(GRU, moving_avg=0.8)
    resumed.load(surgery.state())
    # average .8 (0, 1) + .2 (.8, 0) = (.16, .8); <(-1, -1), average> < 0
    update = resumed.update(moment([-1.0, -1.0], [[0.0, 1.0]], index=1))
    factor = -0.96 / (0.16**2 + 0.8**2)
    assert values(update.gradient) == near([-1 - factor * 0.16, -1 - factor * 0.8])


def test_gru_leaves_gradients_that_agree():
    now = moment([1.0, 1.0], [[1.0, 0.0]], retain=[3.0, 0.0])
    assert torch.equal(build(GRU).update(now).gradient[0], now.plain()[0])


def test_gru_with_a_clipped_cosine_leaves_the_conflict_beyond_it():
    now = moment([-2.0, 0.0], [[1.0, 0.0]])
    assert values(build(GRU).update(now).gradient) == near([0, 0])
    assert values(build(GRU, cos_clip=-0.5).update(now).gradient) == near([-1, 0])


@pytest.mark.parametrize(
    ("step", "expected"), [([-2.0, 1.0], [-2.1, 0.7]), ([-2.0, -1.0], [-2.0, -1.0])]
)
def test_safeprox(step, expected):
    gradient = [-one for one in step]
    update = build(SafeProx).update(moment(gradient, [[1.0, 3.0]]))
    assert values(update.delta) == near(expected)


def test_the_equality_moves_a_step_that_safeprox_leaves():
    update = build(GU, metric="realised").update(moment([2.0, 1.0], [[1.0, 3.0]]))
    assert values(update.delta) == near([-1.5, 0.5])


def test_safeprox_heeds_past_retain_gradients():
    surgery = build(SafeProx, retain_history_rank=1)
    surgery.update(moment([0.0, 0.0, 1.0], [[1.0, 0.0, 0.0]]))
    update = surgery.update(moment([-1.0, -1.0, -1.0], [[0.0, 1.0, 0.0]], index=1))
    assert values(update.delta) == near([0, 0, 1])
    update = surgery.update(moment([-1.0, -1.0, -1.0], [[0.0, 1.0, 0.0]], index=2))
    assert values(update.delta) == near([1, 0, 1])
