"""Corruptions against their definitions, written out slowly, for both tables of constants.

The references draw from the same seeded `RandomState` as `numpy.random.seed` would, one call for
each call of the original.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures
from scipy import ndimage

from harness_tasks.imagenet_c.corruptions import levels
from harness_tasks.imagenet_c.corruptions.blur import glass_blur, motion_blur, zoom_blur
from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
from harness_tasks.imagenet_c.corruptions.digital import elastic_transform, jpeg_round_trip
from harness_tasks.imagenet_c.corruptions.draws import draws
from harness_tasks.imagenet_c.corruptions.levels import Elastic, Glass, Line, Zooms
from harness_tasks.imagenet_c.corruptions.line_blur import line_blur
from harness_tasks.imagenet_c.corruptions.names import SEVERITIES, Table
from harness_tasks.imagenet_c.corruptions.weather import plasma
from harness_tasks.imagenet_c.corruptions.zooming import magnified

SETTINGS = [
    (table, side, severity)
    for table, side in ((Table.IMAGENET, 224), (Table.CIFAR, 32))
    for severity in SEVERITIES
]


def one_pixel(*rgb):
    return np.array([[rgb]], dtype=np.uint8)


def severe(image, name, severity):
    return corrupt(image, name, severity, draws(0, "image", name, severity))


# By hand.


def test_contrast_shrinks_distances_to_the_mean():
    image = np.zeros((1, 2, 3), dtype=np.uint8)
    image[0, 1] = 200
    # Means are 100; at severity 1 the distances of 100 become 40.
    assert severe(image, "contrast", 1)[0, :, 0].tolist() == [60, 140]
    # At severity 5 they become 5.
    assert severe(image, "contrast", 5)[0, :, 0].tolist() == [95, 105]


def test_brightness_raises_the_largest_channel_and_scales_the_others():
    # Value 100/255 + .1 = 125.5/255; the others keep their ratios .5 and .2.
    assert severe(one_pixel(100, 50, 20), "brightness", 1).ravel().tolist() == [125, 62, 25]
    assert severe(one_pixel(20, 50, 250), "brightness", 5).ravel().tolist() == [20, 51, 255]


def test_saturate_scales_the_distance_to_the_largest_channel():
    # Saturation .8 and .5 of the channels below 100, times .3: .24 and .15.
    assert severe(one_pixel(100, 50, 20), "saturate", 1).ravel().tolist() == [100, 85, 76]
    # Grey has hue 0, so that saturation .1 at severity 4 takes green and blue to 90 %.
    assert severe(one_pixel(100, 100, 100), "saturate", 4).ravel().tolist() == [100, 90, 90]


def test_pixelate_averages_blocks():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)[..., None].repeat(3, axis=-1) * 10
    # Half of the side: blocks of two by two, means 25, 45, 105 and 125.
    expected = np.kron([[25, 45], [105, 125]], np.ones((2, 2)))
    assert np.array_equal(severe(image, "pixelate", 2)[..., 1], expected)


@pytest.mark.parametrize("side", [7, 31, 32, 224, 300])
def test_pixelate_is_pillows_box_filter_both_ways(side, photograph):
    image = photograph(side, side + 3)
    for severity in SEVERITIES:
        share = levels.PIXELATE.at(Table.IMAGENET, severity)
        small = (int((side + 3) * share), int(side * share))
        expected = Pictures.fromarray(image).resize(small, Pictures.Resampling.BOX)
        expected = expected.resize((side + 3, side), Pictures.Resampling.BOX)
        assert np.array_equal(severe(image, "pixelate", severity), np.asarray(expected))


def test_a_flat_image_of_jpegs_own_grey_survives_any_quality():
    flat = np.full((16, 16, 3), 128, dtype=np.uint8)
    for severity in SEVERITIES:
        assert np.array_equal(severe(flat, "jpeg_compression", severity), flat)
    assert np.array_equal(jpeg_round_trip(flat), flat)


def test_a_jpeg_of_lower_quality_is_further_off(photograph):
    image = photograph(64, 64)

    def error(out):
        return np.abs(out.astype(int) - image).mean()

    by_severity = [error(severe(image, "jpeg_compression", each)) for each in SEVERITIES]
    assert by_severity == sorted(by_severity)
    assert error(jpeg_round_trip(image)) < by_severity[0]
    assert error(jpeg_round_trip(image)) == error(jpeg_round_trip(image, 85))


# Noise.


def drawn_noise(name, image, level, state):
    clean = image / 255.0
    if name == "gaussian_noise":
        return clean + state.normal(size=image.shape, scale=level)
    if name == "speckle_noise":
        return clean + clean * state.normal(size=image.shape, scale=level)
    return state.poisson(clean * level) / level


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "speckle_noise"])
def test_noise_is_its_formula(name, table, side, severity, photograph, legacy):
    image = photograph(side, side)
    level = getattr(levels, name.upper()).at(table, severity)
    noisy = drawn_noise(name, image, level, np.random.RandomState(3))
    expected = np.uint8(np.clip(noisy, 0, 1) * 255)
    assert np.array_equal(corrupt(image, name, severity, legacy(3), table=table), expected)


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_impulses_are_as_many_as_asked_half_of_them_salt(table, side, severity):
    image = np.full((side, side, 3), 100, dtype=np.uint8)
    out = corrupt(image, "impulse_noise", severity, draws(4, "flat", "s", 1), table=table)
    assert set(np.unique(out)) == {0, 100, 255}
    amount, count = levels.IMPULSE_NOISE.at(table, severity), out.size
    hits = (out != 100).sum()
    assert abs(hits - amount * count) < 4 * math.sqrt(count * amount * (1 - amount))
    assert abs((out == 255).sum() - hits / 2) < 4 * math.sqrt(hits) / 2


# Blur.


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_magnified_has_the_bits_of_scipy(table, side, severity):
    values = np.random.default_rng(1).random((side, side, 3))
    level = levels.ZOOM_BLUR.at(table, severity)
    for factor in (*np.arange(1, level.stop, level.step)[[1, -1]], 2.0, 2.5, 4.5):
        crop = math.ceil(side / factor)
        top = (side - crop) // 2
        middle = values[top : top + crop, top : top + crop]
        full = ndimage.zoom(middle, (factor, factor, 1), order=1)
        trim = (len(full) - side) // 2
        expected = full[trim : trim + side, trim : trim + side]
        assert np.array_equal(magnified(values, factor), expected)


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_zoom_blur_is_the_mean_of_scipys_zooms(table, side, severity, photograph, legacy):
    image = photograph(side, side)
    level = levels.ZOOM_BLUR.at(table, severity)
    clean = (image / 255.0).astype(np.float32)
    total = np.zeros_like(clean)
    factors = np.arange(1, level.stop, level.step)
    for factor in factors:
        crop = math.ceil(side / factor)
        top = (side - crop) // 2
        middle = clean[top : top + crop, top : top + crop]
        total += ndimage.zoom(middle, (factor, factor, 1), order=1)[:side, :side]
    expected = np.uint8(np.clip((clean + total) / (len(factors) + 1), 0, 1) * 255)
    assert np.array_equal(zoom_blur(image, level, legacy(0)), expected)


def test_a_zoom_counts_its_factors_as_numpy_does():
    # Rounding puts the open end of the range in, at severity 2: 1.16 is a factor.
    counts = [len(np.arange(z.start, z.stop, z.step)) for z in levels.ZOOM_BLUR.imagenet]
    assert counts == [len(np.arange(1, stop, step)) for stop, step in ZOOMS]
    assert zoom_blur(np.full((9, 9, 3), 255, np.uint8), Zooms(1.2, 0.1), None).min() >= 254


ZOOMS = [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)]


def glass_shuffled(pixels, level, state):
    """Pixel after pixel, exchanging views of one array as the original does."""
    height, width = pixels.shape[:2]
    for _ in range(level.rounds):
        for h in range(height - level.reach, level.reach, -1):
            for w in range(width - level.reach, level.reach, -1):
                dx, dy = state.randint(-level.reach, level.reach, size=(2,))
                here, there = pixels[h, w], pixels[h + dy, w + dx]
                pixels[h, w], pixels[h + dy, w + dx] = there, here
    return pixels


@pytest.mark.parametrize(
    ("level", "side"),
    [(each, 40) for each in levels.GLASS_BLUR.imagenet]
    + [(each, 32) for each in levels.GLASS_BLUR.cifar],
)
def test_glass_blur_visits_pixels_one_after_another(level, side, photograph, legacy):
    image = photograph(side, side + 5)

    def soft(values):
        return np.clip(
            ndimage.gaussian_filter(values, [level.sigma] * 2 + [0], mode="nearest"), 0, 1
        )

    shuffled = glass_shuffled(np.uint8(soft(image / 255.0) * 255), level, np.random.RandomState(8))
    expected = np.uint8(soft(shuffled / 255.0) * 255)
    assert np.array_equal(glass_blur(image, level, legacy(8)), expected)


def test_glass_blur_repeats_pixels_instead_of_swapping_them(legacy):
    # Softening with a tiny sigma changes nothing, so that what moved can be counted.
    image = np.arange(32 * 32, dtype=np.uint16).view(np.uint8).reshape(32, 32, 2)
    image = np.concatenate([image, np.zeros((32, 32, 1), np.uint8)], axis=-1)
    out = glass_blur(image, Glass(0.01, 4, 1), legacy(0))
    assert len(np.unique(out.reshape(-1, 3), axis=0)) < 0.8 * 32 * 32


def slow_line(image, line, angle):
    """Each pixel's weighted mean along the line, and the nearest level."""
    weights = np.exp(-(np.arange(2 * line.radius + 1.0) ** 2) / (2 * line.sigma**2))
    weights /= weights.sum()
    height, width = image.shape[:2]
    out = np.zeros(image.shape)
    for i, weight in enumerate(weights):
        rows = np.arange(height) + math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        columns = np.arange(width) + math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
        out += weight * image[np.ix_(rows, columns)]
    return np.uint8(np.floor(out + 0.5))


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_motion_blur_follows_a_line(table, side, severity, photograph, legacy):
    image = photograph(side, side)
    line = levels.MOTION_BLUR.at(table, severity)
    expected = slow_line(image, line, np.random.RandomState(6).uniform(-45, 45))
    assert np.array_equal(motion_blur(image, line, legacy(6)), expected)


