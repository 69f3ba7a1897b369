"""Who says whether a task was solved, for memories that learn from successes or failures.

Their papers have the model judge its own trajectories, because a benchmark does not tell. With
``judge=feedback`` the stream tells, under its store policy: the same memory, told the truth.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, TypeVar

from harness.errors import MethodError
from harness.models.chat import Phase
from harness.options import Options
from harness.protocols.stream import Experience, FeedbackLevel, MemoryContext
from harness_methods.memory.model_text import verdict
from harness_methods.memory.prompts import trajectory_text
from harness_methods.memory.writing import WriterOptions, WritingMemory

JUDGE_TOKENS = 128
"""Of a verdict with a reason in front or behind."""

ASSESS = """\
Judge strictly whether this attempt at a task succeeded. Check the answer, or the state that the \
actions led to, against everything that the task asks for.

{record}

Did the attempt succeed? Answer yes or no first, then give the reason in one sentence."""


class Judge(StrEnum):
    """Who judges."""

    MODEL = "model"
    FEEDBACK = "feedback"


class JudgedOptions(WriterOptions):
    """Options of the memories that need a verdict."""

    judge: Judge = Judge.MODEL
    """Who says what succeeded: the model, offered every item and told nothing, or the feedback."""


AnyJudged = TypeVar("AnyJudged", bound=JudgedOptions)


class JudgingMemory(WritingMemory[AnyJudged]):
    """A memory that learns from what a judge says of each task."""

    Options: ClassVar[type[Options]] = JudgedOptions

    def __init__(self, options: Options, context: MemoryContext) -> None:
        super().__init__(options, context)
        told = context.settings.feedback is not FeedbackLevel.NONE
        if self.options.judge is Judge.FEEDBACK and not told:
            raise MethodError("judge=feedback needs a stream that tells: -T feedback=correctness")

    @property
    def unaided(self) -> bool:
        """Whether the model judges, which is then told of no outcome."""
        return self.options.judge is Judge.MODEL

    async def succeeded(self, experience: Experience) -> bool:
        """Whether a task was solved; an answer that is no verdict is counted and is no success."""
        if self.options.judge is Judge.FEEDBACK:
            success = experience.feedback.correct is True
        else:
            prompt = self.prompt(ASSESS, record=trajectory_text(experience))
            said = verdict(await self.write(prompt, phase=Phase.JUDGE, max_tokens=JUDGE_TOKENS))
            self.count("unreadable", said is None)
            success = said is True
        self.count("judged_success", success)
        return success
