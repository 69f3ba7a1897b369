"""Submissions that were recorded elsewhere: JSON files in, checked attempts and what is wrong out.

Four forms are read: Kaggle's ``{task: [{"attempt_1": grid, "attempt_2": grid}, ...]}``; ARC Prize's
file for each task, named after it, ``[{"attempt_1": {"answer": grid, "metadata": {...}}}, ...]``,
in a folder or as a dictionary of them; the older one whose attempts are bare grids or null; and any
of the dictionaries wrapped, with the scores that somebody published::

    {"submission": {...}, "published": {"score": 81.0, "task_results": {"f0afb749": 0.0, ...}}}

`open_recorded` reads the files, `check` holds them against the expected puzzles. A file that is no
JSON, or no submission, is an error; anything else that is wrong is listed, and can only cost its
own answer. Nothing is scored here.

An attempt of null is no answer: it is counted, not listed. Of two entries for one test input the
first is kept, and of a name that one JSON object has twice (a task, an attempt, an ``answer``) the
first one's value; the repeat is listed. An attempt belongs to K by its number, so that a repeated
grid makes no room for a third one. Attempts beyond K are counted; only those that are beyond ARC
Prize's two as well are listed. Unlike the reference scorer (arcprize/arc-agi-benchmarking
@28e67d5), floats that equal colours are no colours, and an entry whose ``pair_index`` is out of
range answers nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from harness.errors import UsageError
from harness.protocols.solve.grids import BadGrid, Domain, Grid, read_grid
from harness.protocols.solve.puzzle import Puzzle
from harness.text import clean

LISTED = 10_000
"""Flaws that are kept word for word; all are counted."""
_ENTRIES = 1_000
"""Entries of one task that are looked at: no puzzle has as many test inputs."""
ALLOWED = 2
"""Attempts of a test input that ARC Prize allows: so many are no flaw, however few count."""
RESULTS_FILE = "results.json"
"""What ARC Prize's scorer writes beside submissions."""
_ATTEMPT = re.compile(r"attempt_([1-9][0-9]{0,8})")
_NAME = 80
"""Letters of a foreign name that are kept."""
_DIGITS = 40
"""Digits of an integer that Python refuses to read; they tell as well that it is too large."""


