"""A causal language model in this process: its module, and the codec between texts and tokens.

The codec decides how a question becomes a prompt: by the tokenizer's chat template where it has
one, else by a line ``Question: ...`` and a line that begins with ``Answer:``. The answer's tokens,
end of sequence included, are the labels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.protocols.edit.data import Example

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Label of a token that no loss is taken of."""
_DATE = "26 Jul 2024"
"""What Llama 3's templates take for today where there is no clock."""


@dataclass(frozen=True)
class Encoded:
    """An example as tokens; the first `n_prompt` are given, the others are labels."""

    ids: tuple[int, ...]
    n_prompt: int

    @property
    def context(self) -> tuple[int, ...]:
        """The tokens that are given."""
        return self.ids[: self.n_prompt]

    @property
    def continuation(self) -> tuple[int, ...]:
        """The tokens that are labels."""
        return self.ids[self.n_prompt :]


class Codec:
    """Texts to tokens and back.

    Args:
        tokenizer: a tokenizer of `transformers`.
        max_length: longest sequence in tokens; longer ones are cut at the end.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = self.eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        bos = tokenizer.bos_token_id
        probe = tokenizer("a")["input_ids"]
        self._start: tuple[int, ...] = (bos,) if bos is not None and probe[:1] == [bos] else ()

    def prompt(self, question: str) -> tuple[int, ...]:
        """The tokens before an answer."""
        if self.tokenizer.chat_template:
            messages = [{"role": "user", "content": question}]
            # Some templates print today's date, which would make prompts differ between days.
            text = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False, date_string=_DATE
            )
            return self.plain(text)
        return (*self._start, *self.plain(f"Question: {question}\nAnswer:"))

    def answer(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer, end of sequence included."""
        text = answer if self.tokenizer.chat_template else f" {answer}"
        return (*self.plain(text), self.eos)

    def plain(self, text: str) -> tuple[int, ...]:
        """Tokens of a text, and nothing added."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, example: Example, answer: str | None = None) -> Encoded:
        """Encode an example, with another answer if one is given.

        Raises:
            UsageError: the prompt fills the window, so that no token of an answer is left, whose
                probability would be 1.
        """
        text = example.answer if answer is None else answer
        if example.is_passage:
            # The first token has nothing before it, so it is given.
            ids = (*self._start, *self.plain(text))[: self.max_length]
            return Encoded(ids, 1)
        prompt = self.prompt(example.question)
        if len(prompt) >= self.max_length:
            raise UsageError(
                f"the prompt of {example.example_id} takes {len(prompt)} tokens, and the model's "
                f"window is {self.max_length}, which leaves none for an answer; raise it with "
                "--model-arg max_length=N, or take another model."
            )
        return Encoded((*prompt, *self.answer(text))[: self.max_length], len(prompt))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)


@dataclass
class Batch:
    """A minibatch, padded on the right.

    Attributes:
        ids: tokens, (batch, length).
        mask: 1 for tokens, 0 for padding, (batch, length).
        labels: tokens, `IGNORED` where no loss is taken, (batch, length); not shifted.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    example_ids: tuple[str, ...]


@dataclass
class CausalLM:
    """A model that can be edited: a module of `transformers` (or one that is called like it)."""

    module: Any
    codec: Codec
    savable: bool = True
    """Whether it is weights of one model, and no combination of several."""

    @property
    def device(self) -> torch.device:
        """Where its first layer is."""
        return next(self.module.parameters()).device

    def copy(self) -> CausalLM:
        """An independent copy."""
        return CausalLM(copy.deepcopy(self.module), self.codec, self.savable)

    def merged(self) -> CausalLM:
        """The same with adapters added to the weights, in place; itself where there are none."""
        if not hasattr(self.module, "merge_and_unload"):
            return self
        return CausalLM(self.module.merge_and_unload(), self.codec, self.savable)

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer as `transformers` and vLLM read them."""
        from harness.quiet import quiet

        module = self.module
        if hasattr(module, "merge_and_unload"):  # the edit may go on with its adapters
            module = self.copy().merged().module
        with quiet():
            module.save_pretrained(folder)
            self.codec.tokenizer.save_pretrained(folder)

    def batch(self, examples: Sequence[Example], answers: Sequence[str] | None = None) -> Batch:
        """Encode and pad examples, with other answers if they are given."""
        texts = [None] * len(examples) if answers is None else answers
        encoded = [self.codec.encode(one, text) for one, text in zip(examples, texts, strict=True)]
        return padded(encoded, self.codec.pad, self.device, [one.example_id for one in examples])


def padded(
    encoded: Sequence[Encoded], pad: int, device: torch.device, example_ids: Sequence[str] = ()
) -> Batch:
    """Pad encoded examples on the right."""
    import torch

    length = max(len(one.ids) for one in encoded)
    ids = torch.full((len(encoded), length), pad, dtype=torch.long)
    mask = torch.zeros((len(encoded), length), dtype=torch.long)
    labels = torch.full((len(encoded), length), IGNORED, dtype=torch.long)
    for row, one in enumerate(encoded):
        tokens = torch.tensor(one.ids, dtype=torch.long)
        ids[row, : len(one.ids)] = tokens
        mask[row, : len(one.ids)] = 1
        labels[row, one.n_prompt : len(one.ids)] = tokens[one.n_prompt :]
    return Batch(ids.to(device), mask.to(device), labels.to(device), tuple(example_ids))
