"""What wrong feedback does to a method, and whether it recovers.

Runs that were told the opposite of the truth about some items (`flip`), in the first part of each
stream (`flip_until`), come in beside runs of the same setting that were told the truth. Loss is
the true runs' score minus the misled ones', item by item, so that above 0 the feedback did harm
(where lower scores are better, the reverse). Repair is ``1 - loss after / loss while misled``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.statistics import MeanEstimate
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import Pair, pair
from harness_leaderboards.measures import mean
from harness_leaderboards.model import Sample, Setting
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.estimates import estimate, samples_of
from harness_leaderboards.streams.settings import FLIPS, Groups, counterparts, options_of


@dataclass(frozen=True)
class MisledMethod:
    """One method with wrong feedback against itself without.

    Attributes:
        wrong: share of items with wrong feedback, in the part where there was any, as measured.
        during: loss on the items of that part; None of none.
        after: loss on the items behind it; None where there are none.
        repair: None unless there was a loss while misled.
    """

    method: str
    wrong: float | None
    during: MeanEstimate | None
    after: MeanEstimate | None
    repair: float | None


@dataclass(frozen=True)
class Misled:
    """The methods of one setting with wrong feedback.

    Attributes:
        flip: share of items whose feedback was to be wrong.
        until: share of each stream in which it could be.
        methods: those that were run in both settings.
    """

    setting: Setting
    flip: float
    until: float
    methods: tuple[MisledMethod, ...]


def misled(board: Board, groups: Groups) -> tuple[Misled, ...]:
    """One table for each setting with wrong feedback that has a counterpart without."""
    found = list[Misled]()
    for setting, methods in groups.items():
        options = options_of(setting)
        if not options.get("flip"):
            continue
        until = float(options.get("flip_until", 1.0))
        true = counterparts(groups, setting, FLIPS)
        both = tuple(
            _method(board, name, runs, true[name], until)
            for name, runs in methods.items()
            if name in true
        )
        if both:
            found.append(Misled(setting, float(options["flip"]), until, both))
    return tuple(found)


def _method(
    board: Board, name: str, wrong: Sequence[Run], true: Sequence[Run], until: float
) -> MisledMethod:
    rows = samples_of(wrong)
    early = _early(rows, until)
    pairs = pair(samples_of(true), rows).pairs
    sign = 1.0 if board.higher_is_better else -1.0
    during = _loss((one for one in pairs if _place(one) in early), sign)
    after = _loss((one for one in pairs if _place(one) not in early), sign)
    harmed = during is not None and after is not None and during.mean > 0
    told = (
        one.metrics["feedback_wrong"]
        for one in rows
        if "feedback_wrong" in one.metrics and (one.stream_id, one.sample_id) in early
    )
    return MisledMethod(
        method=name,
        wrong=mean(told),
        during=during,
        after=after,
        repair=1 - after.mean / during.mean if harmed and during and after else None,
    )


def _early(rows: Iterable[Sample], until: float) -> set[tuple[str, str]]:
    """The items that were met where feedback could be wrong, by stream."""
    steps = dict[str, set[int]]()
    places = dict[tuple[str, str], int]()
    for one in rows:
        steps.setdefault(one.stream_id, set()).add(one.step)
        place = (one.stream_id, one.sample_id)
        places[place] = min(one.step, places.get(place, one.step))
    return {
        (stream, item)
        for (stream, item), step in places.items()
        if step / len(steps[stream]) < until
    }


def _place(one: Pair) -> tuple[str, str]:
    return one.stream_id, one.sample_id


def _loss(pairs: Iterable[Pair], sign: float) -> MeanEstimate | None:
    return estimate((one.stream_id, sign * (one.before - one.after)) for one in pairs)
