"""A context and a continuation as tokens, and their log-likelihoods, as lm-eval's HFLM has them.

Source: EleutherAI/lm-evaluation-harness 0.4.13, ``lm_eval/api/model.py`` (`TemplateLM`) and
``lm_eval/models/huggingface.py`` (`HFLM`), with its default arguments: no chat template, and what
the tokenizer itself puts before a text. The longest sequence is the codec's, ``--model-arg
max_length``, where HFLM takes the model's window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.errors import InvalidSample, PromptTooLong
from harness.protocols.edit.causal import Codec, Encoded
from harness.protocols.edit.language_model import LanguageModel
from harness_tasks.lm_eval.requests import LogLikelihood, Pair


def log_likelihoods(model: LanguageModel, pairs: Sequence[Pair]) -> Iterator[LogLikelihood]:
    """Log-likelihoods of continuations, in the order given, whatever computes the model.

    Raises:
        InvalidSample: a continuation has no token, or is longer than the window.
    """
    encoded = [encode_pair(model.codec, pair.context, pair.continuation) for pair in pairs]
    for scores in model.score(encoded):
        yield LogLikelihood(float(scores.logprobs.sum()), bool(scores.greedy.all()))


def encode_pair(codec: Codec, context: str, continuation: str) -> Encoded:
    """Encode a continuation after its context.

    White space at the end of the context belongs to the continuation. Both are encoded as one text,
    of which the continuation is what stands after the tokens of the context alone. Nothing before
    it: the prefix token is the context. What is too long loses tokens at the beginning.

    Raises:
        InvalidSample: the continuation has no token, or is longer than the window.
    """
    if context:
        kept = context.rstrip()
        given = encode_context(codec, kept)
        labels = encode_context(codec, context + continuation)[len(given) :]
    else:
        given, labels = (prefix_token(codec),), codec.plain(continuation)
        if labels[:1] == given:  # the text brings the prefix token itself
            labels = labels[1:]
    if not labels or not given:
        raise InvalidSample("a continuation or its context has no token, so it has no likelihood")
    if len(labels) > codec.max_length:
        raise PromptTooLong(
            f"a continuation has {len(labels)} tokens, and the window {codec.max_length}; raise it "
            "with --model-arg max_length=N"
        )
    # One more than the window: the last token is only predicted.
    ids = (*given, *labels)[-(codec.max_length + 1) :]
    return Encoded(ids, len(ids) - len(labels))


def encode_context(codec: Codec, text: str) -> tuple[int, ...]:
    """Tokens of a text with what the tokenizer puts before it, unless the text brings that."""
    tokenizer: Any = codec.tokenizer
    if text.startswith(tokenizer.decode([prefix_token(codec)])):
        return codec.plain(text)
    return tuple(tokenizer(text)["input_ids"])


def prefix_token(codec: Codec) -> int:
    """What stands before a text that nothing stands before: begin, or else end of sequence."""
    begin = codec.tokenizer.bos_token_id
    return codec.eos if begin is None else begin
