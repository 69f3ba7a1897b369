"""Frost: the weighted sum, the crop, and pictures whose version names them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from harness.errors import MissingData, UsageError
from harness_tasks.imagenet_c.corruptions import levels
from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
from harness_tasks.imagenet_c.corruptions.draws import draws
from harness_tasks.imagenet_c.corruptions.frost import FILES, FrostPictures
from harness_tasks.imagenet_c.corruptions.names import SEVERITIES, Table


def flat_pictures(*values, side=300):
    return FrostPictures.of(
        [np.full((side, side, 3), value, dtype=np.uint8) for value in values], "flat"
    )


def test_frost_is_a_weighted_sum_clipped_to_255():
    image = np.full((4, 4, 3), 100, dtype=np.uint8)
    pictures = flat_pictures(50)
    sums = [
        int(corrupt(image, "frost", each, draws(0, "", "frost", each), frost=pictures)[0, 0, 0])
        for each in SEVERITIES
    ]
    # 1 * 100 + .4 * 50 and so on; 97.5 is truncated.
    assert sums == [120, 110, 105, 100, 97]
    bright = corrupt(image + 140, "frost", 1, draws(0, "", "frost", 1), frost=flat_pictures(200))
    assert (bright == 255).all()


def test_frost_draws_a_picture_then_a_row_then_a_column(legacy, photograph):
    image = photograph(32, 32)
    rng = np.random.default_rng(0)
    made = [rng.integers(0, 256, (300 + n, 400 - n, 3), dtype=np.uint8) for n in range(5)]
    pictures = FrostPictures.of(made, "random")
    for table in Table:
        for severity in SEVERITIES:
            state = np.random.RandomState(severity)
            picture = made[state.randint(5)]
            if table is Table.CIFAR:
                picture = cv2.resize(picture, (0, 0), fx=0.2, fy=0.2)
            top = state.randint(0, picture.shape[0] - 32)
            left = state.randint(0, picture.shape[1] - 32)
            crop = picture[top : top + 32, left : left + 32]
            level = levels.FROST.at(table, severity)
            mixed = level.image_weight * image + level.frost_weight * crop
            expected = np.uint8(np.clip(mixed, 0, 255))
            found = corrupt(image, "frost", severity, legacy(severity), table=table, frost=pictures)
            assert np.array_equal(found, expected)


def test_pictures_are_read_from_the_five_files_of_the_original(tmp_path):
    made = np.random.default_rng(1).integers(0, 256, (5, 40, 50, 3), dtype=np.uint8)
    for name, picture in zip(FILES, made, strict=True):
        cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
    found = FrostPictures.read(tmp_path)
    # PNG keeps every level, and red stays red.
    assert all(np.array_equal(found.pictures[n], made[n]) for n in range(3))
    assert found.version.startswith("files-")
    assert found.version == FrostPictures.read(tmp_path).version
    cv2.imwrite(str(tmp_path / FILES[2]), made[0])
    assert found.version != FrostPictures.read(tmp_path).version


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(MissingData, match="no picture frost1.png"):
        FrostPictures.read(tmp_path)
    (tmp_path / "frost1.png").write_text("not a picture")
    with pytest.raises(MissingData, match="no picture frost1.png"):
        FrostPictures.read(tmp_path)


def test_an_image_larger_than_the_pictures_is_refused(photograph):
    with pytest.raises(UsageError, match="64x64 pixels out of pictures of which one has 60x60"):
        corrupt(
            photograph(64, 64),
            "frost",
            1,
            draws(0, "", "frost", 1),
            frost=flat_pictures(3, side=60),
        )


def test_the_stand_in_is_five_bluish_pictures_as_bright_as_frost():
    pictures = FrostPictures.stand_in()
    assert pictures is FrostPictures.stand_in()
    assert len({each.tobytes() for each in pictures.pictures}) == 5
    for picture in pictures.pictures:
        assert picture.shape == (640, 640, 3)
        grey = picture.mean(axis=-1)
        assert 100 < grey.mean() < 215
        assert 15 < grey.std() < 50
        assert picture[..., 2].mean() > picture[..., 0].mean()


def test_the_stand_in_is_the_same_on_every_machine():
    # Integers only, from PCG64's raw output.
    assert FrostPictures.stand_in().version == "stand-in-1-78f4dea3179e"
