"""Corrupted ImageNet: classifiers that adapt to corrupted photographs while they predict them.

Source: Hendrycks and Dietterich 2019, arXiv 1903.12261. ImageNet-C is a set of files; images that
are corrupted as the stream runs are another version of it, under another name in the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.data import DataSource, mirror
from harness.errors import MissingData, UsageError
from harness.protocols.adapt.task import (
    AdaptSettings,
    AdaptTask,
    Picture,
    Reader,
    Stage,
)
from harness.protocols.task import MetricInfo, Summary
from harness.registry import About, Need
from harness.results.schema import SampleRecord
from harness_tasks.imagenet_c import metrics, streams
from harness_tasks.imagenet_c.corruptions.names import BENCHMARK, NAMES, SEVERITIES, VERSION, Table
from harness_tasks.imagenet_c.digits import Digits
from harness_tasks.imagenet_c.recipes import DIGITS, RecipeReader
from harness_tasks.imagenet_c.score import ImageNetCScorer
from harness_tasks.imagenet_c.sources import (
    Arrays,
    Folder,
    Official,
    Photographs,
    is_arrays,
    is_official,
)
from harness_tasks.imagenet_c.streams import Order, Photograph, Setting

_ON_THE_FLY_MIRROR = "imagenet_samples"
_JPEG = 85
"""Quality of ImageNet-C's files."""


class Corrupt(StrEnum):
    """Who corrupted the images."""

    AUTO = "auto"
    """The data, where they are ImageNet-C or CIFAR-C; else the harness."""
    PUBLISHED = "published"
    """The data: ``<corruption>/<severity>/<wnid>/*.JPEG``, or CIFAR-C's arrays."""
    ON_THE_FLY = "on-the-fly"
    """The harness, as the stream runs; draws depend on image, corruption, severity and seed."""


class ImageNetCSettings(AdaptSettings):
    """Options of the task."""

    subset: Literal["severity-1", "severity-2", "severity-3", "severity-4", "severity-5", "all"] = (
        "severity-5"
    )
    """One severity, or all five, which mCE needs."""
    data: Path | None = None
    """Folder of ImageNet-C, of CIFAR-C, or of labelled photographs; digits: scikit-learn's, for
    --model tiny-digits; none: from HARNESS_DATA."""
    corrupt: Corrupt = Corrupt.AUTO
    """published, on-the-fly, or auto: what the folder looks like."""
    clean_data: Path | None = None
    """Folder of the uncorrupted validation images, where data is ImageNet-C: relative mCE and
    forgetting need them."""
    corruptions: tuple[str, ...] = BENCHMARK
    """Which, in order; the 15 of the benchmark unless told. Also speckle_noise, gaussian_blur,
    spatter and saturate, which are meant for choosing options."""
    setting: Setting = Setting.RESET
    """reset, continual, mixed, gradual, correlated or changing."""
    delta: float = Field(default=0.1, gt=0)
    """setting=correlated: of the Dirichlet distribution; the smaller, the more classes cluster."""
    clean: bool = True
    """Predict clean images first, where there are any, and reset after them."""
    after: bool = False
    """Predict clean images once more after the stream, to see what was forgotten."""
    frost: Path | None = None
    """Folder of the five frost pictures of hendrycks/robustness; none: generated ones, with which
    no mCE is reported."""
    constants: Table | None = None
    """What severities mean, where the harness corrupts: imagenet, or cifar for 32x32 pixels; none:
    cifar for digits, else imagenet."""
    jpeg: int | None = Field(default=None, ge=0, le=100)
    """Quality of the JPEG round trip after a corruption; 0: no round trip; none: 85 with ImageNet's
    constants, as in the published set, and no round trip with CIFAR's."""


