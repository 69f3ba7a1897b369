"""What a caller of `corrupt` relies on: shapes, errors, and numbers drawn from one place only."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from harness.errors import UnknownName, UsageError
from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
from harness_tasks.imagenet_c.corruptions.draws import draws
from harness_tasks.imagenet_c.corruptions.names import BENCHMARK, EXTRA, NAMES, SEVERITIES, Table


def made(image, name, severity=3, table=Table.IMAGENET):
    return corrupt(image, name, severity, draws(0, "image", name, severity), table=table)


def test_fifteen_corruptions_are_the_benchmark_and_four_are_extra():
    assert (len(BENCHMARK), len(EXTRA), len(set(NAMES))) == (15, 4, 19)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("table", "side"), [(Table.IMAGENET, 224), (Table.CIFAR, 32)])
def test_every_severity_changes_the_image_and_nothing_else(name, table, side, photograph):
    image = photograph(side, side)
    before = image.copy()
    seen = set()
    for severity in SEVERITIES:
        out = made(image, name, severity, table)
        assert (out.dtype, out.shape) == (np.uint8, image.shape)
        assert out.flags.writeable
        assert out.flags.c_contiguous
        assert (out != image).any()
        seen.add(out.tobytes())
    assert len(seen) == 5
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_state_is_neither_read_nor_changed(name, photograph):
    image = photograph(48, 48)
    np.random.seed(1)
    before = np.random.get_state()
    first = made(image, name, 5)
    after = np.random.get_state()
    assert (before[1] == after[1]).all()
    assert before[2:] == after[2:]
    np.random.seed(2)
    assert np.array_equal(made(image, name, 5), first)


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_and_flat_images_work(name, photograph):
    images = [photograph(8, 8), photograph(31, 17), photograph(40, 110)]
    images += [np.full((24, 32, 3), value, dtype=np.uint8) for value in (0, 128, 255)]
    for table in Table:
        for image in images:
            for severity in (1, 3, 4, 5):
                assert made(image, name, severity, table).shape == image.shape


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5, 3), (2, 2, 3)])
def test_tiny_images_work_or_are_refused_in_words(name, shape):
    image = np.full(shape, 200, dtype=np.uint8)
    for severity in SEVERITIES:
        if name == "elastic_transform":
            with pytest.raises(UsageError, match="at least 3x3 pixels"):
                made(image, name, severity)
        else:
            assert made(image, name, severity).shape == shape


def test_images_that_are_not_contiguous_are_the_same(photograph):
    image = photograph(64, 64)
    for name in NAMES:
        turned = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
        assert np.array_equal(made(turned, name), made(image, name)), name


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5])
def test_a_severity_is_from_1_to_5(severity, photograph):
    with pytest.raises(UsageError, match="severities are 1, 2, 3, 4 and 5"):
        corrupt(photograph(8, 8), "fog", severity, draws(0, "image", "fog", 1))


def test_an_unknown_name_is_answered_with_near_ones(photograph):
    with pytest.raises(UnknownName, match="did you mean glass_blur or"):
        made(photograph(8, 8), "glas_blur")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), dtype=np.uint8),
        np.zeros((8, 8, 4), dtype=np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), dtype=np.uint8),
    ],
)
def test_only_8_bit_rgb_is_taken(image):
    with pytest.raises(UsageError, match="8-bit RGB image of shape"):
        made(image, "fog")


def test_draws_depend_on_every_part_of_their_name():
    named = [("a", "fog", 1), ("b", "fog", 1), ("a", "snow", 1), ("a", "fog", 2), ("a", "fog1", 1)]
    values = {draws(0, *each).random() for each in named} | {draws(1, *named[0]).random()}
    assert len(values) == 6
    assert draws(0, *named[0]).random() == draws(0, *named[0]).random()


def test_numpys_distributions_have_not_changed():
    # A numpy that changes these changes every noisy image of a seed, and asks for another VERSION.
    generator = draws(0, "image", "fog", 1)
    assert generator.integers(0, 1000, 4).tolist() == [781, 47, 207, 570]
    assert generator.uniform(-1, 1, 2) == pytest.approx([-0.58272658745, 0.24958658834])
    assert generator.normal(0, 1, 2) == pytest.approx([-0.78796940571, 0.13135053167])
    assert generator.poisson([2.5, 50.0, 0.1]).tolist() == [1, 60, 0]


SCRIPT = """
import hashlib, sys
import numpy as np
from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
from harness_tasks.imagenet_c.corruptions.draws import draws
image = np.random.Generator(np.random.PCG64(5)).integers(0, 256, (32, 32, 3)).astype(np.uint8)
for name in sys.argv[1:]:
    out = corrupt(image, name, 2, draws(7, "n01440764/1", name, 2))
    print(name, hashlib.sha256(out.tobytes()).hexdigest())
"""


def test_bytes_are_equal_in_other_processes_and_orders():
    def lines(names, seed):
        command = [sys.executable, "-c", SCRIPT, *names]
        environment = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return dict(line.split() for line in done.stdout.splitlines())

    image = np.random.Generator(np.random.PCG64(5)).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    here = {}
    for name in NAMES:
        out = corrupt(image, name, 2, draws(7, "n01440764/1", name, 2))
        here[name] = hashlib.sha256(out.tobytes()).hexdigest()
    assert lines(NAMES, "1") == here
    assert lines(NAMES[::-1], "2") == here


def test_names_and_constants_are_read_without_numpy():
    script = (
        "import sys\n"
        "import harness_tasks.imagenet_c.corruptions.levels\n"
        "assert 'numpy' not in sys.modules\n"
        "import harness_tasks.imagenet_c.corruptions.corrupt\n"
        "assert not {'cv2', 'scipy', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# Only corruptions made of comparisons, the four operations and PCG64's integers and doubles, which
# no build of a library rounds differently. The others depend on OpenCV, Pillow, exp or cos.
GOLDEN = {
    "impulse_noise": "4b7d6cc887186502",
    "frost": "a313479bc9e9e135",
    "fog": "9cb890a78776cb01",
    "brightness": "6057e42ca1723fbd",
    "contrast": "fa2954dcf3c7954c",
    "saturate": "e7ffcc162c098161",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_bytes_have_not_changed(name):
    ramp = np.arange(48 * 48 * 3) * 7919 % 65536 // 256
    image = ramp.astype(np.uint8).reshape(48, 48, 3)
    digest = hashlib.sha256()
    for severity in SEVERITIES:
        digest.update(made(image, name, severity).tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[name]
