"""The module of `whp`: two causal models that answer as one. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from harness_methods.unlearning.whp import generic_logits


class Combined(torch.nn.Module):
    """Called like a causal model of `transformers`; its cache is the pair of theirs.

    Args:
        baseline: the target model, of the same vocabulary.
        reinforced: the model that knows the forget set better.
        a: how strongly the latter is taken away.
    """

    def __init__(self, baseline: Any, reinforced: Any, a: float) -> None:
        super().__init__()
        self.baseline = baseline
        self.reinforced = reinforced
        self.a = a

    @property
    def config(self) -> Any:
        """That of the target model."""
        return self.baseline.config

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: tuple[Any, Any] | None = None,
        position_ids: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """Logits (batch, length, vocabulary) of the combination, and both caches."""
        outputs = [
            model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                past_key_values=past,
                position_ids=position_ids,
                use_cache=use_cache,
                logits_to_keep=logits_to_keep,
            )
            for model, past in zip(
                (self.baseline, self.reinforced), past_key_values or (None, None), strict=True
            )
        ]
        first, second = outputs
        caches: Any = (first.past_key_values, second.past_key_values) if use_cache else None
        logits = generic_logits(first.logits, second.logits, self.a)
        return CausalLMOutputWithPast(logits=logits, past_key_values=caches)
