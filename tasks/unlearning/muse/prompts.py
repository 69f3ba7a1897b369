"""What MUSE asks a model, in tokens: passages to be continued, and questions after solved ones.

Source: jaechan-repo/muse_bench, ``metrics/verbmem.py`` and ``metrics/knowmem.py``. What is longer
than the model's window loses its beginning, where MUSE's models have room for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from harness.protocols.edit.causal import Codec, Encoded
from harness_tasks.lm_eval.tokens import encode_context
from harness_tasks.unlearning.muse.data import Question

STOPS = ("\n\n", "\nQuestion", "Question:")
"""Texts that end an answer."""


class AnswerSpace(StrEnum):
    """To whom the space between ``Answer:`` and the answer belongs."""

    GIVEN = "given"
    """The prompt ends with it, as in MUSE; right for SentencePiece, such as Llama-2's."""
    WRITTEN = "written"
    """The model writes it; right for byte-level vocabularies, where it begins a word's token."""


def few_shot(solved: Sequence[Question], question: str, space: AnswerSpace) -> str:
    """A question after solved ones."""
    before = "".join(f"Question: {one.question}\nAnswer: {one.answer}\n\n" for one in solved)
    return f"{before}Question: {question}\nAnswer:{' ' if space is AnswerSpace.GIVEN else ''}"


def to_continue(codec: Codec, prompt: str, longest: int) -> tuple[int, ...]:
    """Tokens of a prompt, with room left for so many new ones."""
    return encode_context(codec, prompt)[-max(1, codec.max_length - longest) :]


def with_truth(codec: Codec, prompt: str, truth: str, longest: int | None = None) -> Encoded:
    """A prompt and its true continuation, of which at most so many tokens are taken.

    The two are encoded as one text, so that the border is where a text has it.
    """
    prompt = prompt.rstrip()
    given = encode_context(codec, prompt)
    labels = encode_context(codec, f"{prompt} {truth.lstrip()}")[len(given) :][:longest]
    labels = labels[: codec.max_length - 1]
    ids = (*given, *labels)[-codec.max_length :]
    return Encoded(ids, len(ids) - len(labels))


def shortened(codec: Codec, truth: str, longest: int) -> str:
    """The text of the first tokens of a truth; what begins every text counts, as in MUSE."""
    return codec.decode(encode_context(codec, truth)[:longest])
