"""Projections on the complement of a span: reference vectors, and what holds for any vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.protocols.edit import dot, norm
from harness_methods.unlearning.geometry import Span, floored, minus
from harness_methods.unlearning.surgery.gu_safeprox import multipliers

SHAPES = ((2, 3), (4,), (1,))
SIZE = 11


def vector(values, dtype=torch.float64):
    """One flat vector as tensors of several shapes."""
    flat = torch.as_tensor(np.asarray(values), dtype=dtype)
    if len(flat) != SIZE:
        return [flat]
    sizes = [int(np.prod(one)) for one in SHAPES]
    return [part.reshape(shape) for part, shape in zip(flat.split(sizes), SHAPES, strict=True)]


def flat(parts):
    return torch.cat([one.flatten() for one in parts]).double().numpy()


NUMBERS = st.floats(-100, 100, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
VECTORS = arrays.arrays(np.float64, SIZE, elements=NUMBERS)
BASES = st.integers(1, 4).flatmap(lambda k: arrays.arrays(np.float64, (k, SIZE), elements=NUMBERS))
METRICS = arrays.arrays(np.float64, SIZE, elements=st.floats(0.01, 100))


def test_reference_vector():
    span = Span([vector([1.0, 0, 0, 1]), vector([0.0, 1, 0, 1])])
    whole = vector([1.0, 2, 3, 4])
    kept = span.without(whole)
    assert flat(kept) == pytest.approx([-1 / 3, -1 / 3, 3, 1 / 3])
    assert norm(kept) / norm(whole) == pytest.approx(0.5577734, abs=1e-7)


def test_projection_is_global_and_not_one_for_each_tensor():
    forget = [torch.tensor([2.0]), torch.tensor([1.0])]
    retain = [torch.tensor([1.0]), torch.tensor([3.0])]
    assert [one.item() for one in Span([retain]).without(forget)] == pytest.approx([1.5, -0.5])


@settings(deadline=None)
@given(BASES, VECTORS)
def test_the_rest_is_orthogonal_to_every_vector_in_float32(basis, values):
    vectors = [vector(one, torch.float32) for one in basis]
    whole = vector(values, torch.float32)
    kept = Span(vectors).without(whole)
    for one in vectors:
        assert abs(dot(one, kept)) <= 1e-5 * norm(one) * norm(whole)


@settings(deadline=None)
@given(BASES, VECTORS, METRICS)
def test_in_a_metric_the_step_of_the_rest_is_orthogonal(basis, values, metric):
    vectors, scale = [vector(one) for one in basis], vector(metric)
    whole = vector(values)
    span = Span(vectors, scale)
    kept = span.without(whole)
    step = [one / h for one, h in zip(kept, scale, strict=True)]
    for one in vectors:
        limit = dot(one, one, scale) ** 0.5 * dot(whole, whole, scale) ** 0.5
        assert abs(dot(one, step)) <= 1e-5 * limit
    assert span.residual(kept, whole) <= 1e-5


@settings(deadline=None)
@given(BASES, VECTORS)
def test_projecting_twice_is_projecting_once(basis, values):
    span = Span([vector(one) for one in basis])
    once = span.without(vector(values))
    assert flat(span.without(once)) == pytest.approx(flat(once), abs=1e-4)


@settings(deadline=None)
@given(BASES, VECTORS)
def test_the_rest_is_no_longer_and_pythagoras_holds(basis, values):
    span, whole = Span([vector(one) for one in basis]), vector(values)
    kept = span.without(whole)
    assert norm(kept) <= norm(whole) * (1 + 1e-9)
    parts = norm(kept) ** 2 + (span.share(whole) * norm(whole)) ** 2
    assert parts == pytest.approx(norm(whole) ** 2, rel=1e-4, abs=1e-6)


@settings(deadline=None)
@given(VECTORS, VECTORS, st.floats(0.1, 10))
def test_dependent_and_zero_vectors_change_nothing(one, values, factor):
    alone = Span([vector(one)])
    many = Span([vector(one), vector(factor * one), vector(np.zeros(SIZE))])
    left, right = alone.without(vector(values)), many.without(vector(values))
    assert flat(right) == pytest.approx(flat(left), abs=1e-6)


def test_nearly_dependent_vectors_stay_within_the_bound():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(1000, generator=generator)
    whole = [torch.randn(1000, generator=generator)]
    for distance in (1e-2, 1e-4, 1e-5, 1e-7):
        second = first + distance * torch.randn(1000, generator=generator)
        kept = Span([[first], [second]]).without(whole)
        for one in (first, second):
            assert abs(dot([one], kept)) <= 1e-5 * norm([one]) * norm(whole)


def test_empty_span_returns_the_vector_itself():
    whole = vector([1.0, 2.0])
    assert Span([]).without(whole) is whole
    assert Span([]).share(whole) == 0
    assert Span([]).residual(whole, whole) == 0


def test_share_is_1_inside_and_0_outside():
    span = Span([vector([1.0, 0, 0]), vector([0.0, 1, 0])])
    assert span.share(vector([3.0, 4, 0])) == pytest.approx(1)
    assert span.share(vector([0.0, 0, 2])) == 0
    assert span.share(vector([3.0, 0, 4])) == pytest.approx(0.6)


def test_vectors_that_are_not_finite_are_seen():
    assert not Span([vector([float("nan"), 1])]).finite
    assert not Span([vector([float("inf"), 1])]).finite


def test_floor_lifts_what_lies_below_its_share_of_the_root_mean_square():
    metric = [torch.tensor([0.0, 3.0]), torch.tensor([4.0, 0.0])]
    assert flat(floored(metric, 1.0)).tolist() == [2.5, 3.0, 4.0, 2.5]
    assert floored(metric, 0.0) is metric


@settings(deadline=None)
@given(BASES, VECTORS, METRICS)
def test_multipliers_meet_the_conditions_of_optimality(basis, values, metric):
    bounds = basis / np.maximum(np.linalg.norm(basis, axis=1, keepdims=True), 1e-12)
    gram, rates = bounds / metric @ bounds.T, bounds @ values
    weights = multipliers(gram, rates, 1e-6)
    found = values - (np.array(weights) @ bounds) / metric
    assert min(weights) >= 0
    slack = bounds @ found
    largest = np.abs(rates).max()
    sizes = np.sqrt(np.maximum(np.diagonal(gram), 1e-12))
    assert (slack / sizes).max() <= 1e-4 * (largest / sizes.min()) + 1e-9
    loss = 0.5 * (metric * (found - values) ** 2).sum()
    assert loss <= 0.5 * (metric * values**2).sum() * (1 + 1e-6) + 1e-9  # no step is allowed too


def test_minus_is_summed_in_double_precision():
    large = [torch.tensor([1e8, 1.0])]
    other = [torch.tensor([1e8, 0.0])]
    assert minus([torch.tensor([0.0, 1.0])], [1.0, -1.0], [large, other])[0].tolist() == [0.0, 0.0]
