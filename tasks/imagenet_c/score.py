"""``harness score imagenet-c TABLE.csv``: mCE of accuracies that were recorded elsewhere.

The table has RobustBench's form (``unaggregated_accuracy.csv``): two header lines with corruptions
and severities, then a line for each model with its accuracies. A column ``clean`` is optional.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.options import Options
from harness.scoring import Scorer, Scores
from harness_tasks.imagenet_c import formulas
from harness_tasks.imagenet_c.corruptions.names import BENCHMARK, NAMES, SEVERITIES

_CLEAN = ("clean", "original", "none")
_CLEAN_KEY = ("clean", 0)
_ALEXNET = "alexnet"


_Accuracies = Mapping[tuple[str, int], float]
"""By corruption and severity, as they stand in the table."""


class Relative(StrEnum):
    """Whose errors corruption errors are relative to."""

    AUTO = "auto"
    """The table's own AlexNet where it has one, as RobustBench does; else Hendrycks' figures."""
    TABLE = "table"
    HENDRYCKS = "hendrycks"


class ImageNetCScoring(Options):
    """Options of the scorer."""

    alexnet: Relative = Relative.AUTO
    """What mCE is relative to: auto (the table's AlexNet where there is one), table, hendrycks."""


@dataclass(frozen=True)
class _Model:
    errors: Mapping[str, Sequence[float]]
    """By corruption, in the order of severities."""
    clean: float | None


class ImageNetCScorer(Scorer):
    """Accuracy, mCE and relative mCE of each model of a table."""

    Options = ImageNetCScoring

    def score(self, files: Sequence[Path], reference: Path | None, options: Any) -> Scores:
        """Read the tables and aggregate."""
        if reference is not None:
            raise UsageError("imagenet-c takes no --reference; -T alexnet=table|hendrycks chooses.")
        models = dict[str, _Model]()
        for file in files:
            for name, model in _read(file).items():
                if name in models:
                    raise UsageError(f"{file}: model '{name}' is there twice.")
                models[name] = model
        relative, relative_clean, said = _relative_to(models, options.alexnet)
        found = dict[str, dict[str, float | None]]()
        missing = dict[str, str]()
        for name, model in models.items():
            every = [one for errors in model.errors.values() for one in errors]
            relative_mce: float | None = None
            if model.clean is None:
                missing[f"{name}/relative_mce"] = "the table has no clean accuracy"
            elif relative_clean is None:
                missing[f"{name}/relative_mce"] = "the table's AlexNet has no clean accuracy"
            elif easier := [name for name, mean in relative.items() if mean <= relative_clean]:
                missing[f"{name}/relative_mce"] = (
                    f"AlexNet is no worse under {easier[0]} than on clean images"
                )
            else:
                relative_mce = formulas.relative_mce(
                    model.errors, model.clean, relative, relative_clean
                )
            found[name] = {
                "accuracy": 100 * (1 - math.fsum(every) / len(every)),
                "mce": formulas.mce(model.errors, relative),
                "relative_mce": relative_mce,
            }
        return Scores(
            metrics={
                f"{name}/{metric}": value
                for name, metrics in found.items()
                for metric, value in metrics.items()
                if value is not None
            },
            not_computed=missing,
            notes=[f"Percent; corruption errors are relative to {said}."],
            details={"models": found, "relative_to": said},
        )


def _relative_to(
    models: Mapping[str, _Model], asked: Relative
) -> tuple[Mapping[str, float], float | None, str]:
    """Mean error of the reference for each corruption, its clean error, and its name."""
    own = next((one for name, one in models.items() if name.lower() == _ALEXNET), None)
    if asked is Relative.TABLE and own is None:
        raise UsageError(
            "the table has no model AlexNet; add its line, or take -T alexnet=hendrycks."
        )
    if asked is Relative.HENDRYCKS or own is None:
        return formulas.ALEXNET, formulas.ALEXNET_CLEAN, "Hendrycks' AlexNet"
    means = {name: math.fsum(one) / len(one) for name, one in own.errors.items()}
    for name, mean in means.items():
        if not mean:
            raise UsageError(
                f"the table's AlexNet makes no error under {name}, so nothing can be relative to "
                "it; mend its line, or take -T alexnet=hendrycks."
            )
    return means, own.clean, "the table's own AlexNet"


def _read(path: Path) -> dict[str, _Model]:
    """Every model of a table.

    Raises:
        UsageError: it is no such table, or lacks a corruption or a severity.
    """
    try:
        lines = list(enumerate(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()), 1))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a table ({error}).") from error
    lines = [(number, line) for number, line in lines if any(cell.strip() for cell in line)]
    if len(lines) < 3:
        raise UsageError(
            f"{path}: a table has a line of corruptions, a line of severities, and a line for each "
            "model."
        )
    (_, names), (_, severities), *rest = lines
    columns = _columns(path, names, severities)
    found = dict[str, _Accuracies]()
    for number, line in rest:
        name = line[0].strip()
        if not name:
            raise UsageError(f"{path}: line {number} names no model.")
        if name in found:
            raise UsageError(f"{path}: model '{name}' is there twice.")
        if len(line) > len(names):
            raise UsageError(
                f"{path}: model '{name}' has {len(line)} cells, and the table {len(names)} columns."
            )
        found[name] = _accuracies(path, name, line, columns)
    most = _most(found)
    return {name: _model(path, name, values, most) for name, values in found.items()}


