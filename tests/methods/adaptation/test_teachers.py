"""Teachers: `cotta`, `rotta` with its memory, and the statistics and weights they hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness_methods.adaptation.bank import Bank, Item
from harness_methods.adaptation.cotta import Consistency, consistency
from harness_methods.adaptation.statistics import keep_robust_statistics, mix_statistics
from harness_methods.adaptation.teacher import follow, using

IMAGE = torch.zeros(3, 2, 2)


def near(value):
    return pytest.approx(value, abs=1e-5)


def same(weights, others):
    return all(torch.equal(one, others[name]) for name, one in weights.items())


def test_other_weights_are_used_for_a_while(tiny):
    model = tiny()
    own, other = model.fingerprint(), {k: v + 1 for k, v in model.copy().items()}
    with using(model, other):
        assert same(model.copy(), other)
    assert model.fingerprint() == own
    with pytest.raises(KeyError), using(model, other):
        raise KeyError
    assert model.fingerprint() == own


def test_teacher_follows_weights_and_keeps_buffers(tiny):
    model, teacher = tiny(), {k: torch.zeros_like(v) for k, v in tiny().copy().items()}
    moved = follow(teacher, model.module, 0.9)
    weight = model.module.head.weight
    assert torch.allclose(moved["head.weight"], 0.1 * weight)
    assert torch.equal(moved["early.1.running_mean"], torch.zeros(6))


def test_consistency_both_ways():
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    assert consistency(student, teacher, Consistency.CROSS_ENTROPY).item() == near(0.693147)
    # -(log s(2) + log s(-2)) / 2 = 1.126928 the other way
    assert consistency(student, teacher, Consistency.SYMMETRIC).item() == near(0.910038)


def test_cotta_predicts_by_the_teacher_before_the_step(tiny, start, batches):
    images = batches(1)[0]
    method = start("cotta", tiny(), threshold=0, restore=0, lr=0.1)
    assert torch.equal(method.step(images), start("bn-adapt", tiny()).step(images))


def test_cotta_teacher_is_an_average_of_students(tiny, start, batches):
    method = start("cotta", tiny(), threshold=0, restore=0, lr=0.1, ema=0.8)
    source = method.model.copy()
    method.step(batches(1)[0])
    student = method.model.copy()
    assert not torch.equal(student["head.weight"], source["head.weight"])
    expected = 0.8 * source["head.weight"] + 0.2 * student["head.weight"]
    assert torch.allclose(method.teacher["head.weight"], expected)


def test_cotta_restores_weights_at_random(tiny, start, batches):
    method = start("cotta", tiny(), threshold=0, restore=1, lr=0.1)
    source = method.model.copy()
    method.step(batches(1)[0])
    assert same(method.model.copy(), source)
    method = start("cotta", tiny(), threshold=0, restore=0.5, lr=0.1)
    method.step(batches(1)[0])
    weight = method.model.copy()["early.0.weight"]
    share = (weight == source["early.0.weight"]).float().mean().item()
    assert 0.3 < share < 0.7


@pytest.mark.parametrize(("threshold", "averaged"), [(0.0, 0), (1.0, 2)])
def test_cotta_averages_where_the_source_is_unsure(tiny, start, batches, threshold, averaged):
    method = start("cotta", tiny(), threshold=threshold, augmentations=2)
    for images in batches(2):
        method.step(images)
    assert method.counts.get("averaged", 0) == averaged


def test_robust_statistics_by_hand():
    layer = torch.nn.BatchNorm1d(1, eps=0).eval()
    keep_robust_statistics(layer, 0.05)
    batch = torch.tensor([[1.0], [3.0]])
    assert layer(batch)[:, 0].tolist() == near([1.0, 3.0])
    layer.training = True
    assert layer(batch)[:, 0].tolist() == near([0.9, 2.9])
    assert (layer.running_mean.item(), layer.running_var.item()) == (near(0.1), near(1.0))
    layer.training = False
    assert layer(batch)[:, 0].tolist() == near([0.9, 2.9])


@pytest.mark.parametrize("put", [keep_robust_statistics, mix_statistics])
def test_statistics_put_in_place_twice_are_put_in_place_once(tiny, batches, put):
    def outputs(times):
        model = tiny()
        for _ in range(times):
            put(model.module, 0.3 if put is keep_robust_statistics else lambda _: 0.3)
        for layer in (model.module.early[1], model.module.last[1]):
            layer.training = True
        return model.logits(batches(1)[0])

    assert torch.equal(outputs(1), outputs(3))


def test_statistics_need_those_of_the_source():
    layer = torch.nn.BatchNorm1d(1, track_running_stats=False)
    with pytest.raises(UsageError, match="alpha=1"):
        mix_statistics(layer, lambda _: 0.1)


def test_rotta_predicts_as_the_source_until_the_first_update(tiny, start, batches):
    method, source = start("rotta", tiny(), every=64, lr=0.1), start("source", tiny())
    for images in batches(8):
        assert torch.allclose(method.step(images), source.step(images), atol=1e-5)
    assert method.counts == {"updates": 1}
    images = batches(9)[-1]
    assert not torch.allclose(method.step(images), source.step(images), atol=1e-5)


def test_rotta_updates_in_the_midst_of_a_batch(tiny, start, batches):
    method = start("rotta", tiny(), every=3)
    method.step(batches(1)[0])
    assert method.counts == {"updates": 2}
    assert len(method.bank) <= 64


def test_rotta_teacher_and_student_have_statistics_of_their_own(tiny, start, batches):
    method = start("rotta", tiny(), every=8, alpha=0.2)
    source = method.model.copy()["early.1.running_mean"]
    method.step(batches(1)[0])
    student = method.model.copy()["early.1.running_mean"]
    teacher = method.teacher["early.1.running_mean"]
    assert not torch.equal(student, source)
    assert not torch.equal(teacher, source)
    assert not torch.equal(teacher, student)


def test_rotta_teacher_moves_by_nu(tiny, start, batches):
    method = start("rotta", tiny(), every=8, nu=0.25, lr=0.1)
    source = method.model.copy()["last.1.weight"]
    method.step(batches(1)[0])
    student = method.model.copy()["last.1.weight"]
    assert not torch.equal(student, source)
    assert torch.allclose(method.teacher["last.1.weight"], 0.75 * source + 0.25 * student)


def item(label, uncertainty=0.5):
    return Item(IMAGE, label, uncertainty)


def test_bank_makes_room_for_other_classes():
    bank = Bank(6, 3, 1.0, 1.0)
    for _ in range(10):
        bank.add(item(0))
    assert bank.sizes() == [2, 0, 0]
    for label in (1, 2, 1, 2, 1, 2):
        bank.add(item(label))
    assert bank.sizes() == [2, 2, 2]


def test_bank_drops_the_uncertain_and_the_old():
    bank = Bank(1, 1000, 1.0, 1.0)
    bank.add(item(0, 3.0))
    bank.add(item(0, 5.0))  # worse, and not old enough a rival
    assert [one.uncertainty for one in bank] == [3.0]
    bank.add(item(0, 1.0))
    assert [one.uncertainty for one in bank] == [1.0]
    for _ in range(3):
        bank.add(item(0, 1.01))  # by now the old one is the worse
    assert [one.uncertainty for one in bank] == [1.01]


def test_bank_ages_in_units_of_its_capacity():
    bank = Bank(4, 2, 1.0, 1.0)
    for label in (0, 1, 0):
        bank.add(item(label))
    images, ages = bank.contents()
    assert images.shape == (3, 3, 2, 2)
    assert ages.tolist() == [0.75, 0.25, 0.5]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1.38)), max_size=60),
    st.integers(1, 12),
)
def test_bank_is_never_too_full_and_no_class_takes_more_than_its_share(items, capacity):
    bank = Bank(capacity, 4, 1.0, 1.0)
    for label, uncertainty in items:
        bank.add(item(label, uncertainty))
        assert len(bank) <= capacity
        assert max(bank.sizes()) <= -(-capacity // 4)
    again = Bank(capacity, 4, 1.0, 1.0)
    again.restore(bank.state())
    assert list(again) == list(bank)
