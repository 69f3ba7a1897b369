"""Where photographs and their corruptions come from: the official folder, any folder, CIFAR arrays.

All three give the same: labelled photographs, and a function from a photograph and its corruptions
to a `Picture`. Listing reads names and sizes of files, never their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from harness.data import DataSource, content_hash, file_hash
from harness.errors import MissingData, UsageError
from harness.protocols.adapt.task import Picture
from harness_tasks.imagenet_c.corruptions.names import NAMES, SEVERITIES
from harness_tasks.imagenet_c.recipes import Recipe
from harness_tasks.imagenet_c.streams import Cell, Photograph

_IMAGES = frozenset({".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm"})
_WORDNET = re.compile(r"n\d{8}")


class Photographs(Protocol):
    """A source of images."""

    @property
    def photographs(self) -> Sequence[Photograph]:
        """Every labelled photograph."""
        ...

    @property
    def training(self) -> Sequence[Photograph]:
        """Those that a method may look at beforehand: others than the stream's, if there are."""
        ...

    @property
    def source(self) -> DataSource:
        """What it is."""
        ...

    def picture(self, photograph: Photograph, cell: Cell) -> Picture | None:
        """A photograph under corruptions, clean without any; None where the data lack it."""
        ...


def sample_id(photograph: Photograph, cell: Cell) -> str:
    """Name of a picture: ``fog/3/PHOTOGRAPH``, ``fog/2+snow/3/PHOTOGRAPH``, ``clean/0/...``."""
    what = "+".join(f"{name}/{level}" for name, level in cell) or "clean/0"
    return f"{what}/{photograph.image_id}"


def picture_of(photograph: Photograph, cell: Cell, recipe: Recipe, content: str) -> Picture:
    """A photograph under corruptions, with the recipe that makes it."""
    return Picture(
        sample_id=sample_id(photograph, cell),
        source_id=photograph.image_id,
        group="+".join(name for name, _ in cell) or "clean",
        severity=cell[-1][1] if cell else 0,
        label=photograph.label,
        content_hash=content,
        recipe=recipe,
    )


@dataclass(frozen=True)
class Folder:
    """Labelled images in a folder, corrupted as the stream runs.

    The label is the folder that an image lies in, a class's name or number; in a flat folder it is
    a WordNet id in the file's name, or the number that the name begins with.
    """

    root: Path
    files: tuple[tuple[str, int, int], ...]
    """(path below the root, label, bytes)."""
    crop: bool = True
    """Whether images are brought to the size of ImageNet's evaluation."""

    @classmethod
    def read(cls, root: Path, classes: Sequence[str], *, crop: bool = True) -> Folder:
        """List a folder.

        Raises:
            UsageError: it holds no image, or one of an unknown class.
        """
        known = {name: place for place, name in enumerate(classes)}
        files = list[tuple[str, int, int]]()
        for path in _images(root):
            name = path.relative_to(root).as_posix()
            files.append((name, _label(root, path, known), path.stat().st_size))
        if not files:
            raise UsageError(
                f"{root} holds no image; an image lies in a folder named after its class, or has "
                "the class's WordNet id in its name."
            )
        return cls(root, tuple(files), crop)

    @property
    def photographs(self) -> Sequence[Photograph]:
        """Every image."""
        return [
            Photograph(name, label, content_hash(name, size)) for name, label, size in self.files
        ]

    @property
    def training(self) -> Sequence[Photograph]:
        """The stream's own, for there are no others."""
        return self.photographs

    @property
    def source(self) -> DataSource:
        """The folder, by names and sizes."""
        return DataSource(self.root.name, "local", content_hash(*self.files))

    def picture(self, photograph: Photograph, cell: Cell) -> Picture:
        """The photograph, with what is to be done to it."""
        path = str(self.root / photograph.image_id)
        recipe = Recipe(path, photograph.image_id, corruptions=cell, crop=self.crop)
        return picture_of(photograph, cell, recipe, photograph.content_hash)