def _columns(
    path: Path, names: Sequence[str], severities: Sequence[str]
) -> dict[tuple[str, int], int]:
    """Place of each (corruption, severity); clean images are ('clean', 0)."""
    found = dict[tuple[str, int], int]()
    for place, (name, severity) in enumerate(zip(names, severities, strict=False)):
        corruption = name.strip().lower().replace(" ", "_")
        if place == 0 or not corruption:
            continue
        key = _CLEAN_KEY if corruption in _CLEAN else (corruption, _severity(path, severity))
        if key[0] != "clean" and key[0] not in NAMES:
            raise UsageError(
                f"{path}: column {place + 1} is '{name}', which is no corruption; there are "
                f"{', '.join(NAMES)}, and clean."
            )
        if key in found:
            raise UsageError(f"{path}: {key[0]} at severity {key[1]} is there twice.")
        found[key] = place
    for corruption in BENCHMARK:
        for severity in SEVERITIES:
            if (corruption, severity) not in found:
                raise UsageError(
                    f"{path} has no column for {corruption} at severity {severity}; mCE is over "
                    f"{len(BENCHMARK)} corruptions at {len(SEVERITIES)} severities each."
                )
    return found


def _severity(path: Path, text: str) -> int:
    try:
        severity = float(text)
    except ValueError:
        severity = 0
    if severity not in SEVERITIES:
        raise UsageError(f"{path}: the severity '{text}' is not one of 1 to 5.")
    return int(severity)


def _accuracies(
    path: Path, name: str, line: Sequence[str], columns: Mapping[tuple[str, int], int]
) -> _Accuracies:
    """The numbers of a line; a clean accuracy may be missing."""
    values = dict[tuple[str, int], float]()
    for key, place in columns.items():
        text = line[place].strip() if place < len(line) else ""
        if key == _CLEAN_KEY and not text:
            continue
        try:
            values[key] = float(text)
        except ValueError:
            raise _no_accuracy(path, name, key, text) from None
    return values


def _most(models: Mapping[str, _Accuracies]) -> int:
    """What a perfect accuracy is: 100 in a table in percent, 1 in one of shares.

    The whole table says it: in percent a model that guesses has less than 1 as well.
    """
    every = [one for values in models.values() for one in values.values()]
    return 100 if sum(one > 1 for one in every) > len(every) / 2 else 1


def _model(path: Path, name: str, values: _Accuracies, most: int) -> _Model:
    for key, value in values.items():
        if not 0 <= value <= most:
            raise _no_accuracy(path, name, key, f"{value:g}", f" between 0 and {most}")
    errors = {
        corruption: [1 - values[corruption, severity] / most for severity in SEVERITIES]
        for corruption in BENCHMARK
    }
    clean = values.get(_CLEAN_KEY)
    return _Model(errors, None if clean is None else 1 - clean / most)


def _no_accuracy(
    path: Path, name: str, key: tuple[str, int], text: str, where: str = ""
) -> UsageError:
    return UsageError(
        f"{path}: model '{name}' has '{text}' for {key[0]} at severity {key[1]}, which is no "
        f"accuracy{where}."
    )
