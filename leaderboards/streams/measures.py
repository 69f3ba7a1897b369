"""All that a section's runs tell of their streams beyond the score; empty where nothing was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness_leaderboards.runs import Run
from harness_leaderboards.streams.transfer import Transfer, transfer_of


@dataclass(frozen=True)
class StreamMeasures:
    """The measures of one section, each a row for each method that has it."""

    transfers: tuple[Transfer, ...] = ()


def measures_of(methods: Mapping[str, Sequence[Run]]) -> StreamMeasures:
    """Compute what the runs of a section allow.

    Args:
        methods: the runs of each method, by label.
    """
    transfers = (transfer_of(name, runs) for name, runs in methods.items())
    return StreamMeasures(transfers=tuple(one for one in transfers if one is not None))
