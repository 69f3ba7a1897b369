"""Formulas of corrupted ImageNet: corruption errors, calibration, bias of predictions.

Errors and accuracies are shares in [0, 1]; `mce` and its kin give percent, as papers do.
Sources: Hendrycks and Dietterich 2019, arXiv 1903.12261 (mCE, relative mCE); Guo et al. 2017, arXiv
1706.04599 (ECE).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

ALEXNET: Mapping[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""AlexNet's error for each corruption, mean over its five severities: what CE is relative to.

The figures of hendrycks/robustness, as several public repositories have them; by name, for they
stand in several orders there."""

ALEXNET_CLEAN = 0.4348
"""AlexNet's error on clean images, of torchvision's weights."""

BINS = 15
"""Bins of the expected calibration error."""


def corruption_error(errors: Sequence[float], reference: float) -> float:
    """CE of one corruption, a ratio: the sum of errors over that of the reference.

    Args:
        errors: of the model, one for each severity.
        reference: the reference's mean over the same severities.

    Raises:
        ValueError: there are no errors, or the reference makes none.
    """
    if not errors or reference <= 0:
        raise ValueError(f"CE needs errors and a reference above 0, not {errors} and {reference}.")
    return math.fsum(errors) / len(errors) / reference


def relative_corruption_error(
    errors: Sequence[float], clean: float, reference: float, reference_clean: float
) -> float:
    """Relative CE: what corruption adds to the error, over what it adds to the reference's.

    Raises:
        ValueError: corruption adds nothing to the reference's error.
    """
    if not errors or reference <= reference_clean:
        raise ValueError("relative CE needs errors, and a reference that corruption makes worse.")
    return (math.fsum(errors) / len(errors) - clean) / (reference - reference_clean)


def mce(errors: Mapping[str, Sequence[float]], reference: Mapping[str, float] = ALEXNET) -> float:
    """Mean corruption error in percent: the mean of CE over the corruptions of the reference.

    It is a mean of ratios of sums, not of ratios of single severities.

    Raises:
        ValueError: a corruption is missing.
    """
    found = [corruption_error(errors[name], reference[name]) for name in _all(errors, reference)]
    return 100 * math.fsum(found) / len(found)


def relative_mce(
    errors: Mapping[str, Sequence[float]],
    clean: float,
    reference: Mapping[str, float] = ALEXNET,
    reference_clean: float = ALEXNET_CLEAN,
) -> float:
    """Mean of relative CE in percent.

    Raises:
        ValueError: a corruption is missing, or makes the reference no worse.
    """
    found = [
        relative_corruption_error(errors[name], clean, reference[name], reference_clean)
        for name in _all(errors, reference)
    ]
    return 100 * math.fsum(found) / len(found)


def _all(errors: Mapping[str, Sequence[float]], reference: Mapping[str, float]) -> list[str]:
    lacking = [name for name in reference if name not in errors]
    if lacking:
        raise ValueError(f"mCE is over {len(reference)} corruptions; {lacking[0]} is missing.")
    return list(reference)


class Calibration:
    """Expected calibration error of predictions that come one by one.

    Bins of equal width over the confidence, each open at its lower end, as in the paper's code.
    """

    def __init__(self, bins: int = BINS) -> None:
        self._count = [0] * bins
        self._confidence = [0.0] * bins
        self._right = [0.0] * bins

    def add(self, confidence: float, right: float) -> None:
        """Note a prediction: its largest probability, and 1 if it was right, else 0."""
        bins = len(self._count)
        place = min(bins - 1, max(0, math.ceil(confidence * bins) - 1))
        self._count[place] += 1
        self._confidence[place] += confidence
        self._right[place] += right

    def error(self) -> float:
        """Mean over predictions of |confidence - accuracy| of their bins, in [0, 1].

        Raises:
            ValueError: there were no predictions.
        """
        total = sum(self._count)
        if not total:
            raise ValueError("a calibration error needs predictions; there are none.")
        gaps = zip(self._confidence, self._right, strict=True)
        return math.fsum(abs(one - other) for one, other in gaps) / total


def largest_share(counts: Mapping[int, int]) -> float:
    """Share of the predictions that name the class that is predicted most."""
    return max(counts.values()) / sum(counts.values())


def distance_to(predicted: Mapping[int, int], true: Mapping[int, int]) -> float:
    """L1 distance between the shares of predicted and of true classes, in [0, 2].

    For a stream with equally many images of each class it is the distance to uniform.
    """
    of_predicted, of_true = sum(predicted.values()), sum(true.values())
    return math.fsum(
        abs(predicted.get(one, 0) / of_predicted - true.get(one, 0) / of_true)
        for one in {*predicted, *true}
    )