# ImageMagick 6.9.11-60 (Q16), MagickMotionBlurImage with radius 3, sigma 2 and this angle, on the
# pixels of `steps`. Most of the sums are not whole numbers; they are rounded, not truncated.
IMAGEMAGICK = {
    -30: [
        [78, 106, 121, 113, 93, 149, 191, 213],
        [86, 114, 129, 121, 101, 157, 199, 221],
        [108, 136, 152, 143, 124, 179, 221, 158],
        [132, 160, 175, 82, 120, 124, 91, 28],
        [129, 132, 124, 102, 129, 132, 99, 36],
        [141, 156, 147, 125, 152, 156, 37, 59],
    ],
    20: [
        [80, 118, 130, 120, 98, 153, 195, 218],
        [104, 142, 154, 133, 83, 87, 129, 151],
        [100, 115, 178, 157, 107, 111, 77, 14],
        [123, 135, 127, 96, 131, 135, 101, 38],
        [147, 159, 139, 92, 103, 158, 125, 62],
        [162, 174, 154, 107, 118, 98, 55, 77],
    ],
    -110: [
        [0, 42, 108, 175, 81, 57, 120, 187],
        [8, 50, 116, 183, 89, 65, 128, 195],
        [23, 65, 131, 198, 104, 80, 143, 125],
        [43, 85, 151, 132, 124, 100, 163, 69],
        [65, 107, 173, 80, 147, 123, 185, 92],
        [89, 131, 197, 103, 119, 146, 123, 115],
    ],
}


