"""The measures of a section's streams as tables of texts; each only where it has rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness_leaderboards.render.numbers import amount, number, percent, probability, signed
from harness_leaderboards.render.numbers import signed_interval as ends
from harness_leaderboards.render.tables import TextTable
from harness_leaderboards.streams.budget import Budget
from harness_leaderboards.streams.cells import NOTHING, change, counted, level, table
from harness_leaderboards.streams.likeness import Likeness
from harness_leaderboards.streams.measures import StreamMeasures
from harness_leaderboards.streams.references import Contrast
from harness_leaderboards.streams.transfer import Transfer
from harness_leaderboards.streams.use import SHOWN, EntryUse, Use


def stream_tables(measures: StreamMeasures | None) -> list[TextTable]:
    """The tables that there are."""
    found = list[TextTable]()
    if measures is None:
        return found
    if measures.contrasts:
        found.append(_contrasts(measures.contrasts))
    if measures.transfers:
        found.append(_transfer(measures.transfers))
        if any(one.holdout for one in measures.transfers):
            found.append(_holdout(measures.transfers))
    if measures.budgets:
        found.append(_budgets(measures.budgets))
    if measures.uses:
        found.append(_uses(measures.uses))
        found += _entries(measures.uses)
    if measures.likenesses:
        found.append(_likenesses(measures.likenesses))
    return found


def _contrasts(rows: Sequence[Contrast]) -> TextTable:
    lines = list[tuple[str, ...]]()
    for one in rows:
        gain = one.gain
        if gain is None:
            lines.append((one.method, one.reference, *(number(None),) * 5, NOTHING))
            continue
        lines.append(
            (
                *(one.method, one.reference, str(gain.n), str(gain.clusters)),
                ends(gain.difference, gain.low, gain.high),
                f"{gain.wins}/{gain.losses}/{gain.ties}",
                probability(gain.adjusted_p),
                gain.verdict.value.replace("_", " "),
            )
        )
    count = max((one.gain.comparisons for one in rows if one.gain), default=0)
    return table(
        "Against no memory, history and controls",
        ("method", "against", "n", "streams", "gain [95 %]", "W/L/T", "p adj.", "verdict"),
        lines,
        (
            "gain: on the same items. Controls show entries that cannot teach what the item needs "
            "(random: any; static: always the same; shuffled: those of other items): what a method "
            f"gains over them is not the longer prompt. p: Holm-adjusted over all {count} "
            "comparisons of this table.",
        ),
        texts=2,
    )


def _transfer(rows: Sequence[Transfer]) -> TextTable:
    lines = [
        (
            one.method,
            *(
                counted(value, signs=True)
                for value in (
                    *(one.forward, one.backward, one.forgetting),
                    *(one.holdout_gain, one.holdout_ahead),
                )
            ),
            *(signed(value) for value in one.summed_gains),
        )
        for one in rows
    ]
    return table(
        "Transfer",
        (
            *("method", "forward", "backward", "forgetting", "hold-out gain"),
            *("ahead of baseline", "B(1)", "B(2)"),
        ),
        lines,
        (
            "forward: score along the stream minus the score with the empty memory, from the "
            "second item on; backward: score at the end minus the score right behind the item; "
            "forgetting: best earlier score behind it minus the one at the end; hold-out gain: "
            "items that the stream never meets, full memory minus empty one; ahead of baseline: "
            "the same items, full memory minus the baseline. 95 % intervals over streams; in "
            "parentheses the items.",
            "B(t): SeqMem-Eval's summed gain t states later, mean over streams, where every state "
            "was probed. A method without a state has only the empty one.",
        ),
    )


def _holdout(rows: Sequence[Transfer]) -> TextTable:
    parts = sorted({point.part for one in rows for point in one.holdout})
    lines = list[tuple[str, ...]]()
    for one in rows:
        points = {point.part: point.score for point in one.holdout}
        lines.append(
            (
                one.method,
                str(max((point.n for point in points.values()), default=0)),
                *(level(points.get(part)) for part in parts),
                signed(one.holdout_trend),
                signed(one.holdout_loss),
            )
        )
    return table(
        "Hold-out accuracy by share of the stream behind the memory",
        ("method", "n", *(f"{100 * part:.0f} %" for part in parts), "trend", "loss"),
        lines,
        (
            "n: hold-out items at a state; trend: least-squares change from one checkpoint to the "
            "next; loss: the best earlier checkpoint minus the last. Neither has an interval: the "
            "checkpoints are of the same items.",
        ),
    )


def _budgets(rows: Sequence[Budget]) -> TextTable:
    lines = [
        (
            *(one.method, str(one.items), amount(one.tokens), percent(one.memory_share)),
            *(str(one.draws), str(one.seeds)),
            one.no_vote or level(one.vote),
            one.no_best or level(one.best),
            change(one.difference) if one.difference else NOTHING,
        )
        for one in rows
    ]
    baseline = " or ".join(sorted({amount(one.baseline_tokens) for one in rows}))
    return table(
        "At equal tokens",
        (
            *("method", "n", "tokens", "memory's own", "answers", "seeds"),
            *("baseline, majority", "baseline, best", "method - majority"),
        ),
        lines,
        (
            f"tokens: read and written for an item; the baseline's {baseline}. memory's own: share "
            "spent in the phases retrieve, evolve and judge; the longer prompts are not in it. "
            "answers: what the baseline could draw for the method's tokens, rounded down; seeds: "
            "how many it has of each item.",
            "majority: expected score of the most frequent of so many answers; best: of the best "
            "of them, which needs an oracle and is an upper bound. 95 % intervals over streams.",
        ),
    )


def _uses(rows: Sequence[Use]) -> TextTable:
    lines = [
        (
            *(one.method, str(one.entries), percent(one.ever_read), amount(one.reads)),
            amount(one.distance),
            *(
                cell
                for side in (one.with_entries, one.without)
                for cell in (counted(side.score), counted(side.baseline))
            ),
        )
        for one in rows
    ]
    return table(
        "Use of memory",
        (
            *("method", "entries", "ever read", "reads per entry", "steps until read"),
            *("solved, shown some", "baseline there", "solved, shown none", "baseline there"),
        ),
        lines,
        (
            "steps until read: median distance from writing to reading. solved: share of the items "
            "that were shown an entry, or none, with its interval and (items); baseline there: "
            "share that the baseline solved of the same items. Items are shown entries because "
            "they resemble earlier ones: what the baseline already shows is selection, not use.",
        ),
    )


def _entries(rows: Sequence[Use]) -> list[TextTable]:
    top = sorted((one for use in rows for one in use.top), key=_advantage, reverse=True)
    worst = sorted((one for use in rows for one in use.worst), key=_advantage)
    found = list[TextTable]()
    for title, entries in (
        ("Entries whose readers did best against the baseline", top[:SHOWN]),
        ("Entries whose readers did worst against the baseline", worst[:SHOWN]),
    ):
        if entries:
            found.append(_entry_table(title, entries))
    return found


def _advantage(one: EntryUse) -> float:
    return one.own_solved - one.baseline_solved


def _entry_table(title: str, rows: Iterable[EntryUse]) -> TextTable:
    lines = [
        (
            *(one.method, one.run_id, one.stream_id, one.entry_id),
            one.written_by or "(there from the start)",
            *(str(one.readers), str(one.solved), str(one.pruned)),
            f"{one.own_solved} - {amount(one.baseline_solved)} of {one.baseline_readers}",
        )
        for one in rows
    ]
    return table(
        title,
        (
            *("method", "run", "stream", "entry", "written by", "read by", "solved"),
            *("pruned by", "solved - baseline's"),
        ),
        lines,
        (
            "Of all entries the extreme ones: chance alone makes some, and none of these "
            "differences is tested. solved - baseline's: items that both have.",
        ),
        texts=5,
    )


def _likenesses(rows: Sequence[Likeness]) -> TextTable:
    lines = [
        (
            *(one.method, str(one.items), str(one.without)),
            *(counted(third, signs=True) for third in one.thirds),
            signed(one.correlation),
            number(None) if one.p is None else probability(one.p),
        )
        for one in rows
    ]
    return table(
        "Gain by similarity",
        (
            *("method", "n", "shown none", "least similar third", "middle", "most similar third"),
            *("r", "p"),
        ),
        lines,
        (
            "Thirds of the items by the mean similarity of what they were shown: mean gain over "
            "the baseline, with its interval and (items). r: Pearson, over items; p: permutation "
            "test that swaps signs of whole streams; not corrected for several methods.",
            "The paper's task similarity is another figure, the distance of tasks to the centroid "
            "of their data set, and its sign is unclear there.",
        ),
    )