class ImageNetC(AdaptTask):
    """``imagenet-c``."""

    about: ClassVar[About] = About(
        "adapt an image classifier to corruptions while it predicts: accuracy, mCE, calibration",
        "Hendrycks and Dietterich 2019, arXiv 1903.12261; zenodo.org/records/2235448",
        "CC BY 4.0 (ImageNet-C)",
    )
    Options = ImageNetCSettings
    subsets = ("severity-1", "severity-2", "severity-3", "severity-4", "severity-5", "all")
    scorer = ImageNetCScorer
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("top5_correct", "the class is among the five most probable"),
        MetricInfo("max_probability", "probability of the predicted class"),
        MetricInfo("entropy", "entropy of the prediction, nats", higher_is_better=False),
        MetricInfo("nll", "negative log-probability of the class, nats", higher_is_better=False),
        MetricInfo("brier", "squared distance to the truth, in [0, 2]", higher_is_better=False),
    )
    options: ImageNetCSettings

    def __init__(self, options: ImageNetCSettings) -> None:
        super().__init__(options)
        if not options.corruptions:
            raise UsageError("corruptions names none; name one or more, or leave it out.")
        for name in options.corruptions:
            if name not in NAMES:
                raise UsageError(f"there is no corruption '{name}'; there are {', '.join(NAMES)}.")
        if len(set(options.corruptions)) < len(options.corruptions):
            raise UsageError("a corruption is named twice; name each once.")
        whole = options.setting in (Setting.GRADUAL, Setting.CHANGING)
        if whole and options.subset != "all":
            raise UsageError(
                f"setting={options.setting} goes through all severities; add -T subset=all."
            )
        if "delta" in options.differing() and options.setting is not Setting.CORRELATED:
            raise UsageError("delta means something to setting=correlated only; leave it out.")
        self._listed: tuple[tuple[str, ...], Photographs] | None = None

    @property
    def _has_data(self) -> bool:
        """Whether data are named or lie in the mirror."""
        base = mirror()
        folders = () if base is None else (base / "imagenet-c", base / _ON_THE_FLY_MIRROR)
        return self.options.data is not None or any(one.is_dir() for one in folders)

    @property
    def _root(self) -> Path:
        """The folder of the data.

        Raises:
            MissingData: none is named or it is not there.
        """
        if self.options.data is not None:
            if not self.options.data.is_dir():
                raise MissingData(
                    f"there is no folder {self.options.data}; name one with -T data=."
                )
            return self.options.data
        base = mirror()
        for name in ("imagenet-c", _ON_THE_FLY_MIRROR):
            if base is not None and (base / name).is_dir():
                return base / name
        raise MissingData(
            "imagenet-c needs images: -T data=FOLDER, either ImageNet-C itself "
            "(zenodo.org/records/2235448) or a folder of labelled photographs, which are corrupted "
            "as the stream runs; or put one as imagenet-c/ into the mirror that HARNESS_DATA names."
        )

    @property
    def _digits(self) -> bool:
        """Whether the images are scikit-learn's digits."""
        return self.options.data == Path(DIGITS) and not Path(DIGITS).exists()

    @property
    def _table(self) -> Table:
        """Whose constants."""
        usual = Table.CIFAR if self._digits else Table.IMAGENET
        return self.options.constants or usual

    @property
    def _jpeg(self) -> int | None:
        """Quality of the round trip; None: there is none."""
        usual = _JPEG if self._table is Table.IMAGENET else 0
        chosen = usual if self.options.jpeg is None else self.options.jpeg
        return chosen or None

    @property
    def _published(self) -> bool:
        """Whether the images are corrupted already."""
        asked = self.options.corrupt
        if self._digits:
            if asked is Corrupt.PUBLISHED:
                raise UsageError("data=digits has no published corruptions; leave out corrupt=.")
            return False
        root = self._root
        looks = is_arrays(root) or is_official(root)
        if asked is Corrupt.AUTO:
            return looks
        if asked is Corrupt.PUBLISHED and not looks:
            raise UsageError(
                f"{root} is neither ImageNet-C (<corruption>/<severity>/<wnid>/*.JPEG) nor CIFAR-C "
                "(labels.npy); for labelled photographs take -T corrupt=on-the-fly."
            )
        return asked is Corrupt.PUBLISHED

    @property
    def version(self) -> str:
        """Rules, who corrupted, and with what pictures of frost; before data are named, rules."""
        if not self._has_data:
            return "imagenet-c-1"
        if self._published:
            return "cifar-c-1" if is_arrays(self._root) else "imagenet-c-1"
        name = "digits-c" if self._digits else f"{self._table}-c"
        parts = [f"{name}-1-on-the-fly-{VERSION}"]
        parts += [] if self._jpeg is None else [f"jpeg-{self._jpeg}"]
        if "frost" in self.options.corruptions:
            parts.append(f"frost-{self._frost}")
        return "+".join(parts)

    @cached_property
    def _frost(self) -> str:
        """Which pictures frost is cropped from.

        Raises:
            MissingData: a picture is not in the folder that was named.
        """
        if self.options.frost is None:
            return "stand-in"
        from harness_tasks.imagenet_c.corruptions.frost import FrostPictures

        return FrostPictures.read(self.options.frost).version

    @property
    def _severities(self) -> tuple[int, ...]:
        subset = self.options.subset
        return SEVERITIES if subset == "all" else (int(subset.removeprefix("severity-")),)

    def _photographs(self, classes: Sequence[str]) -> Photographs:
        """The data, listed once for a list of classes."""
        if self._listed is None or self._listed[0] != tuple(classes):
            self._listed = tuple(classes), self._list(classes)
        return self._listed[1]

    def _list(self, classes: Sequence[str]) -> Photographs:
        chosen = self.options
        if chosen.clean_data is not None:
            self._check_clean_data(chosen.clean_data)
        if self._digits:
            return Digits.read(classes)
        if not self._published:
            return Folder.read(self._root, classes, crop=self._table is Table.IMAGENET)
        if chosen.setting is Setting.CHANGING:
            raise UsageError(
                "setting=changing applies two corruptions to an image; take plain photographs and "
                "-T corrupt=on-the-fly."
            )
        root = self._root
        if is_arrays(root):
            return Arrays.read(root, classes, chosen.corruptions)
        levels = SEVERITIES if chosen.setting is Setting.GRADUAL else self._severities
        wanted = [(name, level) for name in chosen.corruptions for level in levels]
        return Official.read(root, classes, wanted, chosen.clean_data)

    def _check_clean_data(self, folder: Path) -> None:
        if not self._published or is_arrays(self._root):
            raise UsageError(
                "clean_data belongs to ImageNet-C's folders: photographs that are corrupted as the "
                "stream runs are there without corruption too, and CIFAR's lie in clean.npy."
            )
        if not folder.is_dir():
            raise MissingData(f"there is no folder {folder}; name one with -T clean_data=.")

    def stages(self, classes: Sequence[str], seed: int, limit: int | None) -> Sequence[Stage]:
        """Clean images where there are any, the stream, clean images after it where asked."""
        chosen, data = self.options, self._photographs(classes)
        drawn = streams.first(data.photographs, limit)
        order = Order(chosen.setting, chosen.corruptions, self._severities, chosen.delta, seed)
        found = streams.stages(drawn, order, data.picture)
        clean = self._clean(data, drawn, seed)
        if chosen.clean and clean:
            # What is learned from clean images is no part of the stream.
            head, *rest = found
            found = [
                Stage("clean", clean, reset=True),
                Stage(head.name, head.pictures, reset=True),
                *rest,
            ]
        if chosen.after:
            if not clean:
                raise UsageError("after=true needs clean images; name them with -T clean_data=.")
            found.append(Stage("after", clean, reset=False, checkpoint=metrics.AFTER))
        return found

    def _clean(
        self, data: Photographs, drawn: Sequence[Photograph], seed: int
    ) -> tuple[Picture, ...]:
        pictures = [data.picture(one, ()) for one in drawn]
        known = [one for one in pictures if one is not None]
        return tuple(streams.shuffled(known, f"{seed}/clean"))

    def reader(self, seed: int) -> Reader:
        """Reads files, and corrupts them where they are not."""
        chosen = self.options
        return RecipeReader(
            seed=seed,
            table=self._table,
            jpeg=self._jpeg,
            frost="" if chosen.frost is None else str(chosen.frost),
        )

    def clean(self, number: int, seed: int) -> Sequence[Picture]:
        """Clean images, drawn in another order than the stream's."""
        if self._listed is None:
            return ()
        data = self._listed[1]
        drawn = streams.shuffled(data.training, f"{seed}/source")
        pictures = [one for one in (data.picture(p, ()) for p in drawn) if one is not None]
        if not pictures:
            raise UsageError(
                "this method looks at clean images of the source beforehand, and there are none; "
                "name them with -T clean_data=."
            )
        return pictures[:number]

    def summarise(self, rows: Iterable[SampleRecord]) -> Summary:
        """Accuracies, corruption errors, calibration, bias, speed."""
        why = ""
        if not self.version.startswith("imagenet-c"):
            why = "mCE is defined for ImageNet's images"
        elif not self._published and self._jpeg != _JPEG:
            why = f"images went through no JPEG of quality {_JPEG}, as those of ImageNet-C did"
        elif "stand-in" in self.version:
            why = "the frost pictures are a stand-in: name a folder of the real ones with -T frost="
        elif self.options.setting in (Setting.CHANGING, Setting.GRADUAL):
            why = f"mCE is not defined for setting={self.options.setting}"
        return metrics.summarise(rows, whole=not why, why_not=why)

    def data_sources(self) -> Sequence[DataSource]:
        """The folder."""
        return () if self._listed is None else (self._listed[1].source,)

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """What reads and corrupts images."""
        needs = (Need("PIL", "vision"), Need("cv2", "vision"))
        return (*needs, Need("sklearn", "vision")) if options.data == Path(DIGITS) else needs