@dataclass(frozen=True)
class Official:
    """ImageNet-C as it is handed out: ``<corruption>/<severity>/<wnid>/*.JPEG``."""

    root: Path
    files: Mapping[tuple[str, int], Mapping[str, int]]
    """Sizes in bytes of ``<wnid>/<name>`` by corruption and severity."""
    labels: Mapping[str, int]
    """Of each ``<wnid>/<name>``."""
    clean: Folder | None = None

    @classmethod
    def read(
        cls,
        root: Path,
        classes: Sequence[str],
        wanted: Sequence[tuple[str, int]],
        clean: Path | None,
    ) -> Official:
        """List the corruptions that are wanted.

        Raises:
            MissingData: a corruption or a severity is not there.
            UsageError: a class is unknown.
        """
        known = {name: place for place, name in enumerate(classes)}
        files = dict[tuple[str, int], dict[str, int]]()
        labels = dict[str, int]()
        for corruption, severity in wanted:
            folder = root / corruption / str(severity)
            if not folder.is_dir():
                raise MissingData(
                    f"there is no folder {folder}; ImageNet-C has one for each corruption and "
                    "severity (zenodo.org/records/2235448). For plain photographs take "
                    "-T corrupt=on-the-fly."
                )
            found = files.setdefault((corruption, severity), {})
            for path in _images(folder):
                name = path.relative_to(folder).as_posix()
                labels[name] = _label(folder, path, known)
                found[name] = path.stat().st_size
        beside = None if clean is None else Folder.read(clean, classes)
        if beside is not None and labels.keys().isdisjoint(one[0] for one in beside.files):
            raise UsageError(
                f"{clean} has none of the images of {root}: its files have to have the same names, "
                f"such as {next(iter(labels), '<wnid>/<name>.JPEG')}."
            )
        return cls(root, files, labels, beside)

    @property
    def photographs(self) -> Sequence[Photograph]:
        """Every photograph that some corruption has."""
        return [
            Photograph(name, label, content_hash(name))
            for name, label in sorted(self.labels.items())
        ]

    @property
    def training(self) -> Sequence[Photograph]:
        """The stream's own: the validation images, as EATA's code takes."""
        return self.photographs

    @property
    def source(self) -> DataSource:
        """The folder, by names and sizes."""
        listed = [
            (*cell, *one) for cell, sizes in sorted(self.files.items()) for one in sizes.items()
        ]
        return DataSource("imagenet-c", "local", content_hash(*listed))

    def picture(self, photograph: Photograph, cell: Cell) -> Picture | None:
        """The file; clean ones from the other folder."""
        if not cell:
            return self._clean(photograph)
        if len(cell) != 1 or photograph.image_id not in self.files[cell[0]]:
            return None
        ((name, severity),) = cell
        path = self.root / name / str(severity) / photograph.image_id
        content = content_hash(photograph.image_id, self.files[cell[0]][photograph.image_id])
        return picture_of(photograph, cell, Recipe(str(path), photograph.image_id), content)

    def _clean(self, photograph: Photograph) -> Picture | None:
        if self.clean is None or photograph.image_id not in self._clean_names:
            return None
        return self.clean.picture(photograph, ())

    @cached_property
    def _clean_names(self) -> frozenset[str]:
        return frozenset() if self.clean is None else frozenset(one[0] for one in self.clean.files)


