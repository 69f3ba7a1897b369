"""Where images come from: what each layout gives, and what is said of one that is none."""

from __future__ import annotations

import shutil
import zlib

import numpy as np
import pytest
from adapt import metrics, rows, run
from edits import refused
from PIL import Image

from harness.errors import InvalidSample, UsageError
from harness_tasks.imagenet_c.corruptions.frost import FILES
from harness_tasks.imagenet_c.recipes import RecipeReader, digits
from harness_tasks.imagenet_c.sources import Arrays, Folder, Official
from harness_tasks.imagenet_c.task import ImageNetC, ImageNetCSettings

pytestmark = pytest.mark.usefixtures("adapt_cache")

WORDNET = ("n01440764", "n01443537", "n01484850")
CIFAR = ("-T", "constants=cifar", "-T", "batch_size=5")


def save(path, seed=0, size=(40, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def official(root, corruptions=("fog", "snow"), levels=(5,), each=2, classes=WORDNET):
    for corruption in corruptions:
        for level in levels:
            for wnid in classes:
                for number in range(each):
                    save(root / corruption / str(level) / wnid / f"{number}.JPEG", number)
    return root


def labels(found):
    return {one.image_id: one.label for one in found.photographs}


def stages(classes=WORDNET, **options):
    return ImageNetC(ImageNetCSettings.model_validate(options)).stages(classes, 0, None)


# Layouts.


def test_official_layout(tmp_path):
    root = official(tmp_path / "c", levels=(3, 5))
    task = ImageNetC(ImageNetCSettings(data=root, corruptions=("snow", "fog"), subset="severity-3"))
    found = task.stages(WORDNET, 0, None)
    assert [(one.name, len(one.pictures)) for one in found] == [("snow/3", 6), ("fog/3", 6)]
    assert task.version == "imagenet-c-1"
    for picture in found[0].pictures:
        assert picture.sample_id == f"snow/3/{picture.source_id}"
        assert WORDNET[picture.label] == picture.source_id.split("/")[0]
        assert picture.recipe.corruptions == ()  # it is corrupted already
        assert picture.recipe.path == str(root / "snow" / "3" / picture.source_id)
        pixels = task.reader(0).read(picture, 32)
        assert (pixels == np.asarray(Image.open(picture.recipe.path))[4:36]).all()


def test_clean_images_beside_the_official_ones(tmp_path):
    root = official(tmp_path / "c")
    shutil.copytree(official(tmp_path / "other", ("fog",)) / "fog" / "5", tmp_path / "val")
    (tmp_path / "val" / WORDNET[0] / "0.JPEG").unlink()
    words = {"data": root, "corruptions": ("fog", "snow"), "after": True}
    head, *_, last = stages(**words, clean_data=tmp_path / "val")
    assert (head.name, len(head.pictures)) == ("clean", 5)
    assert last.checkpoint == "after"
    assert head.pictures[0].recipe.crop
    assert head.pictures[0].recipe.path.startswith(str(tmp_path / "val"))
    with pytest.raises(UsageError, match="after=true needs clean images"):
        stages(**words)


def test_photographs_that_one_corruption_lacks(tmp_path):
    root = official(tmp_path / "c")
    (root / "snow" / "5" / WORDNET[1] / "0.JPEG").unlink()
    found = stages(data=root, corruptions=("fog", "snow"))
    assert [len(one.pictures) for one in found] == [6, 5]


def test_class_folders_by_wordnet_id_name_or_number(tmp_path):
    for name in ("n01440764_tench", "n01443537", "00000002"):
        save(tmp_path / name / "deeper" / "a.png")
    assert labels(Folder.read(tmp_path, WORDNET)) == {
        "00000002/deeper/a.png": 2,
        "n01440764_tench/deeper/a.png": 0,
        "n01443537/deeper/a.png": 1,
    }
    # Names of classes win over numbers.
    assert labels(Folder.read(tmp_path / "n01443537", ("deeper", "x"))) == {"deeper/a.png": 0}
    save(tmp_path / "numbers" / "1" / "a.png")
    assert labels(Folder.read(tmp_path / "numbers", ("3", "2", "1"))) == {"1/a.png": 2}


def test_flat_folder_by_wordnet_id_or_number(tmp_path):
    for name in ("n01443537_goldfish.JPEG", "ILSVRC_n01484850.jpg", "0.png", "2_shark.webp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert labels(Folder.read(tmp_path, WORDNET)) == {
        "0.png": 0,
        "2_shark.webp": 2,
        "ILSVRC_n01484850.jpg": 2,
        "n01443537_goldfish.JPEG": 1,
    }


@pytest.mark.parametrize(
    "name", ["n99999999/a.png", "dog/a.png", "3/a.png", "3_x.png", "a.png", "n01443538_x.png"]
)
def test_unknown_class_is_refused(tmp_path, name):
    save(tmp_path / name)
    with pytest.raises(UsageError, match=r"none of the model's 3 \(the first is n01440764\)"):
        Folder.read(tmp_path, WORDNET)


def test_reader_corrupts_photographs_and_brings_them_to_size(tmp_path):
    save(tmp_path / "0" / "wide.png", size=(300, 500))
    task = ImageNetC(ImageNetCSettings(data=tmp_path, corruptions=("fog",)))
    clean, fog = task.stages(WORDNET, 0, None)
    one, other = (task.reader(0).read(stage.pictures[0], 64) for stage in (clean, fog))
    assert one.shape == other.shape == (64, 64, 3)
    # Resize 256, crop 224 in the middle, as Pillow does it.
    whole = Image.open(tmp_path / "0" / "wide.png").resize((427, 256), Image.Resampling.BILINEAR)
    crop = whole.crop((101, 16, 325, 240)).resize((64, 64), Image.Resampling.BILINEAR)
    assert (one == np.asarray(crop)).all()
    assert np.abs(one.astype(int) - other).mean() > 5
    again = task.reader(0).read(fog.pictures[0], 64)
    assert (other == again).all()
    assert (other != task.reader(1).read(fog.pictures[0], 64)).any()


# CIFAR's arrays.


def arrays(root, names=("fog",), each=4, kind=np.uint8, side=32):
    """Five blocks of the test digits, the first pixel of each row its severity and place."""
    root.mkdir(exist_ok=True)
    pixels, truth = digits()
    chosen, wanted = pixels[-each:, :side, :side], truth[-each:]
    for name in names:
        blocks = np.concatenate([chosen] * 5).astype(kind)
        blocks[:, 0, 0, 0] = np.arange(5 * each)
        np.save(root / f"{name}.npy", blocks)
    np.save(root / "clean.npy", chosen)
    np.save(root / "labels.npy", np.concatenate([wanted] * 5))
    return root


def test_cifar_arrays_have_severities_one_after_another(tmp_path):
    root = arrays(tmp_path / "c", ("fog", "snow"))
    words = {"data": root, "corruptions": ("snow",), "subset": "all"}
    task = ImageNetC(ImageNetCSettings.model_validate(words))
    clean, *found = task.stages(tuple("0123456789"), 0, None)
    assert task.version == "cifar-c-1"
    assert [one.name for one in found] == [f"snow/{level}" for level in range(1, 6)]
    assert [len(one.pictures) for one in (clean, *found)] == [4] * 6
    _, truth = digits()
    for level, stage in enumerate(found):
        for picture in stage.pictures:
            place = int(picture.source_id)
            assert picture.label == truth[-4:][place]
            assert task.reader(0).read(picture, 32)[0, 0, 0] == 4 * level + place


def test_cifar_arrays_run(tmp_path):
    root = arrays(tmp_path / "c", each=20)
    words = ("--model", "tiny-digits", "-T", f"data={root}", "-T", "corruptions=fog")
    done = run(tmp_path / "r", "--method", "source", world=(*words, *CIFAR))
    assert done.code == 0, done.err
    assert metrics(tmp_path / "r", "source")["score"] > 0.8  # they are not corrupted at all


def broken_array(root, name, change):
    path = root / f"{name}.npy"
    np.save(path, change(np.load(path)))


ARRAYS = {
    "rows": (
        "fog",
        lambda one: one[:-1],
        "has shape (19, 32, 32, 3) of uint8, not (20, 32, 32, 3)",
    ),
    "more rows": ("fog", lambda one: np.concatenate([one, one]), "has shape (40, 32, 32, 3)"),
    "channels": ("fog", lambda one: one[..., :1], "has shape (20, 32, 32, 1)"),
    "channels first": ("fog", lambda one: one.transpose(0, 3, 1, 2), "has shape (20, 3, 32, 32)"),
    "not square": ("fog", lambda one: one[:, :16], "has shape (20, 16, 32, 3)"),
    "flat": ("fog", lambda one: one.reshape(20, -1), "has shape (20, 3072)"),
    "floats": ("fog", lambda one: one / 255, "of float64, not (20, 32, 32, 3) of uint8"),
    "clean": ("clean", lambda one: one[:2], "clean.npy has shape (2, 32, 32, 3)"),
    "labels of one severity": ("labels", lambda one: one[:4], "as many for each of 5 severities"),
    "labels of five images": (
        *("labels", lambda one: one[:5]),
        "has other labels for one severity than for another",
    ),
    "label too large": ("labels", lambda one: one + 9, "the model has 10 classes"),
    "label below 0": ("labels", lambda one: one - 9, "labels from -"),
    "fractions": ("labels", lambda one: one + 0.5, "of float64, not whole numbers"),
    "columns": ("labels", lambda one: one.reshape(4, 5), "has shape (4, 5) of int64"),
}


@pytest.mark.parametrize(("name", "change", "reason"), ARRAYS.values(), ids=ARRAYS)
def test_wrong_arrays_are_refused(tmp_path, name, change, reason):
    root = arrays(tmp_path / "c")
    broken_array(root, name, change)
    with pytest.raises(UsageError) as told:
        Arrays.read(root, tuple("0123456789"), ["fog"])
    assert reason in str(told.value)
    assert f"{name}.npy" in str(told.value)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
@pytest.mark.parametrize("name", ["fog", "labels"])
def test_files_that_are_no_arrays_are_refused(tmp_path, name, content):
    root = arrays(tmp_path / "c")
    (root / f"{name}.npy").write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}.npy is broken or no array of numpy"):
        Arrays.read(root, tuple("0123456789"), ["fog"])


# What is refused through the command, before anything is computed.


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of every kind, by name."""
    base = tmp_path_factory.mktemp("folders")
    ten = tuple("0123456789")
    official(base / "official", classes=ten, each=1)
    official(base / "wnids", classes=WORDNET, each=1)
    arrays(base / "arrays")
    (base / "empty").mkdir()
    save(base / "dogs" / "dog" / "a.png")
    save(base / "plain" / "3" / "a.png")
    save(base / "others" / "3" / "another name.png")
    official(base / "hollow" / "x", classes=ten, each=1)
    (base / "hollow" / "fog" / "5").mkdir(parents=True)
    (base / "hollow" / "snow" / "5").mkdir(parents=True)
    (base / "frost").mkdir()
    return base


OFFICIAL = ("data={}/official", "corruptions=fog,snow")
REFUSED = {
    "unknown class": (("data={}/dogs",), "is of class 'dog', which is none of the model's 10"),
    "other classes": (("data={}/wnids", "corruptions=fog"), "is of class 'n01440764', which is"),
    "no severity folder": (
        (*OFFICIAL, "subset=severity-3"),
        "there is no folder {}/official/fog/3; ImageNet-C has one for each corruption",
    ),
    "not all severities": (
        (*OFFICIAL, "setting=gradual", "subset=all"),
        "no folder {}/official/fog/1",
    ),
    "gradual at one severity": ((*OFFICIAL, "setting=gradual"), "add -T subset=all"),
    "delta without its setting": ((*OFFICIAL, "delta=3"), "setting=correlated only"),
    "no corruption folder": (("data={}/official",), "no folder {}/official/gaussian_noise/5"),
    "severity 6": ((*OFFICIAL, "subset=severity-6"), "severity-6"),
    "empty folder": (("data={}/empty",), "{}/empty holds no image"),
    "empty severities": (
        ("data={}/hollow", "corruptions=fog,snow"),
        "the task has no images with these options",
    ),
    "unknown corruption": (("data=digits", "corruptions=rain"), "there is no corruption 'rain'"),
    "corruption twice": (("data=digits", "corruptions=fog,fog"), "a corruption is named twice"),
    "no corruption": (("data=digits", "corruptions="), "corruptions"),
    "no folder": (("data={}/nowhere",), "there is no folder {}/nowhere; name one with -T data="),
    "no data": ((), "imagenet-c needs images: -T data=FOLDER"),
    "not published": (
        ("data={}/plain", "corrupt=published"),
        "{}/plain is neither ImageNet-C (<corruption>/<severity>/<wnid>/*.JPEG) nor CIFAR-C",
    ),
    "corrupted digits": (("data=digits", "corrupt=published"), "data=digits has no published"),
    "no array": (("data={}/arrays", "corruptions=snow"), "there is no array {}/arrays/snow.npy"),
    "changing official": (
        (*OFFICIAL, "setting=changing", "subset=all"),
        "take plain photographs",
    ),
    "clean folder is none": ((*OFFICIAL, "clean_data={}/nowhere"), "no folder {}/nowhere"),
    "clean folder of others": (
        (*OFFICIAL, "clean_data={}/others"),
        "{}/others has none of the images of {}/official",
    ),
    "clean folder for nothing": (
        ("data={}/plain", "clean_data={}/plain", "constants=cifar"),
        "clean_data",
    ),
    "after without clean": ((*OFFICIAL, "after=true"), "after=true needs clean images"),
    "no frost": (("data={}/plain", "frost={}/frost"), f"there is no picture {FILES[0]} in"),
    "unknown setting": (("data=digits", "setting=sideways"), "setting"),
    "window of one": (("data=digits", "window=1"), "window"),
    "no batch": (("data=digits", "batch_size=0"), "batch_size"),
    "quality": (("data=digits", "jpeg=101"), "jpeg"),
    "delta": (("data=digits", "delta=0"), "delta"),
    "unknown option": (("data=digits", "batchsize=4"), "did you mean batch_size"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(tmp_path, folders, monkeypatch, options, reason):
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    words = [word for one in options for word in ("-T", one.format(*[folders] * 2))]
    done = run(tmp_path / "r", "--method", "source", *words, world=("--model", "tiny-digits"))
    refused(done, reason.format(*[folders] * 2))
    assert not list((tmp_path / "r").glob("runs/*"))
    assert not list((tmp_path / "r").glob("journal/*"))


def test_digits_are_for_a_model_of_digits(tmp_path):
    with pytest.raises(UsageError, match="take --model tiny-digits"):
        stages(data="digits")


def test_folder_of_the_mirror_is_taken(tmp_path, monkeypatch, pictures):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setenv("HARNESS_DATA", str(mirror))
    words = ("--method", "source", "-T", "corruptions=fog", *CIFAR)
    world = ("--model", "tiny-digits")
    refused(run(tmp_path / "r", *words, world=world), "imagenet-c needs images: -T data=FOLDER")
    pictures(mirror / "imagenet-c", 1)
    done = run(tmp_path / "r", *words, world=world)
    assert done.code == 0, done.err
    assert len(rows(tmp_path / "r", "source")) == 20
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "gone"))
    refused(run(tmp_path / "r2", *words, world=world), "is no folder")


def test_method_that_needs_clean_images_is_skipped_where_there_are_none(tmp_path):
    root = official(tmp_path / "c", classes=tuple("0123456789"), each=1)
    words = ("--model", "tiny-digits", "-T", f"data={root}", "-T", "corruptions=fog,snow")
    methods = ("--method", "eata", "--method", "source")
    done = run(tmp_path / "r", *methods, world=(*words, "-T", "batch_size=5"))
    assert "name them with -T clean_data=" in done.out
    assert len(rows(tmp_path / "r", "source")) == 20
    assert "Traceback" not in done.err


# Pictures that are broken or unusual.


def palette(image, path):
    image.quantize(16).save(path, transparency=bytes(range(16)))


def bomb(data):
    """A PNG that says that it has 60,000 x 60,000 pixels."""
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + data[24:29]
    return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]


UNUSUAL = {
    "gray.png": lambda image, path: image.convert("L").save(path),
    "alpha.png": lambda image, path: image.convert("RGBA").save(path),
    "gray alpha.png": lambda image, path: image.convert("LA").save(path),
    "palette.png": lambda image, path: image.quantize(16).save(path),
    "palette with alpha.png": palette,
    "cmyk.jpg": lambda image, path: image.convert("CMYK").save(path, quality=95),
    "plain.jpg": lambda image, path: image.save(path, quality=95),
    "bitmap.bmp": lambda image, path: image.save(path),
    "large.png": lambda image, path: image.resize((300, 200)).save(path),
}
BROKEN = {
    "empty.jpg": (lambda data: b"", "empty.jpg is empty (0 bytes)"),
    "text.jpg": (lambda data: b"no picture at all" * 20, "text.jpg is no image"),
    "cut.jpg": (lambda data: data[: len(data) // 2], "cut.jpg is broken"),
    "cut.png": (lambda data: data[:100], "cut.png is broken"),
    "bomb.png": (bomb, "bomb.png is broken (Image size (3600000000 pixels) exceeds limit"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, adapt_cache):
    """Digits of which some are unusual and some broken, and runs with and without those."""
    from adapt import write_pictures

    del adapt_cache
    folder = write_pictures(tmp_path_factory.mktemp("world") / "data", 3)
    pixels, _ = digits()
    three = Image.fromarray(pixels[1300])  # a three
    words = ("--model", "tiny-digits", "-T", "corruptions=elastic_transform,fog", *CIFAR)
    for name, write in UNUSUAL.items():
        write(three, folder / "3" / name)
    plain = tmp_path_factory.mktemp("plain")
    given = ("--method", "source", "--method", "tent", "-T", f"data={folder}")
    assert run(plain, *given, world=words).code == 0
    for name, (change, _) in BROKEN.items():
        image = folder / "3" / name
        three.save(image, **({"quality": 95} if name.endswith("jpg") else {}))
        image.write_bytes(change(image.read_bytes()))
    save(folder / "3" / "pixel.png", size=(1, 1))
    broken = tmp_path_factory.mktemp("broken")
    done = run(broken, *given, world=words)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return plain, broken


def test_unusual_pictures_are_read_as_what_they_show(world):
    found = {
        row["source_id"].removeprefix("3/"): row["metrics"]["top1"]
        for row in rows(world[0], "source")
        if row["stream_id"] == "clean" and row["source_id"].startswith("3/")
    }
    for name in UNUSUAL:
        if name != "large.png":
            assert found[name] == 3, name
    assert {row["status"] for row in rows(world[0], "source")} == {"ok"}


def test_broken_pictures_are_invalid_with_the_reason(world):
    found = [row for row in rows(world[1], "tent") if row["status"] == "invalid"]
    reasons = {row["sample_id"]: row["error"] for row in found}
    for stage in ("clean/0", "elastic_transform/5", "fog/5"):
        for name, (_, reason) in BROKEN.items():
            assert reasons[f"{stage}/3/{name}"].startswith(reason)
    assert "has 1x1 pixels" in reasons["fog/5/3/pixel.png"]
    assert "has 1x1 pixels" in reasons["elastic_transform/5/3/pixel.png"]
    assert "clean/0/3/pixel.png" not in reasons  # a clean one is a picture of one colour
    assert len(found) == 3 * len(BROKEN) + 2
    assert all(row["score"] is None or np.isnan(row["score"]) for row in found)


def test_broken_pictures_change_no_prediction_of_a_method_that_does_not_adapt(world):
    plain = {row["sample_id"]: row for row in rows(world[0], "source")}
    broken = {row["sample_id"]: row for row in rows(world[1], "source")}
    assert len(plain) == 3 * (30 + len(UNUSUAL))
    for name, row in plain.items():
        for metric in ("top1", "max_probability", "entropy", "label"):
            assert broken[name]["metrics"][metric] == pytest.approx(
                row["metrics"][metric], abs=1e-5
            )
    one, other = metrics(world[0], "source"), metrics(world[1], "source")
    assert one["accuracy/fog/5"] == other["accuracy/fog/5"]


def test_broken_pictures_are_shown_to_no_method(world):
    """Batches have the other pictures only, and no row of those lacks a prediction."""
    found = [row for row in rows(world[1], "tent") if row["status"] == "ok"]
    assert len(found) == 3 * (30 + len(UNUSUAL)) + 1  # the clean picture of one pixel


def test_picture_that_cannot_be_read_is_tried_again(tmp_path, pictures, monkeypatch):
    """A disk that fails is no broken picture, which would be one for good."""
    folder = pictures(tmp_path / "data", 1)
    words = ("--model", "tiny-digits", "-T", "corruptions=fog", *CIFAR, "-T", f"data={folder}")
    image = folder / "4" / "0.png"
    listed = Folder.read(folder, tuple("0123456789"))
    monkeypatch.setattr(Folder, "read", lambda *_given, **_named: listed)
    content = image.read_bytes()
    image.unlink()
    done = run(tmp_path / "r", "--method", "source", world=words)
    assert done.code == 1
    found = rows(tmp_path / "r", "source")
    assert {row["status"] for row in found} >= {"error"}
    assert any("0.png cannot be read (No such file" in row["error"] for row in found)
    image.write_bytes(content)
    assert run(tmp_path / "r", "--method", "source", world=words).code == 0
    assert {row["status"] for row in rows(tmp_path / "r", "source")} == {"ok"}


def test_official_folder_lists_names_and_reads_no_bytes(tmp_path, monkeypatch):
    root = official(tmp_path / "c")
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _self: pytest.fail("it was read"))
    monkeypatch.setattr("pathlib.Path.open", lambda *_given: pytest.fail("it was opened"))
    found = Official.read(root, WORDNET, [("fog", 5)], None)
    assert len(found.photographs) == 6


def test_flat_file_with_an_unknown_wordnet_id_is_not_taken_for_a_number(tmp_path):
    save(tmp_path / "0001_n09999999.png")
    with pytest.raises(UsageError, match="n09999999"):
        Folder.read(tmp_path, WORDNET)


def test_hidden_files_are_no_pictures(tmp_path):
    save(tmp_path / WORDNET[0] / "1.png")
    save(tmp_path / WORDNET[0] / "._1.png")
    assert len(Folder.read(tmp_path, WORDNET).files) == 1


def test_sixteen_bits_are_scaled_and_thin_pictures_refused(tmp_path):
    gray = np.random.default_rng(0).integers(0, 65536, (64, 64), dtype=np.uint16)
    (tmp_path / WORDNET[0]).mkdir()
    Image.fromarray(gray).save(tmp_path / WORDNET[0] / "deep.png")
    save(tmp_path / WORDNET[1] / "thin.png", size=(2, 400))
    found = Folder.read(tmp_path, WORDNET, crop=False)
    deep, thin = (found.picture(one, ()) for one in found.photographs)
    pixels = RecipeReader().read(deep, 64)
    assert np.array_equal(pixels[..., 0], (gray / 257).round())
    with pytest.raises(InvalidSample, match="400x2 pixels: too thin"):
        RecipeReader().read(thin, 64)


def test_same_files_elsewhere_are_the_same_work(tmp_path):
    for number in range(4):
        save(tmp_path / "a" / str(number) / "1.png", number)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    results = tmp_path / "r"
    for name in "ab":
        done = run(results, "-T", f"data={tmp_path / name}", *CIFAR, "--method", "source")
        assert done.code == 0, done.err
    assert "nothing to do" in done.out + done.err
    save(tmp_path / "b" / "4" / "1.png", 4)
    done = run(results, "-T", f"data={tmp_path / 'b'}", *CIFAR, "--method", "source")
    assert "nothing to do" not in done.out + done.err