class Kind(StrEnum):
    """What is wrong with a part of a submission."""

    MISSING_TASK = "missing-task"
    UNKNOWN_TASK = "unknown-task"
    MISSING_TEST = "missing-test-input"
    EXTRA_TEST = "extra-test-input"
    PAIR_INDEX = "pair-index"
    NO_ENTRY = "no-entry"
    """What should hold the attempts of a test input, or all of a task's, does not."""
    NO_ATTEMPT = "no-attempt"
    """An entry has a key that names no attempt."""
    NO_GRID = "no-grid"
    BEYOND_K = "beyond-k"
    """More attempts than are allowed, and than count."""
    REPEATED = "repeated-name"
    """A JSON object has a name twice."""


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong.

    Attributes:
        kind: of what sort.
        task: the puzzle's id, shortened where it is no puzzle's.
        test: number of the test input, from 0; None where it is about the task.
        attempt: number of the attempt, from 1; None where it is about the entry.
        problem: what is wrong, in words.
    """

    kind: Kind
    task: str
    test: int | None
    attempt: int | None
    problem: str

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "task": self.task,
            "test_input": self.test,
            "attempt": self.attempt,
            "kind": str(self.kind),
            "problem": self.problem,
        }


@dataclass(frozen=True)
class Attempt:
    """A grid, and which attempt it was, from 1."""

    number: int
    grid: Grid


@dataclass(frozen=True)
class Published:
    """Scores that came with a submission, by ARC Prize's rule: the sum over tasks.

    Attributes:
        score: the total.
        total_tasks: of how many tasks.
        tasks: the score of each.
    """

    score: float | None
    total_tasks: float | None
    tasks: Mapping[str, float]


@dataclass(frozen=True)
class Recorded:
    """What the files hold, unchecked.

    Attributes:
        source: where it comes from, for messages.
        tasks: whatever stands for each task.
        published: scores that came with it.
        repeated: how often each task is there again.
        by_file: whether each task is a file, named after it.
    """

    source: str
    tasks: Mapping[str, Any]
    published: Published | None = None
    repeated: Mapping[str, int] = field(default_factory=dict[str, int])
    by_file: bool = False


@dataclass(frozen=True)
class Answers:
    """What was recorded for one puzzle.

    Attributes:
        attempts: for each test input the distinct grids among the first K attempts, in order.
        flaws: the first `LISTED` things that are wrong.
        counts: how many there are of each kind.
        nulls: attempts that say that there is none.
        beyond_k: attempts that do not count because of their number, listed or not.
    """

    attempts: tuple[tuple[Attempt, ...], ...]
    flaws: tuple[Flaw, ...]
    counts: Mapping[Kind, int]
    nulls: int
    beyond_k: int


@dataclass(frozen=True)
class Submission:
    """A submission, held against the puzzles that were expected.

    Attributes:
        answers: for each expected puzzle and each of its test inputs, the attempts; empty where
            there is none.
        flaws: the first `LISTED` things that are wrong.
        counts: how many there are of each kind.
        nulls: attempts that say that there is none.
        beyond_k: attempts that do not count because of their number, listed or not.
    """

    answers: Mapping[str, tuple[tuple[Attempt, ...], ...]]
    flaws: tuple[Flaw, ...]
    counts: Mapping[Kind, int]
    nulls: int
    beyond_k: int


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files to read: folders are replaced by the ``.json`` files in them.

    Raises:
        UsageError: a path is neither file nor folder, or a folder has no such file.
    """
    found = list[Path]()
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.glob("*.json") if one.is_file())
            if not inside:
                raise UsageError(f"the folder {clean(str(path))} holds no .json file.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"there is no file {clean(str(path))}.")
    return found


def open_recorded(paths: Sequence[Path]) -> Recorded:
    """Read one submission from a file, or from files or folders with one file for each task.

    Raises:
        UsageError: a file cannot be read, is no JSON or no submission, or there are several.
    """
    source = ", ".join(clean(str(path)) for path in paths)
    files = files_of(paths)
    whole = list[Recorded]()
    tasks = dict[str, Any]()
    published: Published | None = None
    for path in files:
        document = _read(path)
        if isinstance(document, list):
            if path.stem in tasks:
                raise UsageError(
                    f"{source}: task {clean(path.stem)} is there twice; score one run at a time."
                )
            tasks[path.stem] = document
        elif path.name == RESULTS_FILE and "submission" not in document and len(files) > 1:
            published = _published(document)
        else:
            whole.append(_unwrap(document, clean(str(path))))
    if whole and (len(whole) > 1 or tasks):
        raise UsageError(
            f"{source} holds {len(whole)} whole submissions and {len(tasks)} files of single "
            "tasks; score one run at a time."
        )
    if whole:
        return replace(whole[0], source=source, published=whole[0].published or published)
    return Recorded(source, tasks, published, by_file=True)


def check(recorded: Recorded, puzzles: Sequence[Puzzle], attempts: int) -> Submission:
    """Hold a submission against the puzzles that were expected.

    Args:
        recorded: what the files hold.
        puzzles: all that were expected; other tasks are listed and count nothing.
        attempts: K.

    Raises:
        UsageError: it names none of the puzzles, and holds nothing that looks like answers, or is
            in files that are named after none of them.
    """
    expected = {one.puzzle_id: one for one in puzzles}
    known = expected.keys() & recorded.tasks.keys()
    if not known:
        if recorded.by_file and recorded.tasks:
            raise _no_such_files(recorded)
        if not any(isinstance(one, list) for one in recorded.tasks.values()):
            raise _no_submission(recorded.source)
    kept, counts, nulls, beyond_k = list[Flaw](), Counter[Kind](), 0, 0
    answers = dict[str, tuple[tuple[Attempt, ...], ...]]()
    for name, puzzle in expected.items():
        found = answers_of(recorded, puzzle, attempts)
        answers[name] = found.attempts
        nulls += found.nulls
        beyond_k += found.beyond_k
        counts.update(found.counts)
        kept += found.flaws[: LISTED - len(kept)]
    for name in recorded.tasks:
        if name in known:
            continue
        counts[Kind.UNKNOWN_TASK] += 1
        if len(kept) < LISTED:
            problem = "no such task is expected; it counts nothing"
            kept.append(Flaw(Kind.UNKNOWN_TASK, _short(name), None, None, problem))
    return Submission(answers, tuple(kept), counts, nulls, beyond_k)


def answers_of(recorded: Recorded, puzzle: Puzzle, attempts: int) -> Answers:
    """What was recorded for one puzzle.

    Args:
        recorded: what the files hold.
        puzzle: whose test inputs were expected.
        attempts: K.
    """
    reader = _TaskReader(puzzle, attempts)
    for _ in range(recorded.repeated.get(puzzle.puzzle_id, 0)):
        reader.note(Kind.REPEATED, None, None, "the task is there again; the first is kept")
    if puzzle.puzzle_id not in recorded.tasks:
        reader.note(Kind.MISSING_TASK, None, None, "the task is missing; it counts as unsolved")
        return reader.answers()
    entries = recorded.tasks[puzzle.puzzle_id]
    if isinstance(entries, list):
        reader.read(cast("list[Any]", entries))
    else:
        reader.note(Kind.NO_ENTRY, None, None, f"{_what(entries)} is no list of test inputs")
    return reader.answers()


@dataclass
class _TaskReader:
    """Reads the entries of one task, in order."""

    puzzle: Puzzle
    attempts: int
    found: dict[int, tuple[Attempt, ...]] = field(default_factory=dict[int, tuple[Attempt, ...]])
    flaws: list[Flaw] = field(default_factory=list[Flaw])
    counts: Counter[Kind] = field(default_factory=Counter[Kind])
    nulls: int = 0
    beyond_k: int = 0

    def answers(self) -> Answers:
        """What was found."""
        numbers = range(len(self.puzzle.tests))
        attempts = tuple(self.found.get(number, ()) for number in numbers)
        return Answers(attempts, tuple(self.flaws), self.counts, self.nulls, self.beyond_k)

    def note(self, kind: Kind, test: int | None, attempt: int | None, problem: str) -> None:
        """List a flaw, or only count it where there are many."""
        self.counts[kind] += 1
        if len(self.flaws) < LISTED:
            self.flaws.append(Flaw(kind, self.puzzle.puzzle_id, test, attempt, problem))

    def read(self, entries: list[Any]) -> None:
        """Take every entry; one that comes without a place answers the test input at its own."""
        count = len(self.puzzle.tests)
        if len(entries) > _ENTRIES:
            said = f"of {len(entries)} entries only {_ENTRIES} are looked at"
            self.note(Kind.EXTRA_TEST, None, None, said)
        for position, entry in enumerate(entries[:_ENTRIES]):
            attempts = self._attempts(entry, position)
            number = self._place(attempts, position)
            if number is None:
                continue
            if number >= count:
                said = "1 test input" if count == 1 else f"{count} test inputs"
                self.note(Kind.EXTRA_TEST, number, None, f"the task has {said}; left out")
            elif number in self.found:
                said = f"entry {position + 1} answers a test input again; the first is kept"
                self.note(Kind.PAIR_INDEX, number, None, said)
            else:
                self.found[number] = self._grids(attempts, number)
        for number in range(count):
            if number not in self.found:
                self.note(Kind.MISSING_TEST, number, None, "there is no answer to it")

    def _attempts(self, entry: Any, position: int) -> dict[int, Any]:
        """Attempts of an entry by their numbers, in order; listed is what is none."""
        if entry is None:
            self.nulls += 1
            return {}
        if not isinstance(entry, dict):
            said = f"{_what(entry)} is no object with attempt_1, attempt_2 and so on"
            self.note(Kind.NO_ENTRY, position, None, said)
            return {}
        values = cast("dict[str, Any]", entry)
        for name in _repeats(values):
            said = f"'{_short(name)}' is there again; the first is kept"
            self.note(Kind.REPEATED, position, _attempt_number(name), said)
        found = dict[int, Any]()
        for name, value in values.items():
            number = _attempt_number(name)
            if number is not None:
                found[number] = value
            else:
                said = f"'{_short(name)}' names no attempt; they are attempt_1, attempt_2 and so on"
                self.note(Kind.NO_ATTEMPT, position, None, said)
        if not values:
            self.note(Kind.NO_ENTRY, position, None, "the object has no attempt_1")
        return dict(sorted(found.items()))

    def _place(self, attempts: dict[int, Any], position: int) -> int | None:
        """The test input that an entry answers; None where it names one that is not there.

        Attempts that name another one than the entry's first are taken out.
        """
        place: int | None = None
        wrong = False
        for attempt, value in list(attempts.items()):
            index = _pair_index(value)
            if index is None:
                continue
            if type(index) is not int or not 0 <= index < len(self.puzzle.tests):
                shown = _short(repr(index)) if isinstance(index, int | float) else _what(index)
                said = f"pair_index {shown} is no test input of the task"
                self.note(Kind.PAIR_INDEX, position, attempt, said)
                del attempts[attempt]
                wrong = True
            elif place is None:
                place = index
            elif index != place:
                said = f"pair_index {index} in the entry of test input {place}; left out"
                self.note(Kind.PAIR_INDEX, place, attempt, said)
                del attempts[attempt]
        if place is None:
            return None if wrong else position
        return place

    def _grids(self, attempts: dict[int, Any], number: int) -> tuple[Attempt, ...]:
        """Distinct grids among the first K attempts."""
        grids = dict[Grid, Attempt]()
        for attempt, value in attempts.items():
            if attempt > self.attempts:
                self.beyond_k += 1
                if attempt > ALLOWED:
                    most = max(ALLOWED, self.attempts)
                    said = f"more attempts than allowed: {most} are the most; ignored"
                    self.note(Kind.BEYOND_K, number, attempt, said)
                continue
            if "answer" in _repeats(value):
                said = "'answer' is there again; the first is kept"
                self.note(Kind.REPEATED, number, attempt, said)
            try:
                grid = _grid(value, self.puzzle.domain)
            except BadGrid as error:
                self.note(Kind.NO_GRID, number, attempt, str(error))
                continue
            if grid is None:
                self.nulls += 1
            else:
                grids.setdefault(grid, Attempt(attempt, grid))
        return tuple(grids.values())


def _attempt_number(name: str) -> int | None:
    """Which attempt a name means; None where it means none."""
    match = _ATTEMPT.fullmatch(name)
    return int(match[1]) if match else None


def _grid(value: Any, domain: Domain) -> Grid | None:
    """The grid of an attempt; None where it is null.

    Raises:
        BadGrid: it is none.
    """
    if isinstance(value, dict):
        if "answer" not in value:
            raise BadGrid("the object has no 'answer'")
        value = cast("dict[str, Any]", value)["answer"]
    if value is None:
        return None
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, dict):
        raise BadGrid("a dict is no list of rows")
    try:
        return read_grid(value, domain)
    except RecursionError:  # in showing a cell that is a list of lists of lists
        raise BadGrid("lists are nested too deeply") from None


