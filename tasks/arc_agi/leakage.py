"""Which puzzles give away answers of others: versions and splits of ARC-AGI overlap.

ARC-AGI-2's training set holds 376 of the 400 evaluation puzzles of ARC-AGI-1, so whoever was fitted
on it has seen their answers. Pairs are compared, not names: puzzles were edited and reordered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.protocols.solve import Pair, Problem


def givers(asked: Iterable[Problem], known: Iterable[Problem]) -> Mapping[str, frozenset[str]]:
    """Which known puzzles hold a test pair of an asked one, among demonstrations or tests.

    Args:
        asked: puzzles that are scored.
        known: puzzles that a solver has seen with their outputs.

    Returns:
        For each asked puzzle that is given away, the ids of those that do.
    """
    holders = dict[Pair, set[str]]()
    for one in known:
        for pair in (*one.puzzle.train, *one.pairs):
            holders.setdefault(pair, set()).add(one.puzzle.puzzle_id)
    found = dict[str, frozenset[str]]()
    for one in asked:
        who = {name for pair in one.pairs for name in holders.get(pair, ())}
        if who:
            found[one.puzzle.puzzle_id] = frozenset(who)
    return found