@pytest.mark.parametrize("angle", IMAGEMAGICK)
def test_line_blur_has_the_values_of_imagemagick(angle):
    steps = (np.arange(48) * 67 % 256).astype(np.uint8).reshape(6, 8)
    assert line_blur(steps, Line(3, 2), angle).tolist() == IMAGEMAGICK[angle]


# Weather.


def slow_plasma(side, decay, state):
    """Diamond-square point by point, with every size's draws in the order of the original."""
    grid, step, wobble = {(0, 0): 0.0}, side, 100.0
    while step >= 2:
        half = step // 2
        corners = range(0, side, step)
        centres = [c + half for c in corners]

        def at(y, x, grid=grid):
            return grid[y % side, x % side]

        def fill(rows, columns, neighbours, at=at, grid=grid, wobble=wobble):
            noise = state.uniform(-wobble, wobble, (len(rows), len(columns)))
            for i, y in enumerate(rows):
                for j, x in enumerate(columns):
                    total = math.fsum(at(y + dy, x + dx) for dy, dx in neighbours)
                    grid[y, x] = total / 4 + wobble * noise[i, j]

        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        fill(centres, centres, [(a, b) for a in (-half, half) for b in (-half, half)])
        fill(corners, centres, cross)
        fill(centres, corners, cross)
        step, wobble = half, wobble / decay
    out = np.array([[grid[y, x] for x in range(side)] for y in range(side)])
    return (out - out.min()) / (out.max() - out.min())


@pytest.mark.parametrize("decay", [1.4, 2, 3])
def test_plasma_is_diamond_square(decay, legacy):
    expected = slow_plasma(32, decay, np.random.RandomState(5))
    np.testing.assert_allclose(plasma(32, decay, legacy(5)), expected, rtol=0, atol=1e-12)


