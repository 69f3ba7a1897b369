"""A submission that was recorded elsewhere, replayed.

Its attempts stand beside runs of the harness, with traces and in the same tables. The forms of the
files are those of `harness.protocols.solve.submissions`. What a submission says of a puzzle that
was changed by a voting is not known, so that none may stand around it. Where the first attempt is
null the second is the first candidate, and counts in the metrics of the first one, unlike in
``harness score``, which goes by the attempts' own numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import model_validator

from harness import options
from harness.data import content_hash, file_hash
from harness.errors import UsageError
from harness.protocols.solve.method import Candidate, Desk, Query, Setting, Solver
from harness.protocols.solve.puzzle import Puzzle
from harness.protocols.solve.submissions import (
    Answers,
    Recorded,
    answers_of,
    files_of,
    open_recorded,
)
from harness.registry import About


class SubmissionOptions(options.Options):
    """Options of the solver."""

    file: str = ""
    """The recorded submission: a JSON file, or a folder with one for each task."""
    content: str = ""
    """Hash of the submission, filled in: another content is another method."""

    @model_validator(mode="before")
    @classmethod
    def _hash(cls, raw: Any) -> Any:
        """Pin the content, so that a file that was replaced does not pass for the old one."""
        if not isinstance(raw, dict):
            return raw
        values = cast("dict[str, Any]", raw)
        file, content = values.get("file"), values.get("content")
        try:
            hashed = content_hash(*map(file_hash, files_of([Path(str(file))]))) if file else ""
        except (UsageError, OSError):
            return values  # `Submission.misfit` says it
        if content and content != hashed:
            raise ValueError(f"{file} has the content {hashed}, not {content}")
        return {**values, "content": hashed}


class Submission(Solver):
    """``submission``: the attempts of a file, in their order."""

    about: ClassVar[About] = About("Replays a submission that was recorded elsewhere.", "its file")
    Options: ClassVar[type[options.Options]] = SubmissionOptions
    exposure: ClassVar[str] = "unknown (recorded elsewhere)"
    setting: ClassVar[Setting] = Setting.UNKNOWN
    takes_voting: ClassVar[bool] = False

    def misfit(self, puzzle: Puzzle) -> str:
        """Why the file cannot be read; a puzzle that it lacks is unsolved, and no misfit."""
        del puzzle
        if not self.options.file:
            return "needs a recorded submission; write submission:file=PATH"
        try:
            _ = self._recorded
        except UsageError as error:
            return str(error).rstrip(".")
        return ""

    def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """The recorded attempts of the test input, none beyond K."""
        found = answers_of(self._recorded, query.puzzle, query.attempts)
        attempts = found.attempts[query.number]
        desk.count("unanswered", float(not attempts))
        if not attempts:
            desk.notes["unanswered"] = self._reason(query, found)
        return [Candidate(one.grid) for one in attempts]

    def _reason(self, query: Query, found: Answers) -> str:
        flaws = [one for one in found.flaws if one.test in (None, query.number)]
        said = "; ".join(one.problem for one in flaws)
        why = said or ("its attempts are beyond K" if found.beyond_k else "every attempt is null")
        name = query.puzzle.puzzle_id
        return f"{self._recorded.source} does not answer {name}, test input {query.number}: {why}"

    @cached_property
    def _recorded(self) -> Recorded:
        return open_recorded([Path(self.options.file)])
