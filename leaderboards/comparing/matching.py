"""Which runs of the two sides belong together.

A comparison is one method in one setting (model, sampling, embedder, options of the task); within
it runs pair by subset, order, data seed and seed. What both sides have one value of, and another
one each, is compared all the same, and told as a difference: another model, another method.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import UnknownName, UsageError
from harness_leaderboards.comparing.runs import Run

Key = tuple[str, ...]
AnyKey = TypeVar("AnyKey", str, Key)


@dataclass(frozen=True)
class RunPair:
    """Two runs of the same work, or of work that is compared as if it were."""

    baseline: Run
    candidate: Run

    @property
    def trained(self) -> bool:
        """Whether a training is on one of the sides: its seed varies everything random."""
        return self.baseline.trained or self.candidate.trained

    @property
    def seed(self) -> int:
        """The seed of the training if there is one, else of sampling."""
        return (self.baseline if self.baseline.trained else self.candidate).seed


@dataclass(frozen=True)
class Match:
    """One comparison: a method of the baseline and one of the candidate in one setting.

    Attributes:
        task: what they ran on.
        baseline_method: label of the baseline's method; empty where only the candidate has it.
        candidate_method: label of the candidate's, empty likewise.
        setting: what tells it from other comparisons of the task, for people.
        pairs: the runs that belong together.
        missing: runs of the baseline whose subset the candidate has no run of.
        notes: what else was left out, in sentences.
    """

    task: str
    baseline_method: str
    candidate_method: str
    setting: str
    pairs: tuple[RunPair, ...]
    missing: tuple[Run, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What of the two sides is to be compared; empty: all."""

    task: str = ""
    subsets: tuple[str, ...] = ()
    method: str = ""
    baseline_method: str = ""


def match(baseline: Sequence[Run], candidate: Sequence[Run], choice: Choice) -> list[Match]:
    """Match the runs of two sides.

    Raises:
        UsageError: a name of the choice is on neither side, or the sides share no task.
    """
    before = _chosen(baseline, choice, choice.baseline_method or choice.method, "baseline")
    after = _chosen(candidate, choice, choice.method, "candidate")
    tasks = {run.text("task") for run in before} | {run.text("task") for run in after}
    found = list[Match]()
    for task in sorted(tasks):
        ours, theirs = (
            _newest([run for run in runs if run.text("task") == task]) for runs in (before, after)
        )
        explicit = bool(choice.method)
        for left, right in _methods(ours, theirs, explicit=explicit):
            found += _settings(task, left, right)
    if not any(one.pairs for one in found):
        raise UsageError(_nothing_common(before, after))
    return found


def _chosen(runs: Sequence[Run], choice: Choice, method: str, side: str) -> list[Run]:
    kept = _only(runs, "task", (choice.task,) if choice.task else (), side)
    kept = _only(kept, "subset", choice.subsets, side)
    if not method:
        return kept
    found = [run for run in kept if method in (run.text("method"), bare_name(run))]
    if not found:
        names = [run.text("method") for run in kept]
        raise UnknownName(f"method of the {side}", method, names)
    exact = [run for run in found if run.text("method") == method]
    return exact or found


def _only(runs: Sequence[Run], column: str, wanted: tuple[str, ...], side: str) -> list[Run]:
    known = {run.text(column) for run in runs}
    # The candidate may lack a subset: its items are missing then, which is told.
    for name in wanted if side == "baseline" else ():
        if name not in known:
            raise UnknownName(f"{column} of the {side}", name, known)
    return [run for run in runs if not wanted or run.text(column) in wanted]


def bare_name(run: Run) -> str:
    """The label of a run's method without its options."""
    return "+".join(part.split(":", 1)[0] for part in run.text("method").split("+"))