def test_fog_keeps_the_lightest_value(photograph, legacy):
    image = photograph(32, 32)
    layer = 0.75 * slow_plasma(32, 2.5, np.random.RandomState(5))[..., None]
    lightest = image.max() / 255
    expected = (image / 255 + layer) * lightest / (lightest + 0.75) * 255
    found = corrupt(image, "fog", 3, legacy(5), table=Table.CIFAR)
    assert np.abs(found - expected + 0.5).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_snow_is_its_formula(table, side, severity, photograph, legacy):
    image = photograph(side, side)
    level = levels.SNOW.at(table, severity)
    state = np.random.RandomState(9)
    noise = state.normal(size=(side, side), loc=level.mean, scale=level.deviation)
    crop = math.ceil(side / level.zoom)
    top = (side - crop) // 2
    flakes = ndimage.zoom(noise[top : top + crop, top : top + crop], level.zoom, order=1)
    trim = (len(flakes) - side) // 2
    flakes = flakes[trim : trim + side, trim : trim + side]
    flakes[flakes < level.threshold] = 0
    flakes = np.uint8(np.clip(flakes, 0, 1) * 255)
    flakes = slow_line(flakes, level.line, state.uniform(-135, -45))[..., None] / 255
    clean = np.float32(image) / 255
    grey = clean @ np.array([0.299, 0.587, 0.114])
    white = np.maximum(clean, grey[..., None] * 1.5 + 0.5)
    mixed = level.image_share * clean + (1 - level.image_share) * white
    expected = np.clip(mixed + flakes + flakes[::-1, ::-1], 0, 1) * 255
    found = corrupt(image, "snow", severity, legacy(9), table=table)
    # The original mixes in single precision, so that a truncated level may be the one below.
    assert np.abs(found - expected + 0.5).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(("table", "side", "severity"), [each for each in SETTINGS if each[2] > 3])
def test_mud_covers_in_single_precision(table, side, severity, photograph, legacy):
    image = photograph(side, side)
    level = levels.SPATTER.at(table, severity)
    noise = np.random.RandomState(1).normal(level.mean, level.deviation, (side, side))
    thick = ndimage.gaussian_filter(noise, level.sigma, mode="nearest") > level.threshold
    cover = ndimage.gaussian_filter(np.float32(thick), level.strength, mode="nearest")
    cover = np.where(cover < 0.8, np.float32(0), cover)[..., None]
    brown = np.float32([63 / 255, 42 / 255, 20 / 255])
    expected = np.uint8(np.clip(np.float32(image) / 255 * (1 - cover) + brown * cover, 0, 1) * 255)
    assert np.array_equal(corrupt(image, "spatter", severity, legacy(1), table=table), expected)


# Elastic.


def slow_elastic(image, level, state):
    """The original's steps with scipy's filter and interpolation."""
    height, width = image.shape[:2]
    reach = min(height, width) // 3
    middle = np.float32([height // 2, width // 2])
    corners = np.float32([[1, 1], [1, -1], [-1, -1]]) * reach + middle
    moved = corners + state.uniform(-level.affine, level.affine, size=(3, 2)).astype(np.float32)
    transform = cv2.getAffineTransform(corners, moved)
    clean = np.float32(image) / 255
    warped = cv2.warpAffine(clean, transform, (width, height), borderMode=cv2.BORDER_REFLECT_101)

    def field():
        noise = state.uniform(-1, 1, size=(height, width))
        soft = ndimage.gaussian_filter(noise, level.sigma, mode="reflect", truncate=3)
        return (soft * level.alpha).astype(np.float32)

    across, down = field(), field()
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        ndimage.map_coordinates(plane, [rows + down, columns + across], order=1, mode="reflect")
        for plane in np.moveaxis(warped, -1, 0)
    ]
    return np.uint8(np.clip(np.stack(planes, axis=-1), 0, 1) * 255)


@pytest.mark.parametrize(("table", "side", "severity"), SETTINGS)
def test_elastic_transform_is_the_original_with_scipy(table, side, severity, photograph, legacy):
    image = photograph(side, side)
    level = levels.ELASTIC_TRANSFORM.at(table, severity)
    expected = slow_elastic(image, level, np.random.RandomState(2))
    found = elastic_transform(image, level, legacy(2))
    # The displacements differ in the last bits, which may take a value across a whole level.
    assert (found != expected).mean() < 2e-4
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_elastic_displacements_reach_far_beyond_the_image(photograph, legacy):
    image = photograph(20, 33)
    level = Elastic(900, 1.5, 3)
    found = elastic_transform(image, level, legacy(2)).astype(int)
    expected = slow_elastic(image, level, np.random.RandomState(2))
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 2e-3
