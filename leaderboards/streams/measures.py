"""All that runs tell of their streams beyond the score; empty where nothing was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from harness.results.store import ResultsStore
from harness_leaderboards.boards import Board
from harness_leaderboards.gains import pair
from harness_leaderboards.runs import Run
from harness_leaderboards.streams.budget import Budget, budgets
from harness_leaderboards.streams.estimates import samples_of
from harness_leaderboards.streams.inherited import Inherited, inherited
from harness_leaderboards.streams.likeness import (
    Likeness,
    SubsetLikeness,
    likenesses,
    over_subsets,
)
from harness_leaderboards.streams.misled import Misled, misled
from harness_leaderboards.streams.orders import Orders, across_orders
from harness_leaderboards.streams.paper import PaperTable, paper_tables
from harness_leaderboards.streams.references import Contrast, contrasts
from harness_leaderboards.streams.settings import Groups
from harness_leaderboards.streams.transfer import Transfer, transfer_of
from harness_leaderboards.streams.use import Use, use_of


@dataclass(frozen=True)
class StreamMeasures:
    """The measures of one section, each a row for each method that has it."""

    transfers: tuple[Transfer, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    budgets: tuple[Budget, ...] = ()
    uses: tuple[Use, ...] = ()
    likenesses: tuple[Likeness, ...] = ()


@dataclass(frozen=True)
class BoardMeasures:
    """The measures that need several settings, each a table for each group of them."""

    papers: tuple[PaperTable, ...] = ()
    orders: tuple[Orders, ...] = ()
    misled: tuple[Misled, ...] = ()
    inherited: tuple[Inherited, ...] = ()
    likenesses: tuple[SubsetLikeness, ...] = ()

    def of_subsets(self, subsets: Sequence[str]) -> BoardMeasures:
        """Those on some data sets, and those over data sets, which have none of their own."""
        return BoardMeasures(
            **{
                field.name: tuple(
                    one for one in getattr(self, field.name) if one.setting.subset in ("", *subsets)
                )
                for field in fields(self)
            }
        )


def measures_of(
    board: Board, store: ResultsStore, methods: Mapping[str, Sequence[Run]]
) -> StreamMeasures:
    """Compute what the runs of a section allow.

    Args:
        board: which metric and baseline.
        store: where memory tables are.
        methods: the runs of each method, by label.
    """
    baseline = methods.get(board.baseline, ())
    samples = {name: samples_of(runs) for name, runs in methods.items()}
    others = {name: runs for name, runs in methods.items() if name != board.baseline}
    pairs = {
        name: pair(samples[board.baseline], samples[name]).pairs for name in others if baseline
    }
    transfers = (
        transfer_of(name, runs, () if name == board.baseline else baseline)
        for name, runs in methods.items()
    )
    uses = (use_of(store, name, runs, baseline) for name, runs in others.items())
    return StreamMeasures(
        transfers=tuple(one for one in transfers if one is not None),
        contrasts=contrasts(board, samples),
        budgets=budgets(board, samples, pairs),
        uses=tuple(one for one in uses if one is not None),
        likenesses=likenesses(samples, pairs),
    )


def measures_across(board: Board, groups: Groups, subsets: Mapping[str, str]) -> BoardMeasures:
    """Compute what the runs of several settings allow together.

    Args:
        board: which metric and baseline.
        groups: the runs of each method in each setting.
        subsets: the data set of each run, by its id.
    """
    return BoardMeasures(
        papers=paper_tables(board, groups),
        orders=across_orders(board, groups),
        misled=misled(board, groups),
        inherited=inherited(board, groups, subsets),
        likenesses=over_subsets(board, groups),
    )