def _from_text(text: str) -> list[Any]:
    """The list that a text holds: ARC Prize keeps some answers as text."""
    try:
        value = _loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise BadGrid("a text that is no JSON list")
    return cast("list[Any]", value)


def _pair_index(attempt: Any) -> Any:
    """Which test input an attempt says that it answers; None where it does not say."""
    metadata = attempt.get("metadata") if isinstance(attempt, dict) else None
    return (
        cast("dict[str, Any]", metadata).get("pair_index") if isinstance(metadata, dict) else None
    )


def _read(path: Path) -> dict[str, Any] | list[Any]:
    """A file's JSON, which is a dictionary or a list.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    name = clean(str(path))
    try:
        document = _loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        why = "it is nested too deeply" if deep else clean(str(error).partition("\n")[0])
        raise UsageError(f"{name} is no JSON that can be read ({why}).") from error
    if not isinstance(document, dict | list):
        raise _no_submission(name)
    return cast("dict[str, Any] | list[Any]", document)


class _Repeating(dict[str, Any]):
    """A JSON object that had a name more than once; each has its first value.

    Attributes:
        repeats: names that were there before, once for each repeat.
    """

    repeats: tuple[str, ...]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, with the first value of each name; a plain dictionary where none repeats."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    found, repeats = _Repeating(), list[str]()
    for name, value in pairs:
        if name in found:
            repeats.append(name)
        else:
            found[name] = value
    found.repeats = tuple(repeats)
    return found


def _repeats(value: Any) -> tuple[str, ...]:
    return value.repeats if isinstance(value, _Repeating) else ()


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses integers of thousands of digits. None of them is a colour, however long.
        return json.loads(
            text, object_pairs_hook=_object, parse_int=lambda digits: int(digits[:_DIGITS])
        )


def _unwrap(document: dict[str, Any], name: str) -> Recorded:
    inside = document.get("submission")
    if isinstance(inside, dict):
        published = document.get("published")
        return Recorded(
            name,
            cast("dict[str, Any]", inside),
            _published(cast("Any", published)) if isinstance(published, dict) else None,
            Counter(_repeats(inside)),
        )
    if "published" in document:
        raise UsageError(f"{name}: under 'submission' stands {_what(inside)}, no dictionary.")
    return Recorded(name, document, repeated=Counter(_repeats(document)))


def _published(document: Mapping[str, Any]) -> Published:
    """Scores in the form of ARC Prize's ``results.json``; what is no number is left out."""
    results = document.get("task_results")
    return Published(
        _number(document.get("score")),
        _number(document.get("total_tasks")),
        dict(_task_scores(cast("dict[str, Any]", results))) if isinstance(results, dict) else {},
    )


