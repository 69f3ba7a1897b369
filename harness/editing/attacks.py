"""Attacks on an edited model: does rounding its weights, or a little training, bring it all back?

Sources: Zhang et al. 2024, "Catastrophic Failure of LLM Unlearning via Quantization", arXiv
2410.16454 (round to nearest); Lynch et al. 2024, "Eight Methods to Evaluate Robust Unlearning in
LLMs", arXiv 2402.16835 (relearning on a few examples).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData, Example, generator
from harness.protocols.edit.gradient import mean_nll
from harness.protocols.edit.task import Attack, ProbeResult

if TYPE_CHECKING:
    import torch

RELEARNED_SHARE = 0.1
"""Of the forget set."""


def attacked(
    model: CausalLM, attack: Attack, data: EditData, steps: int, lr: float, seed: int
) -> CausalLM:
    """An attacked copy of an edited model.

    Args:
        model: the edited model; left as it is.
        attack: which one.
        data: the last edit's sets; the attacker knows a tenth of its forget set.
        steps: optimiser steps of relearning.
        lr: learning rate of relearning.
        seed: draws what the attacker knows.
    """
    copy = model.copy().merged()
    if attack is Attack.RELEARN:
        _relearn(copy, data, steps, lr, seed)
    else:
        quantise(copy.module, 8 if attack is Attack.QUANTISE_8 else 4)
    return copy


def relearned(data: EditData, seed: int) -> list[Example]:
    """The examples of the forget set that the relearning attacker knows."""
    count = max(1, round(RELEARNED_SHARE * len(data.forget)))
    return generator(f"relearn/{seed}").sample(data.forget, count)


def beyond_relearned(
    rows: Sequence[ProbeResult], checkpoint: str, data: EditData, seed: int
) -> list[ProbeResult]:
    """Results without those of examples that the attacker was given, which say nothing of recovery.

    Args:
        rows: results of one evaluation.
        checkpoint: its name; only that of the relearning attack leaves anything out.
        data: the last edit's sets.
        seed: of the run.
    """
    if checkpoint != Attack.RELEARN:
        return list(rows)
    known = {f"forget/{one.example_id}" for one in relearned(data, seed)}
    return [row for row in rows if row.probe.sample_id not in known]


def quantise(module: Any, bits: int) -> None:
    """Round the weights of linear layers, in place: symmetric, to nearest, a scale for each row."""
    import torch

    most = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.copy_(_rounded(layer.weight, most))


def _rounded(weight: torch.Tensor, most: int) -> torch.Tensor:
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / most
    return (weight / scale).round().clamp(-most, most) * scale


def _relearn(model: CausalLM, data: EditData, steps: int, lr: float, seed: int) -> None:
    import torch

    known = relearned(data, seed)
    module = model.module
    module.requires_grad_(True)
    module.train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=0.0)
    batch = model.batch(known)
    for _ in range(steps):
        logits = module(input_ids=batch.ids, attention_mask=batch.mask).logits
        mean_nll(logits, batch.labels).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    module.eval()
