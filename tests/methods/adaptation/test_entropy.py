"""Entropy minimisation: `tent`, `eta`, `eata`, `rdumb`, `sar`, `deyo`, by hand where it can be."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace

import pytest
import torch

from harness.protocols.adapt import NormKind, entropy
from harness_methods.adaptation.deyo import occlude, plpd, shuffle_patches, shuffle_pixels
from harness_methods.adaptation.eta import diverse, weighted
from harness_methods.adaptation.sar import ascent, moved


def near(value):
    return pytest.approx(value, abs=1e-5)


def scale_of_one(numbers):
    """Scores (a, 0) for the image (1, -1), with a = 1 the first scale."""
    layer = torch.nn.LayerNorm(2, eps=0, bias=False)
    layer.weight.data = torch.tensor([1.0, 0.0])
    return numbers(layer, [[1.0, 0.0], [0.0, 1.0]])


def test_tent_by_hand(numbers, images_of, start):
    method = start("tent", scale_of_one(numbers), lr=1, momentum=0)
    image = images_of([[1.0, -1.0]])
    before = method.step(image)
    assert entropy(before).item() == near(0.582203)
    assert method.model.module.weight[0].item() == near(1.196612)
    assert before[0].tolist() == near([-log(1 + exp(-1)), -log(1 + exp(1))])


def test_tent_after_the_step_is_surer(numbers, images_of, start):
    method = start("tent", scale_of_one(numbers), lr=1, momentum=0, predict="after")
    assert entropy(method.step(images_of([[1.0, -1.0]]))).item() < 0.5


def test_batch_norm_by_the_batch(numbers, images_of, start):
    model = numbers(torch.nn.BatchNorm1d(1, eps=1e-12).eval(), [[1.0]])
    method = start("bn-adapt", model)
    method.step(images_of([[1.0], [3.0]]))
    assert model.encode(images_of([[1.0], [3.0]]))[:, 0].tolist() == near([-1.0, 1.0])


@pytest.mark.parametrize(
    ("options", "share"), [({"alpha": 0.5}, 0.5), ({"prior": 2}, 0.5), ({"prior": 6}, 0.25)]
)
def test_batch_norm_between_source_and_batch(numbers, images_of, start, options, share):
    layer = torch.nn.BatchNorm1d(1, eps=0).eval()
    layer.running_var.fill_(3.0)
    method = start("bn-adapt", numbers(layer, [[1.0]]), **options)
    method.reset()
    features = method.model.encode(images_of([[1.0], [3.0]]))[:, 0]
    mean, variance = 2 * share, (1 - share) * 3 + share
    assert features.tolist() == near([(x - mean) / variance**0.5 for x in (1, 3)])


def test_batch_norm_needs_batch_norm(load):
    kind = load("bn-adapt")
    assert kind(kind.Options()).requires().norms == {NormKind.BATCH}


@pytest.mark.parametrize(("classes", "margin"), [(1000, 2.763102), (100, 1.842068), (10, 0.921034)])
@pytest.mark.parametrize("name", ["eta", "eata", "sar"])
def test_margin_of_entropy(load, name, classes, margin):
    method = load(name)(load(name).Options())
    method.model = SimpleNamespace(classes=range(classes))
    assert method.margin == near(margin)


def test_margin_of_rdumb_is_that_of_its_code(load):
    method = load("rdumb")(load("rdumb").Options())
    method.model = SimpleNamespace(classes=range(1000))
    assert method.margin == near(log(1000) / 2 - 1)


def test_weights_grow_with_certainty_and_have_no_gradient():
    entropies = torch.tensor([0.5, 1.0], requires_grad=True)
    loss = weighted(entropies, 1.0)
    loss.backward()
    assert loss.item() == near((exp(0.5) * 0.5 + 1.0) / 2)
    assert entropies.grad.tolist() == near([exp(0.5) / 2, 0.5])


def test_diverse_is_unlike_the_average():
    probabilities = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    average = torch.tensor([1.0, 0.0])
    assert diverse(probabilities, average, 0.05).tolist() == [False, True, False]
    assert diverse(probabilities, average, 0.7).tolist() == [False, True, True]


def test_eta_learns_from_kept_samples_alone(tiny, start, batches):
    images = torch.cat(batches(4))
    logits = tiny("layer").logits(images).detach()
    order = entropy(logits).argsort()
    chosen = images[order[[0, -1]]]  # the surest and the least sure
    margin = float(entropy(logits)[order].mean()) / log(5)
    method = start("eta", tiny("layer"), lr=0.1, momentum=0, margin=margin)
    method.step(chosen)
    assert method.counts == {"reliable": 1, "selected": 1, "updates": 1}

    expected = tiny("layer")
    sure = entropy(expected.logits(chosen[:1]))[0]
    (exp(margin * log(5) - sure.item()) * sure).backward()
    weight = expected.module.scale.weight
    moved_weight = weight.detach() - 0.1 * weight.grad
    assert torch.allclose(method.model.module.scale.weight, moved_weight, atol=1e-5)


def test_eta_drops_what_is_like_before(tiny, start, batches):
    images = batches(1)[0]
    method = start("eta", tiny("layer"), lr=1e-6, margin=1)
    method.step(images)
    kept, first = method.counts["selected"], method.average
    weights = method.model.fingerprint()
    method.step(images)
    assert kept == 8
    assert method.counts["selected"] == kept
    assert method.counts["reliable"] == 16
    assert torch.equal(method.average, first)
    assert method.model.fingerprint() == weights  # and no momentum moves it


def test_eta_average_moves_by_a_tenth(tiny, start, batches):
    method = start("eta", tiny("layer"), lr=1e-9, margin=1, diversity=2)
    first, second = batches(2)
    a, b = (method.step(images).exp().mean(0) for images in (first, second))
    assert torch.allclose(method.average, 0.9 * a + 0.1 * b, atol=1e-6)


@pytest.mark.parametrize("name", ["eta", "eata", "rdumb"])
def test_reset_clears_the_average_unless_asked(tiny, start, batches, name):
    options = {"margin": 1, **({"fisher_images": 8} if name == "eata" else {})}
    for keep in (False, True):
        method = start(name, tiny("layer"), keep_average=keep, **options)
        method.step(batches(1)[0])
        method.reset()
        assert (method.average is not None) is keep


def test_eta_makes_no_step_on_nothing(tiny, start, batches):
    method = start("eta", tiny("layer"), margin=1e-9)
    source = method.model.fingerprint()
    method.step(batches(1)[0])
    assert method.counts == {"reliable": 0, "selected": 0}
    assert method.model.fingerprint() == source
    assert method.average is None


def test_fisher_is_the_mean_of_squared_batch_gradients(tiny, start, context_for):
    method = start("eata", tiny("layer"), fisher_images=16)
    model, total = tiny("layer"), 0.0
    for images in context_for("eata").source_images(16):
        logits = model.logits(images)
        model.module.zero_grad()
        torch.nn.functional.cross_entropy(logits, logits.argmax(1)).backward()
        total = total + model.module.scale.weight.grad**2
    names = [
        name for name, one in model.module.named_parameters() if "1" in name or "scale" in name
    ]
    assert torch.allclose(method._fisher[names.index("scale.weight")], total / 2, rtol=1e-4)
    assert method.model.work.backwards == 16
    assert method.requires().source_images == 16


def test_fisher_term_by_hand(tiny, start):
    method = start("eata", tiny("layer"), fisher_images=8, beta=3)
    assert method.penalty().item() == 0
    method._fisher = [torch.full_like(one, 2.0) for one in method._fisher]
    with torch.no_grad():
        method.model.module.scale.weight[0] += 0.5
    assert method.penalty().item() == near(3 * 2 * 0.25)


def test_fisher_term_holds_weights_back(tiny, start, batches):
    def distance(beta):
        method = start(
            "eata", tiny("layer"), lr=0.05, margin=1, fisher_images=8, beta=beta, diversity=2
        )
        for images in batches(4):
            method.step(images)
        source = tiny("layer").module.state_dict()
        return sum(
            float((one - source[name]).norm())
            for name, one in method.model.module.state_dict().items()
        )

    assert distance(5.0) < distance(0.0)


def test_rdumb_returns_to_the_source_every_so_many_batches(tiny, start, batches):
    options = {"lr": 0.05, "margin": 0.9, "diversity": 2, "every": 2}
    method, fresh = (start("rdumb", tiny(), **options) for _ in range(2))
    stream = batches(5)
    outputs = [method.step(images) for images in stream]
    assert method.counts["resets"] == 2
    assert torch.equal(outputs[2], fresh.step(stream[2]))
    assert torch.equal(outputs[3], fresh.step(stream[3]))


def test_ascent_is_as_long_as_rho():
    step = ascent([torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])], 0.05)
    assert step[0].tolist() == near([0.03, 0.0])
    assert step[1].tolist() == [near([0.04])]


def test_average_of_entropies():
    assert moved(None, 2.0) == 2.0
    assert moved(2.0, 1.0) == near(1.9)


def test_sar_steps_with_the_gradient_uphill(tiny, start, batches):
    images = batches(1)[0]
    method = start("sar", tiny("group"), lr=0.1, momentum=0, margin=1, rho=0.2, threshold=0)
    method.step(images)

    model = tiny("group")
    weights = [model.module.early[1].weight, model.module.early[1].bias]
    first = torch.autograd.grad(entropy(model.logits(images)).mean(), weights)
    before = [one.detach().clone() for one in weights]
    with torch.no_grad():
        for one, step in zip(weights, ascent(list(first), 0.2), strict=True):
            one += step
    second = torch.autograd.grad(entropy(model.logits(images)).mean(), weights)
    learned = [method.model.module.early[1].weight, method.model.module.early[1].bias]
    for one, start_value, gradient in zip(learned, before, second, strict=True):
        assert torch.allclose(one, start_value - 0.1 * gradient, atol=1e-6)


@pytest.mark.parametrize("reference", [False, True])
def test_sar_recovers_when_it_is_too_sure(tiny, start, batches, reference):
    options = {"lr": 0.05, "margin": 1, "threshold": 10, "reference_reset": reference}
    method = start("sar", tiny(), **options)
    source = method.model.fingerprint()
    for images in batches(3):
        method.step(images)
        assert method.model.fingerprint() == source
        assert (method.average is not None) is reference
    assert method.counts["resets"] == 3


def test_sar_never_recovers_with_threshold_0(tiny, start, batches):
    method = start("sar", tiny(), lr=0.05, margin=1, threshold=0)
    for images in batches(3):
        method.step(images)
    assert "resets" not in method.counts
    assert method.model.fingerprint() != tiny().fingerprint()


def test_sar_filters_again_uphill(tiny, start, batches):
    method = start("sar", tiny(), margin=0.8, rho=5)
    for images in batches(4):
        method.step(images)
    assert 0 < method.counts["selected"] < method.counts["reliable"]


def test_difference_of_probabilities_is_that_of_the_predicted_class():
    logits = torch.tensor([[log(3.0), 0.0], [0.0, 0.0]])
    destroyed = torch.tensor([[0.0, 0.0], [0.0, log(3.0)]])
    assert plpd(logits, destroyed).tolist() == near([0.25, 0.25])


@pytest.mark.parametrize("shuffle", [lambda x, g: shuffle_patches(x, 4, g), shuffle_pixels])
def test_shuffling_moves_pixels_and_changes_none(batches, shuffle):
    images = batches(1)[0]
    shuffled = shuffle(images, torch.Generator().manual_seed(0))
    assert not torch.equal(shuffled, images)
    assert torch.equal(shuffled.flatten(2).sort(2).values, images.flatten(2).sort(2).values)


def test_patches_are_shuffled_whole(batches):
    image = torch.arange(16.0).view(1, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    shuffled = shuffle_patches(image, 4, torch.Generator().manual_seed(0))
    blocks = shuffled.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
    assert (blocks == blocks[..., :1]).all()


def test_images_of_odd_sizes_keep_them():
    images = torch.rand(2, 3, 17, 17, generator=torch.Generator().manual_seed(0))
    assert shuffle_patches(images, 4, torch.Generator()).shape == images.shape


def test_occlusion_covers_the_middle(batches):
    covered, images = occlude(batches(1)[0]), batches(1)[0]
    assert torch.equal(covered[:, :, :4], images[:, :, :4])
    assert torch.allclose(covered[:, :, 4:12, 4:12], images.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("destruction", ["patch", "pixel", "occlusion"])
def test_deyo_keeps_fewer_with_a_higher_bound(tiny, start, batches, destruction):
    kept = []
    for bound in (-1, 0.05, 0.99):
        method = start(
            "deyo", tiny("group"), margin=1, plpd=bound, destruction=destruction, lr=1e-6
        )
        for images in batches(3):
            method.step(images)
        kept.append(method.counts["selected"])
    assert kept[0] == 24
    assert kept[0] > kept[1] > 0
    assert kept[2] == 0


def test_deyo_weighs_by_certainty_and_shape(tiny, start):
    method = start("deyo", tiny("group"))
    loss = method._loss(torch.tensor([0.5]), torch.tensor([0.3]))
    assert loss.item() == near(0.5 * (exp(0.4 * log(5) - 0.5) + exp(0.3)))