def _task_scores(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in results.items():
        inner = cast("dict[str, Any]", value).get("score") if isinstance(value, dict) else value
        number = _number(inner)
        if number is not None:
            yield name, number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _no_submission(source: str) -> UsageError:
    return UsageError(
        f"{source} holds no submission; it is a dictionary of tasks with a list of test inputs "
        'each, such as {"f0afb749": [{"attempt_1": [[1, 2]], "attempt_2": [[2, 1]]}]}, or, in a '
        "file named after its task, such a list."
    )


def _no_such_files(recorded: Recorded) -> UsageError:
    names = [f"{_short(name)}.json" for name in recorded.tasks]
    which = names[0] if len(names) == 1 else f"none of its {len(names)} files, such as {names[0]},"
    verb = "is not" if len(names) == 1 else "is"
    return UsageError(
        f"{recorded.source} holds no submission of these tasks: {which} {verb} named after one of "
        "them; name each file after its task, or choose the subset that it belongs to."
    )


def _what(value: Any) -> str:
    """A JSON value in words."""
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, dict):
        return "an object"
    names = {list: "a list", str: "a text", type(None): "null"}
    return names.get(cast("Any", type(value)), "a number")


def _short(name: str) -> str:
    return clean(name if len(name) <= _NAME else f"{name[: _NAME - 3]}...")