@dataclass(frozen=True)
class Arrays:
    """CIFAR-10-C or CIFAR-100-C: ``<corruption>.npy`` of 50,000 images, and ``labels.npy``."""

    root: Path
    labels: tuple[int, ...]
    names: tuple[str, ...]
    hashes: Mapping[str, str]
    clean: bool
    rows: int
    """Images of each severity."""

    @classmethod
    def read(cls, root: Path, classes: Sequence[str], wanted: Sequence[str]) -> Arrays:
        """Read the labels, and see that the arrays are what they should be.

        Raises:
            MissingData: an array is not there.
            UsageError: one has another shape, or a label is no class of the model.
        """
        labels = _labels(root / "labels.npy", len(classes))
        rows = len(labels) // len(SEVERITIES)
        hashes = dict[str, str]()
        for name in [*wanted, *(["clean"] if (root / "clean.npy").is_file() else [])]:
            path = root / f"{name}.npy"
            if not path.is_file():
                raise MissingData(
                    f"there is no array {path}; CIFAR-C has one for each corruption "
                    "(zenodo.org/records/2535967)."
                )
            found, images = _array(path), rows if name == "clean" else len(labels)
            side = found.shape[1] if found.ndim == 4 else 32
            if found.shape != (images, side, side, 3) or found.dtype != "uint8":
                raise UsageError(
                    f"{path} has shape {found.shape} of {found.dtype}, not ({images}, {side}, "
                    f"{side}, 3) of uint8."
                )
            hashes[name] = file_hash(path)
        return cls(
            root,
            tuple(labels[:rows]),
            tuple(wanted),
            hashes,
            "clean" in hashes,
            rows,
        )

    @property
    def photographs(self) -> Sequence[Photograph]:
        """The test set."""
        return [
            Photograph(f"{row:05d}", label, content_hash(row))
            for row, label in enumerate(self.labels)
        ]

    @property
    def training(self) -> Sequence[Photograph]:
        """The stream's own, for there are no others."""
        return self.photographs

    @property
    def source(self) -> DataSource:
        """The arrays, by their bytes."""
        return DataSource(self.root.name, "local", content_hash(*sorted(self.hashes.items())))

    def picture(self, photograph: Photograph, cell: Cell) -> Picture | None:
        """The row; severities lie one after another."""
        row = int(photograph.image_id)
        if not cell:
            if not self.clean:
                return None
            name = "clean"
        elif len(cell) != 1:
            return None
        else:
            ((name, severity),) = cell
            row += self.rows * (severity - 1)
        path = self.root / f"{name}.npy"
        content = content_hash(self.hashes[name], row)
        return picture_of(photograph, cell, Recipe(str(path), photograph.image_id, row), content)


def _labels(path: Path, classes: int) -> list[int]:
    """The labels of the five severities, one after another.

    Raises:
        UsageError: they are not five times the same, or one is no class of the model.
    """
    import numpy as np

    found = _array(path)
    if (
        found.ndim != 1
        or len(found) % len(SEVERITIES)
        or not np.issubdtype(found.dtype, np.integer)
    ):
        raise UsageError(
            f"{path} has shape {found.shape} of {found.dtype}, not whole numbers, as many for each "
            f"of {len(SEVERITIES)} severities."
        )
    blocks = found.reshape(len(SEVERITIES), -1)
    if (blocks != blocks[0]).any():
        raise UsageError(f"{path} has other labels for one severity than for another.")
    if len(found) and not 0 <= found.min() <= found.max() < classes:
        raise UsageError(
            f"{path} has labels from {found.min()} to {found.max()}, and the model has {classes} "
            "classes; take a model that was trained on these classes."
        )
    return found.tolist()


def _array(path: Path) -> Any:
    """An array, its bytes left in the file.

    Raises:
        UsageError: it is none.
    """
    import numpy as np

    try:
        found: Any = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} is broken or no array of numpy ({error}).") from error
    return found


def is_arrays(root: Path) -> bool:
    """Whether a folder is CIFAR-C's."""
    return (root / "labels.npy").is_file()


def is_official(root: Path) -> bool:
    """Whether a folder is ImageNet-C's."""
    return any((root / name).is_dir() for name in NAMES)


def _images(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _IMAGES and path.is_file() and not path.name.startswith(".")
    )


def _label(root: Path, path: Path, known: Mapping[str, int]) -> int:
    """The class of an image by its folder, or by its name in a flat folder.

    Raises:
        UsageError: it is none of the model's.
    """
    parts = path.relative_to(root).parts
    named = parts[0] if len(parts) > 1 else path.stem
    if named in known:
        return known[named]
    found = _WORDNET.search(named)
    if found and found.group() in known:
        return known[found.group()]
    number = None if found else _number(named, flat=len(parts) == 1)
    if number is not None and number < len(known):
        return number
    example = next(iter(known), "")
    raise UsageError(
        f"{path.relative_to(root).as_posix()} is of class '{named}', which is none of the model's "
        f"{len(known)} (the first is {example}); take a model of these classes, or leave the "
        "folder out."
    )


def _number(name: str, *, flat: bool) -> int | None:
    """The number that a name is, or in a flat folder begins with."""
    found = re.match(r"\d+", name) if flat or name.isdigit() else None
    return int(found.group()) if found else None
