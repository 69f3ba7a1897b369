"""`icl`: a language model sees the demonstrations and writes the output.

The protocol of ARC Prize's harness (arcprize/arc-agi-benchmarking): one prompt for each test input
with the demonstrations as JSON arrays, an independent sample for each attempt, the last JSON array
of the answer taken as the grid. The wording is our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from harness import options
from harness.models.chat import Message
from harness.protocols.solve.method import Candidate, Desk, Query, Solver
from harness.registry import About
from harness_methods.solvers.grid_text import Form, read_last, write

_SYSTEM = """\
You solve puzzles. Each puzzle shows examples of an input and the output that one hidden rule \
makes of it. Find the rule that explains every example, apply it to the test input, and answer \
with the output alone, in the form in which the examples write it."""


class ICL(Solver):
    """``icl``: demonstrations in the prompt, one sample for each attempt."""

    about: ClassVar[About] = About(
        "A language model sees the demonstrations and writes the output.",
        "the protocol of arcprize/arc-agi-benchmarking, in our words",
    )
    needs_model: ClassVar[bool] = True
    exposure: ClassVar[str] = "unknown (language model)"

    class Options(options.Options):
        """Options of the solver."""

        form: Form = Form.AUTO
        """How grids are written: json, symbols, or auto: json where the symbols are digits."""
        shots: int | None = Field(default=None, ge=0)
        """Show the first N demonstrations; none: all."""

    options: Options

    async def solve(self, query: Query, desk: Desk) -> Sequence[Candidate]:
        """Ask for every attempt at once; an answer without a grid is no attempt."""
        from harness.protocols.solve.voting import rank

        domain = query.puzzle.domain
        form = self.options.form.of(domain)
        messages = self._messages(query, form)
        texts = await asyncio.gather(*(desk.model(messages) for _ in range(query.attempts)))
        grids = [read_last(text, form, domain) for text in texts]
        desk.count("without_grid", grids.count(None))
        # Samples of one query are attempts, not voters: there is no curve over them.
        return rank((0, grid, 0.0) for grid in grids if grid is not None)

    def _messages(self, query: Query, form: Form) -> list[Message]:
        domain = query.puzzle.domain
        shown = query.puzzle.train[: self.options.shots]
        examples = [
            f"Example {number}\nInput:\n{write(pair.input, form, domain)}\n"
            f"Output:\n{write(pair.output, form, domain)}"
            for number, pair in enumerate(shown, 1)
        ]
        test = f"Test\nInput:\n{write(query.input, form, domain)}\nOutput:"
        return [Message("system", _SYSTEM), Message("user", "\n\n".join([*examples, test]))]
