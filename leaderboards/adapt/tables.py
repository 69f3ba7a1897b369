"""The tables of an adapt board: accuracy and gain, corruption by corruption, costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness_leaderboards.adapt.boards import AdaptBoard
from harness_leaderboards.adapt.model import (
    AdaptLeaderboard,
    AdaptRow,
    AdaptSection,
)
from harness_leaderboards.render.headings import local_heading
from harness_leaderboards.render.numbers import (
    NOT_KNOWN,
    amount,
    interval,
    number,
    probability,
    signed_interval,
)
from harness_leaderboards.render.tables import TextTable

_CE = "ce/"
_COUNTS = (
    "missed",
    "undebiased",
    "averaged",
    "setup_seconds",
    "source_images",
    "updates",
    "selected",
    "resets",
    "resets_of_stream",
    "images_per_second",
)


def heading_of(board: AdaptLeaderboard, section: AdaptSection) -> str:
    """What tells a section from the others of its board."""
    settings = [one.setting for one in board.sections]
    return local_heading(section.setting, settings, "{} photographs")


def main_tables(board: AdaptLeaderboard, section: AdaptSection) -> Iterable[TextTable]:
    """Accuracy, gain and what else characterises a method."""
    shown = _present(board.board.figures, section.rows)
    lines = list[tuple[str, ...]]()
    for row in section.rows:
        accuracy = row.accuracy
        lines.append(
            (
                row.method,
                f"{row.n_scored:,}/{row.n_planned:,}",
                NOT_KNOWN
                if accuracy is None
                else interval(accuracy.mean, accuracy.low, accuracy.high),
                _gain(row),
                NOT_KNOWN if row.gain is None else probability(row.gain.p),
                "" if row.gain is None else str(row.gain.verdict),
                *(number(row.figures.get(metric)) for metric, _ in shown),
            )
        )
    yield TextTable(
        title=heading_of(board, section),
        headers=("method", "n", "accuracy", "gain", "p", "verdict", *(name for _, name in shown)),
        numeric=(False, True, True, True, True, False, *(True for _ in shown)),
        rows=tuple(lines),
        caption=tuple(_caption(board.board, section, [metric for metric, _ in shown])),
    )


def more_tables(board: AdaptBoard, section: AdaptSection) -> Iterable[TextTable]:
    """Accuracy by corruption and severity, and costs."""
    yield from _by_corruption(section)
    yield from _corruption_errors(section)
    shown = _present(board.costs, section.rows)
    yield TextTable(
        title="What adapting costs",
        headers=("method", "adapts", "order", *(name for _, name in shown)),
        numeric=(False, False, False, *(True for _ in shown)),
        rows=tuple(
            (
                row.method,
                row.adapts,
                "" if row.adapts == "nothing" else row.order,
                *(_cost(metric, row.figures.get(metric)) for metric, _ in shown),
            )
            for row in section.rows
        ),
        caption=(
            "overhead: mean time for a corrupted image over that of the source model, which "
            "predicts the second batch, and each later one with probability 1/8, beside the method "
            "in the same process; setup s: what was done before the first batch, which forwards "
            "and backwards hold too. missed: batches that came too soon (-T pace). forwards, "
            "backwards: images sent through the network for each image of the stream. memory: "
            "most in use during the run, of the GPU where there is one, else of the process.",
        ),
    )


def _by_corruption(section: AdaptSection) -> Iterable[TextTable]:
    cells = dict.fromkeys(name for row in section.rows for name in row.cells)
    severities = sorted({name.rpartition("/")[2] for name in cells})
    for severity in severities:
        names = [name for name in cells if name.rpartition("/")[2] == severity]
        yield TextTable(
            title=f"Accuracy by corruption at severity {severity}",
            headers=("corruption", *(row.method for row in section.rows)),
            numeric=(False, *(True for _ in section.rows)),
            rows=tuple(
                (
                    name.rpartition("/")[0].replace("_", " "),
                    *(number(row.cells.get(name)) for row in section.rows),
                )
                for name in names
            ),
        )


def _corruption_errors(section: AdaptSection) -> Iterable[TextTable]:
    """CE of each corruption, where a run has all its severities."""
    names = dict.fromkeys(
        name for row in section.rows for name in row.figures if name.startswith(_CE)
    )
    if names:
        yield TextTable(
            title="Corruption errors (CE)",
            headers=("corruption", *(row.method for row in section.rows)),
            numeric=(False, *(True for _ in section.rows)),
            rows=tuple(
                (
                    name.removeprefix(_CE).replace("_", " "),
                    *(number(row.figures.get(name)) for row in section.rows),
                )
                for name in names
            ),
            caption=(
                "Ratios of summed errors to AlexNet's, 1.00 being AlexNet's; mCE is their mean.",
            ),
        )


def _present(figures: Sequence[tuple[str, str]], rows: Sequence[AdaptRow]) -> list[tuple[str, str]]:
    return [pair for pair in figures if any(pair[0] in row.figures for row in rows)]


def _gain(row: AdaptRow) -> str:
    gain = row.gain
    if gain is None:
        return ""
    return signed_interval(gain.difference, gain.low, gain.high)


def _cost(metric: str, value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    if metric == "peak_memory_bytes":
        return amount(value / 1e6)
    return amount(value) if metric in _COUNTS else number(value)


def _caption(board: AdaptBoard, section: AdaptSection, shown: Sequence[str]) -> Iterable[str]:
    clusters = max((row.accuracy.clusters for row in section.rows if row.accuracy), default=0)
    seeds = sorted({seed for row in section.rows for seed in row.seeds})
    yield (
        f"accuracy: of corrupted images, failed ones counted as wrong, invalid ones left out; 95 % "
        f"t interval over {clusters} photographs, each of which gives several images. Given these "
        f"streams: seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."
    )
    yield (
        f"gain: method - {board.baseline} on the same images. p: two-sided test that swaps the two "
        "within photographs, adjusted after Holm; given these streams too."
    )
    if "on-the-fly" in section.setting.task_version:
        yield (
            "corrupted as the stream ran: figures are not comparable with those of ImageNet-C's "
            "own files."
        )
    if "ece" in shown:
        yield "ECE, NLL, Brier and classes are of predicted images; failed ones have none."
    if "mce" in shown:
        yield (
            "mCE, rel mCE: ratios to AlexNet's errors (Hendrycks' figures), 1.00 being AlexNet's; "
            "papers give them in percent."
        )
    if "max class" in dict(board.figures).values() and "largest_class_share" in shown:
        yield (
            "max class: share of the predictions that name the class predicted most; L1 class: "
            "distance of predicted from true class shares, 0 to 2."
        )
    missing = {f"{name}: {why}" for row in section.rows for name, why in row.missing.items()}
    yield from sorted(missing)
    unpaired = {row.method: row.gain.unpaired for row in section.rows if row.gain}
    for method, count in unpaired.items():
        if count:
            yield f"{method}: {count} images cannot be paired with {board.baseline}'s."
    yield from section.notes
