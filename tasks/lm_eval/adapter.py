"""One of our models shown to lm-eval, so that its `simple_evaluate` runs on it unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import UsageError
from harness.protocols.edit.causal import Encoded
from harness.protocols.edit.language_model import LanguageModel
from harness_tasks.lm_eval.requests import Pair
from harness_tasks.lm_eval.tokens import encode_context, log_likelihoods, prefix_token

_LONGEST_TEXT = 256
"""Tokens that HFLM writes at most where a task does not say."""


def as_lm(model: LanguageModel) -> Any:
    """An ``lm_eval.api.model.LM`` around a model.

    Args:
        model: in this process or served.

    Returns:
        What lm-eval takes as ``model=``.
    """
    from lm_eval.api.model import LM

    class Adapter(LM):
        """Requests of lm-eval to our interface."""

        def loglikelihood(
            self, requests: list[Any], disable_tqdm: bool = False
        ) -> list[tuple[float, bool]]:
            """Log-likelihood of each continuation, and whether it is the greedy one."""
            del disable_tqdm
            pairs = [Pair(*request.args) for request in requests]
            return [(one.total, one.greedy) for one in log_likelihoods(model, pairs)]

        def loglikelihood_rolling(
            self, requests: list[Any], disable_tqdm: bool = False
        ) -> list[float]:
            """Log-likelihood of whole texts, in windows that do not overlap."""
            del disable_tqdm
            return [_rolling(model, request.args[0]) for request in requests]

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            """Greedy continuations until a stop text."""
            del disable_tqdm
            return [_written(model, *request.args) for request in requests]

    return Adapter()


def _rolling(model: LanguageModel, text: str) -> float:
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    windows: Any = map(
        make_disjoint_window,
        get_rolling_token_windows(
            token_list=list(encode_context(model.codec, text)),
            prefix_token=prefix_token(model.codec),
            max_seq_len=model.codec.max_length,
            context_len=1,
        ),
    )
    sequences = [Encoded((*given, *labels), len(given)) for given, labels in windows]
    return sum(float(one.logprobs.sum()) for one in model.score(sequences))


def _written(model: LanguageModel, context: str, how: Any) -> str:
    if how.get("do_sample") and how.get("temperature", 1.0) > 0:
        raise UsageError("an edited model writes greedily; this task of lm-eval wants samples.")
    until: Any = how.get("until") or ()
    stops: Sequence[str] = (until,) if isinstance(until, str) else tuple(until)
    longest = int(how.get("max_gen_toks") or _LONGEST_TEXT)
    room = max(1, model.codec.max_length - longest)
    prompt = encode_context(model.codec, context)[-room:]
    return next(iter(model.generate([prompt], longest, stops)))