def _newest(runs: Iterable[Run]) -> list[Run]:
    """The newest run of equal work; a limit on the samples does not make other work."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    return list({(_method(run), *_setting(run), *_unit(run)): run for run in ordered}.values())


def _method(run: Run) -> str:
    return run.text("method_parts") or run.text("method")


def _model(run: Run) -> str:
    return run.text("model_id") or run.text("model")


_SETTING: Mapping[str, Callable[[Run], str]] = {
    "model": _model,
    "sampling": lambda run: run.text("sampling"),
    "embedder": lambda run: run.text("embedder"),
    "options": lambda run: run.options,
}
_UNIT: Mapping[str, Callable[[Run], str]] = {
    "order": lambda run: run.text("order"),
    "data seed": lambda run: str(run.whole("data_seed") or 0),
    "seed": lambda run: f"{'train' if run.trained else 'sample'} {run.seed}",
}


def _setting(run: Run) -> Key:
    return tuple(of(run) for of in _SETTING.values())


def _unit(run: Run) -> Key:
    return (run.text("subset"), *(of(run) for of in _UNIT.values()))


def _methods(
    ours: Sequence[Run], theirs: Sequence[Run], *, explicit: bool
) -> list[tuple[list[Run], list[Run]]]:
    """Runs by method: equal parts, else equal labels, else the only ones of both sides."""
    left, right = _grouped(ours, _method), _grouped(theirs, _method)
    pairs = [(left.pop(key), right.pop(key)) for key in sorted(left.keys() & right.keys())]
    for key, runs in list(left.items()):
        labels = {run.text("method") for run in runs}
        equal = [name for name, some in right.items() if labels & {r.text("method") for r in some}]
        if len(equal) == 1:
            pairs.append((left.pop(key), right.pop(equal[0])))
    if len(left) == 1 and len(right) == 1 and (not pairs or explicit):
        pairs.append((left.popitem()[1], right.popitem()[1]))
    pairs += [(runs, []) for runs in left.values()]
    return pairs + [([], runs) for runs in right.values()]


def _settings(task: str, ours: Sequence[Run], theirs: Sequence[Run]) -> list[Match]:
    """One comparison for each setting of a method."""
    key = _aligned(ours, theirs, _SETTING)
    left, right = _grouped(ours, key), _grouped(theirs, key)
    several = len(left.keys() | right.keys()) > 1
    return [
        _match(task, left.get(one, []), right.get(one, []), several=several)
        for one in sorted(left.keys() | right.keys())
    ]


def _match(task: str, ours: Sequence[Run], theirs: Sequence[Run], *, several: bool) -> Match:
    aligned = _aligned(ours, theirs, _UNIT)

    def unit(run: Run) -> Key:
        return (run.text("subset"), *aligned(run))

    left = {unit(run): run for run in ours}
    right = {unit(run): run for run in theirs}
    pairs = [RunPair(left[key], right[key]) for key in sorted(left.keys() & right.keys())]
    if ours and theirs and len({run.trained for run in (*ours, *theirs)}) > 1 and not pairs:
        return _every_seed(task, ours, theirs, several=several)
    covered = {key[0] for key in left.keys() & right.keys()}
    missing = [run for key, run in left.items() if key[0] not in covered]
    notes = list[str]()
    for side, mine, others in (("baseline", left, right), ("candidate", right, left)):
        for key in sorted(mine.keys() - others.keys()):
            run = mine[key]
            if key[0] in covered:
                place = f"{_said(key)} of subset {key[0]}"
                notes.append(f"only the {side} has {place} (run {run.run_id}): left out")
            elif side == "candidate":
                notes.append(f"only the candidate has subset {key[0]} (run {run.run_id}): left out")
    one = (*ours, *theirs)[0]
    return Match(
        task=task,
        baseline_method=ours[-1].text("method") if ours else "",
        candidate_method=theirs[-1].text("method") if theirs else "",
        setting=_setting_text(one) if several else one.text("model"),
        pairs=tuple(pairs),
        missing=tuple(missing),
        notes=tuple(notes),
    )


def _every_seed(task: str, ours: Sequence[Run], theirs: Sequence[Run], *, several: bool) -> Match:
    """Pair runs without a training with every training of the other side."""
    place = _aligned(ours, theirs, {name: of for name, of in _UNIT.items() if name != "seed"})
    fixed, trained = (theirs, ours) if ours[0].trained else (ours, theirs)
    plain = {(run.text("subset"), *place(run)): run for run in fixed}
    pairs = list[RunPair]()
    for run in trained:
        other = plain.get((run.text("subset"), *place(run)))
        if other is not None:
            pairs.append(RunPair(run, other) if ours[0].trained else RunPair(other, run))
    covered = {pair.baseline.text("subset") for pair in pairs}
    return Match(
        task=task,
        baseline_method=ours[-1].text("method"),
        candidate_method=theirs[-1].text("method"),
        setting=_setting_text(ours[-1]) if several else ours[-1].text("model"),
        pairs=tuple(pairs),
        missing=tuple(run for run in ours if run.text("subset") not in covered),
        notes=("one side has no training: its run is compared with every training of the other",),
    )


def _said(key: Key) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(_UNIT, key[1:], strict=True))


def _setting_text(run: Run) -> str:
    texts = (run.text("model"), run.text("embedder"), run.text("sampling"), run.options)
    return ", ".join(text for text in texts if text not in ("", "{}"))


def _aligned(
    ours: Sequence[Run], theirs: Sequence[Run], factors: Mapping[str, Callable[[Run], str]]
) -> Callable[[Run], Key]:
    """The key of a run, without the factors of which each side has one value and another one."""
    kept = list[Callable[[Run], str]]()
    for of in factors.values():
        left, right = {of(run) for run in ours}, {of(run) for run in theirs}
        alone = len(left) == 1 and len(right) == 1 and left != right
        kept.append((lambda _: "") if alone else of)
    return lambda run: tuple(of(run) for of in kept)


def _grouped(runs: Iterable[Run], key: Callable[[Run], AnyKey]) -> dict[AnyKey, list[Run]]:
    found = defaultdict[AnyKey, list[Run]](list)
    for run in runs:
        found[key(run)].append(run)
    return dict(found)


def _nothing_common(before: Sequence[Run], after: Sequence[Run]) -> str:
    def what(runs: Sequence[Run]) -> str:
        names = sorted({f"{r.text('task')}/{r.text('subset')} {r.text('method')}" for r in runs})
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return (", ".join(names[:3]) + more) if names else "nothing"

    return (
        f"the two sides have no work in common: the baseline has {what(before)}, the candidate "
        f"{what(after)}; choose with --task, --subset, --method and --baseline-method."
    )
