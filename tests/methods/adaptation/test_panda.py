"""Negatives of a batch, and features that lose their mean."""

from __future__ import annotations

import pytest
import torch

from harness.errors import UsageError
from harness.protocols.adapt import TextClassifier
from harness_methods.adaptation.panda import (
    Debiased,
    Panda,
    PandaOptions,
    assemble,
    number_of_negatives,
)
from harness_methods.adaptation.patches import join, split

BATCH = torch.arange(5 * 3 * 18 * 18, dtype=torch.float32).view(5, 3, 18, 18)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def options(**given):
    return PandaOptions(**{"patch": 4, "share": 0.4, **given})


def test_patches_come_together_again():
    patches = split(BATCH, 6)
    assert patches.shape == (5, 9, 3, 6, 6)
    assert torch.equal(patches[2, 5], BATCH[2, :, 6:12, 12:18])
    assert torch.equal(join(patches, 3), BATCH)


def test_a_tenth_of_the_batch_rounded_up():
    assert [number_of_negatives(size, 0.1) for size in (2, 10, 11, 100)] == [1, 1, 2, 10]
    assert all(number_of_negatives(size, 0.1) == -(-size // 10) for size in range(1, 1000))


def test_random_assembly_takes_each_patch_once_and_from_several_images():
    negatives = assemble(BATCH, options(), draws())
    taken = split(negatives, 4).flatten(0, 1)
    pool = {
        tuple(one.flatten().tolist()): place
        for place, one in enumerate(split(BATCH, 4).flatten(0, 1))
    }
    places = [pool[tuple(one.flatten().tolist())] for one in taken]
    assert negatives.shape == (2, 3, 18, 18)
    assert len(set(places)) == 2 * 16
    assert {place // 16 for place in places} == {0, 1, 2, 3, 4}
    assert any(place % 16 != at % 16 for at, place in enumerate(places))


def test_same_position_takes_from_other_images_and_keeps_places():
    pool = split(BATCH, 4)
    for seed in range(20):
        negatives = assemble(BATCH, options(assembly="same-position"), draws(seed))
        for negative in negatives:
            base = next(i for i in range(5) if torch.equal(negative[:, 16:], BATCH[i, :, 16:]))
            for place, patch in enumerate(split(negative[None], 4)[0]):
                origin = [i for i in range(5) if torch.equal(patch, pool[i, place])]
                assert len(origin) == 1
                assert origin != [base]


@pytest.mark.parametrize("assembly", ["random", "same-position"])
def test_border_beyond_the_last_patch_is_a_base_images(assembly):
    for negative in assemble(BATCH, options(assembly=assembly), draws()):
        assert any(
            torch.equal(negative[:, 16:], one[:, 16:])
            and torch.equal(negative[:, :, 16:], one[:, :, 16:])
            for one in BATCH
        )


@pytest.mark.parametrize("assembly", ["random", "same-position"])
def test_two_images_are_enough_and_draws_are_the_generators(assembly):
    before = torch.random.get_rng_state()
    chosen = options(assembly=assembly, share=0.1)
    one, same = (assemble(BATCH[:2], chosen, draws(4)) for _ in range(2))
    assert one.shape == (1, 3, 18, 18)
    assert torch.equal(one, same)
    assert not torch.equal(one, assemble(BATCH[:2], chosen, draws(5)))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_images_are_not_changed():
    before = BATCH.clone()
    assemble(BATCH, options(), draws())
    assert torch.equal(BATCH, before)


@pytest.mark.parametrize(("feature", "scores"), [((1.0, 0.0), (70, -40)), ((0.0, 1.0), (-30, 60))])
def test_scores_of_a_known_feature(numbers, images_of, context_for, feature, scores):
    model = numbers(torch.nn.Identity(), [[100.0, 0.0], [0.0, 100.0]])
    answers = iter([torch.tensor([feature]), torch.tensor([[0.6, 0.8]])])
    model.features = lambda images: next(answers)  # of the images, then of the negatives
    context = context_for("tent")
    wrapped = Panda(PandaOptions(beta=0.5, patch=8)).wrap(model, context)
    assert wrapped.logits(images_of([[0.0], [0.0]]))[0].tolist() == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize("norm", ["batch", "layer", "text"])
def test_features_lose_beta_times_the_mean_of_negatives(tiny, batches, context_for, norm):
    images, chosen = batches(1, size=30)[0], PandaOptions(beta=0.3, patch=8)
    plain = tiny(norm)
    wrapped = Panda(chosen).wrap(tiny(norm), context_for("tent"))
    negatives = assemble(images, chosen, context_for("tent").generator)
    assert len(negatives) == 3
    expected = plain.encode(images) - 0.3 * plain.encode(negatives).mean(0, keepdim=True)
    assert torch.equal(wrapped.encode(images), expected)


def test_features_of_a_text_classifier_are_not_normalised_again(tiny, batches, context_for):
    wrapped = Panda(PandaOptions(beta=0.5, patch=8)).wrap(tiny("text"), context_for("tent"))
    assert isinstance(wrapped, TextClassifier)
    lengths = wrapped.encode(batches(1)[0]).norm(dim=1)
    assert (lengths - 1).abs().max() > 0.05
    assert torch.equal(wrapped.class_features(wrapped.context()), wrapped.class_weights())


def test_beta_0_is_the_model_itself(tiny, start, batches):
    plain, wrapped = start("tent", tiny()), start("tent", tiny(), {"beta": 0})
    for images in batches(3):
        assert torch.equal(plain.step(images), wrapped.step(images))
    assert wrapped.model.work.forwards == plain.model.work.forwards


@pytest.mark.parametrize(("method", "beta"), [("source", 0.6), ("zero", 0.4), ("tent", 0.2)])
def test_beta_is_the_released_codes_for_the_method(tiny, context_for, method, beta):
    assert Panda(PandaOptions(patch=8)).wrap(tiny(), context_for(method)).beta == beta


def test_one_image_alone_is_predicted_as_it_is_and_counted(tiny, start, batches):
    plain, wrapped = start("source", tiny()), start("source", tiny(), {"beta": 0.6})
    image = batches(1, size=1)[0]
    assert torch.equal(plain.step(image), wrapped.step(image))
    assert wrapped.counts == {"undebiased": 1}


def test_views_are_debiased_by_their_batch(tiny, batches, context_for):
    images, chosen = batches(1)[0], PandaOptions(beta=0.3, patch=8)
    plain, wrapped = tiny("layer"), Panda(chosen).wrap(tiny("layer"), context_for("memo"))
    negatives = assemble(images, chosen, context_for("memo").generator)
    expected = plain.encode(images[:1]) - 0.3 * plain.encode(negatives).mean(0, keepdim=True)
    assert torch.equal(wrapped.encode(images[:1], images), expected)


def test_needs_two_images_and_a_linear_head():
    needed = Panda(PandaOptions()).requires()
    assert (needed.batch, needed.class_weights) == (2, True)


@pytest.mark.parametrize("patch", [32, 16, 9])
def test_images_of_less_than_two_patches_a_side_are_refused(tiny, context_for, patch):
    with pytest.raises(UsageError, match=f"patches of {patch} pixels.*images have 16.*patch=2"):
        Panda(PandaOptions(patch=patch)).wrap(tiny(), context_for("tent"))


def test_weights_are_shared_with_the_model(tiny, context_for):
    model = tiny()
    wrapped = Panda(PandaOptions(patch=8)).wrap(model, context_for("tent"))
    source = wrapped.copy()
    model.module.head.weight.data.add_(1)
    assert wrapped.fingerprint() == model.fingerprint()
    assert wrapped.module is model.module
    assert wrapped.work is model.work
    wrapped.restore(source)
    assert model.fingerprint() == tiny().fingerprint()
    assert wrapped.late("last.1")


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_flows_through_negatives_unless_detached(tiny, batches, context_for, detach):
    chosen = PandaOptions(beta=0.5, patch=8, detach=detach)
    images, plain = batches(1)[0], tiny("layer")
    wrapped = Panda(chosen).wrap(tiny("layer"), context_for("tent"))
    assert isinstance(wrapped, Debiased)
    wrapped.encode(images).sum().backward()
    plain.encode(images).sum().backward()
    gradient, other = wrapped.module.scale.bias.grad, plain.module.scale.bias.grad
    factor = 1.0 if detach else 0.5  # the bias shifts features and negatives alike
    assert torch.allclose(gradient, factor * other)
