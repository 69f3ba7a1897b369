"""Methods of one image or of predictions: `memo`, `lame`, `t3a`, `tpt`, `zero`."""

from __future__ import annotations

import pytest
import torch

from harness.errors import UsageError
from harness.protocols.adapt import entropy
from harness_methods.adaptation.lame import Affinity, adjusted, affinity
from harness_methods.adaptation.memo import marginal_entropy
from harness_methods.adaptation.t3a import prototypes, surest
from harness_methods.adaptation.tpt import surest_views
from harness_methods.adaptation.zero import vote


def near(value, within=1e-4):
    return pytest.approx(value, abs=within)


def test_entropy_of_the_mean_is_more_than_the_mean_entropy():
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    assert entropy(logits).mean().item() == near(0.365334, 1e-6)
    assert marginal_entropy(logits).item() == near(0.693147, 1e-6)


def test_entropy_of_certain_views_is_0_and_has_a_gradient():
    logits = torch.tensor([[1e4, 0.0], [1e4, 0.0]], requires_grad=True)
    loss = marginal_entropy(logits)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.isfinite().all()


def test_memo_predicts_each_image_by_itself(tiny, start, batches):
    images = batches(1)[0]
    method = start("memo", tiny(), views=2, lr=0.1)
    together = method.step(images)
    method.context.generator.manual_seed(0)
    apart = torch.cat([method.step(image[None]) for image in images])
    assert torch.allclose(together, apart, atol=1e-6)


def test_memo_adapts(tiny, start, batches):
    images = batches(1)[0]
    method = start("memo", tiny(), views=4, lr=0.1)
    assert not torch.allclose(method.step(images), method.predict(images), atol=1e-3)
    assert method.counts["updates"] == 8


def test_memo_without_a_prior_is_on_the_sources_statistics(tiny, start, batches):
    images = batches(1)[0]
    source = start("source", tiny()).step(images)
    assert torch.allclose(start("memo", tiny(), prior=None).predict(images), source, atol=1e-6)
    assert not torch.allclose(start("memo", tiny()).predict(images), source, atol=1e-3)


Q = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, [0.8805, 0.1195, 0.5974, 0.4026]),
        (100, [0.9175, 0.0825, 0.6058, 0.3942]),
    ],
)
def test_lame_by_hand(steps, expected):
    assert adjusted(Q.log(), SWAP, steps).exp().flatten().tolist() == near(expected)


def test_lame_without_neighbours_changes_nothing():
    assert torch.allclose(adjusted(Q.log(), torch.zeros(2, 2), 100), Q.log())


def test_nearest_neighbours_are_others():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    nearest = affinity(features, Affinity.KNN, 1)
    assert nearest.diagonal().sum() == 0
    assert nearest.sum(1).tolist() == [1, 1, 1, 1]
    assert nearest[3, 2] == 1
    assert affinity(features, Affinity.KNN, 50).sum(1).tolist() == [3, 3, 3, 3]


def test_affinities_of_unit_features():
    features = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert affinity(features, Affinity.LINEAR, 5).tolist() == [[1, 0], [0, 1]]
    # the second nearest of two, itself the first, is sqrt 2 away: exp(-1/2)
    expected = [[1.0, 0.606531], [0.606531, 1.0]]
    assert affinity(features, Affinity.RBF, 2).tolist() == [near(row) for row in expected]


def test_t3a_by_hand(numbers, images_of, start):
    method = start("t3a", numbers(torch.nn.Identity(), [[1.0, 0.0], [0.0, 1.0]]))
    predicted = method.step(images_of([[0.8, 0.6]]))
    expected = torch.tensor([[0.9487, 0.6]]).log_softmax(1)
    assert torch.allclose(predicted, expected, atol=1e-4)
    assert torch.allclose(method.predict(images_of([[0.8, 0.6]])), expected, atol=1e-4)


def test_prototypes_are_sums_of_directions():
    supports = torch.tensor([[2.0, 0.0], [0.8, 0.6], [0.0, 5.0]])
    found = prototypes(supports, torch.tensor([0, 0, 1]), 3)
    assert found.flatten().tolist() == near([0.948683, 0.316228, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(None, [3, 0, 1, 2, 4]), (2, [3, 0, 2, 4]), (1, [3, 2]), (-1, [3, 0, 2])],
)
def test_surest_supports_of_each_class(keep, expected):
    labels = torch.tensor([0, 0, 2, 0, 2])
    entropies = torch.tensor([0.2, 0.9, 0.1, 0.1, 0.3])
    assert surest(labels, entropies, 3, keep).tolist() == expected


def test_t3a_keeps_no_more_than_asked(tiny, start, batches):
    method = start("t3a", tiny(), keep=2)
    for images in batches(4):
        method.step(images)
    assert torch.bincount(method.memory()["labels"], minlength=5).max() <= 2
    method = start("t3a", tiny(), keep=None)
    for images in batches(4):
        method.step(images)
    assert len(method.memory()["labels"]) == 5 + 32


def test_the_tenth_of_views_that_is_surest():
    logits = torch.tensor([[0.0, 0.0], [5.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    assert surest_views(logits, 0.5).tolist() == [1, 3]
    assert surest_views(logits, 0.1).tolist() == [1]


def test_tpt_tunes_the_prompt_and_nothing_else(tiny, start, batches):
    images, model = batches(1)[0], tiny("text")
    method = start("tpt", model, views=8, lr=0.1)
    source = model.fingerprint()
    assert not torch.allclose(method.step(images), method.predict(images), atol=1e-3)
    assert model.fingerprint() == source
    assert method.counts == {"updates": 8}


def test_tpt_step_lowers_the_entropy_of_the_mean(tiny, start, batches):
    method = start("tpt", tiny("text"), lr=0.01)
    features = method.model.encode(batches(1)[0]).detach()

    def loss(words):
        scores = method.model.scale * features @ method.model.class_features(words).T
        return marginal_entropy(scores).item()

    assert loss(method._tuned(method.model, features)) < loss(method.model.context())


@pytest.mark.parametrize("name", ["tpt", "zero"])
def test_prompts_are_asked_for(load, name):
    assert load(name)(load(name).Options()).requires().text


def test_tpt_without_prompts_is_refused(tiny, start):
    with pytest.raises(UsageError, match="class texts"):
        start("tpt", tiny())


def scores(*classes):
    """Views of falling certainty that predict these classes, of three."""
    rows = torch.zeros(len(classes), 3)
    for view, k in enumerate(classes):
        rows[view, k] = 20.0 - view
    return rows


def test_votes_of_the_surest_views():
    assert vote(scores(0, 1, 1, 2, 2, 2), 0.5).exp().tolist() == near([1 / 3, 2 / 3, 0])


def test_a_tie_is_broken_by_the_next_surest_view():
    assert vote(scores(0, 1, 2, 1), 0.5).argmax() == 1
    assert vote(scores(1, 0, 0, 1), 0.5).argmax() == 0
    assert vote(scores(1, 0, 2, 2), 0.5).argmax() == 0  # undecided: the first class


def test_votes_do_not_depend_on_the_order_of_views():
    rows = scores(0, 1, 1, 2, 2, 2)
    assert torch.equal(vote(rows.flip(0), 0.5), vote(rows, 0.5))


def test_a_class_without_votes_has_a_finite_log_probability():
    assert vote(scores(0, 0), 1.0).isfinite().all()
