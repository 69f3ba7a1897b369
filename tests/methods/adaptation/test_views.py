"""Views: in range, of the same size, the same again from the same seed; and colours by hand."""

from __future__ import annotations

from math import pi

import pytest
import torch

from harness_methods.adaptation import colour
from harness_methods.adaptation.views import (
    JITTER,
    OPERATIONS,
    augmix,
    crop_and_flip,
    crops,
    strong,
    warp,
)

MAKERS = [crop_and_flip, augmix, strong, *OPERATIONS, *JITTER]


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def image(size=16, number=1):
    return torch.rand(number, 3, size, size, generator=draws(9))


def pixel(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)


@pytest.mark.parametrize("make", MAKERS)
def test_views_are_images_and_drawn_from_the_generator(make):
    before = torch.random.get_rng_state()
    for seed in range(12):
        view = make(image(), draws(seed))
        assert view.shape == (1, 3, 16, 16)
        assert view.min() >= -1e-6
        assert view.max() <= 1 + 1e-6
        assert torch.equal(view, make(image(), draws(seed)))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("make", [crop_and_flip, augmix, strong])
def test_views_differ(make):
    generator = draws()
    assert not torch.equal(make(image(), generator), make(image(), generator))


def test_an_even_image_stays_what_it_is():
    grey = torch.full((1, 3, 16, 16), 0.5)
    assert torch.allclose(crop_and_flip(grey, draws()), grey, atol=1e-6)


def test_first_view_is_the_image():
    views = crops(image(), 5, draws())
    assert views.shape == (5, 3, 16, 16)
    assert torch.equal(views[:1], image())
    assert crops(image(), 1, draws()).shape == (1, 3, 16, 16)


def test_batch_gets_one_strong_augmentation():
    same = image().expand(2, -1, -1, -1)
    first, second = strong(same, draws())
    assert (first - second).abs().max() < 0.06  # the noise alone


def test_warp_of_nothing_is_the_image():
    assert torch.allclose(warp(image()), image(), atol=1e-5)


def test_warp_turns_shifts_and_shears():
    corner = torch.zeros(1, 3, 16, 16)
    corner[..., :4, :4] = 1.0
    turned = warp(corner, rotation=pi / 2)
    quarter = [torch.rot90(corner, k, (2, 3)) for k in (1, -1)]
    assert any(torch.allclose(turned, one, atol=1e-4) for one in quarter)
    shifted = warp(corner, shift=(0.25, 0.5))
    assert torch.allclose(shifted[..., 8:12, 4:8], torch.ones(1, 3, 4, 4), atol=1e-4)
    assert shifted.sum().item() == pytest.approx(48, abs=1e-3)
    middle = warp(torch.ones(1, 3, 16, 16), shift=(0.5, 0.0))
    assert middle[..., :7].sum() == 0
    assert warp(torch.ones(1, 3, 16, 16), shift=(0.5, 0.0), edges="border").min() == 1
    sheared = warp(image(), shear=(0.5, 0.0))
    assert torch.allclose(sheared[..., 7:9, 3:13], image()[..., 7:9, 3:13], atol=0.3)


def test_warp_scales():
    dot = torch.zeros(1, 3, 16, 16)
    dot[..., 6:10, 6:10] = 1.0
    assert warp(dot, scale=2.0).sum().item() == pytest.approx(4 * 48, rel=0.1)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [(0, (1, 0, 0)), (1 / 3, (0, 1, 0)), (-1 / 3, (0, 0, 1)), (1 / 6, (1, 1, 0))],
)
def test_hue_of_red(turn, expected):
    assert torch.allclose(colour.hue(pixel(1, 0, 0), turn), pixel(*expected), atol=1e-5)


def test_hue_unturned_is_the_image_and_grey_has_none():
    assert torch.allclose(colour.hue(image(), 0.0), image(), atol=1e-5)
    assert torch.allclose(colour.hue(pixel(0.4, 0.4, 0.4), 0.3), pixel(0.4, 0.4, 0.4))


def test_brightness_contrast_saturation_gamma():
    half = pixel(0.8, 0.4, 0.2)
    grey = 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.2
    assert torch.allclose(colour.brightness(half, 1.5), pixel(1.0, 0.6, 0.3))
    assert torch.allclose(colour.saturation(half, 0.0), pixel(grey, grey, grey))
    assert torch.allclose(colour.contrast(half, 0.5), half / 2 + grey / 2)
    assert torch.allclose(colour.gamma(half, 2.0), half**2)


def test_stretch_is_for_each_channel():
    stretched = colour.stretch(0.2 + 0.3 * image())
    assert torch.allclose(stretched.amin((2, 3)), torch.zeros(1, 3), atol=1e-6)
    assert torch.allclose(stretched.amax((2, 3)), torch.ones(1, 3), atol=1e-6)
    even = torch.full((1, 3, 4, 4), 0.3)
    assert torch.equal(colour.stretch(even), even)


def test_posterise_and_solarise():
    values = pixel(0x1F / 255, 0x80 / 255, 1.0)
    assert torch.allclose(colour.posterise(values, 4), pixel(0x10 / 255, 0x80 / 255, 0xF0 / 255))
    assert torch.allclose(colour.posterise(values, 8), values)
    assert torch.allclose(colour.solarise(pixel(0.2, 0.9, 1.0), 0.9), pixel(0.2, 0.1, 0.0))


def test_equalise_as_pil_does():
    pil = pytest.importorskip("PIL.Image")
    ops = pytest.importorskip("PIL.ImageOps")
    np = pytest.importorskip("numpy")
    pixels = np.random.default_rng(0).integers(40, 90, (32, 32, 3), dtype=np.uint8)
    for given in (pixels, pixels // 60 * 60, np.full_like(pixels, 7)):
        tensor = torch.from_numpy(given).permute(2, 0, 1)[None].float() / 255
        expected = np.asarray(ops.equalize(pil.fromarray(given)))
        found = (colour.equalise(tensor)[0].permute(1, 2, 0) * 255).round().byte().numpy()
        assert (found == expected).all()
