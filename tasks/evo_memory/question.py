"""A question as an episode of length one."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from harness.protocols.stream import Brief, Episode, Observation, Score

INSTRUCTIONS = "Answer the question. Give only the final answer."


class QuestionEpisode(Episode):
    """Ask once, read the answer, verify it.

    Args:
        question: what is asked.
        answer_format: what an answer looks like, as a phrase.
        extract: finds the final answer in an output; None where there is none.
        verify: scores an extracted answer.
        instructions: what stands before the question.
    """

    def __init__(
        self,
        question: str,
        answer_format: str,
        extract: Callable[[str], str | None],
        verify: Callable[[str | None], Score],
        instructions: str = INSTRUCTIONS,
    ) -> None:
        self._brief = Brief(
            goal=question,
            instructions=instructions,
            answer_format=answer_format,
            single_turn=True,
            max_turns=1,
        )
        self._extract = extract
        self._verify = verify
        self._answer: str | None = None

    blocking: ClassVar[bool] = False

    @property
    def brief(self) -> Brief:
        """What the method is told."""
        return self._brief

    def reset(self) -> Observation:
        """A question shows nothing beyond itself."""
        self._answer = None
        return Observation("")

    def step(self, action: str) -> Observation:
        """Take the answer; an output without one is invalid."""
        self._answer = self._extract(action)
        return Observation("", done=True, valid=self._answer is not None)

    def score(self) -> Score:
        """Verify the answer."""
        return self._verify(self._answer)
