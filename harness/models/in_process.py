"""An edited model evaluated by its weights in this process, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.protocols.edit.causal import CausalLM, Encoded, padded
from harness.protocols.edit.language_model import Demand, LanguageModel, TokenScores, cut

if TYPE_CHECKING:
    import torch

_TOKENS_AT_ONCE = 8192
"""Most tokens of a batch, padding included; bounds the logits of a large vocabulary."""
_LOGITS_AT_ONCE = 2**27


class InProcessLM(LanguageModel):
    """A `CausalLM` behind the evaluation interface.

    Args:
        model: the edited model, in evaluation mode from now on.
    """

    serves = frozenset(Demand)

    def __init__(self, model: CausalLM) -> None:
        super().__init__(model.codec)
        self.model = model
        model.module.eval()

    def score(
        self, sequences: Sequence[Encoded], *, distributions: bool = False
    ) -> Iterator[TokenScores]:
        """Score labels; batches are made by length and results put back in order."""
        found: list[TokenScores | None] = [None] * len(sequences)
        for positions in self._batches([len(one.ids) for one in sequences]):
            chosen = [sequences[position] for position in positions]
            scores = self._score(chosen, distributions=distributions)
            for position, score in zip(positions, scores, strict=True):
                found[position] = score
        return (one for one in found if one is not None)

    def _score(self, sequences: Sequence[Encoded], *, distributions: bool) -> list[TokenScores]:
        import torch

        batch = padded(sequences, self.codec.pad, self.model.device)
        with torch.inference_mode():
            # The last token is only predicted, so that it may stand just beyond the window.
            width = max(1, batch.ids.shape[1] - 1)
            found = self.model.module(
                input_ids=batch.ids[:, :width], attention_mask=batch.mask[:, :width]
            )
            targets = batch.ids[:, 1:, None]
            logits = found.logits[:, : targets.shape[1]].float()
            chosen = logits.gather(2, targets)[..., 0]
            totals = torch.logsumexp(logits, dim=-1)
            logprobs = (chosen - totals).double().cpu().numpy()
            greedy = (logits.argmax(dim=-1) == targets[..., 0]).cpu().numpy()
            moments: tuple[Any, Any] | None = None
            if distributions:
                every = logits - totals[..., None]
                shares = every.exp()
                mean = (shares * every).sum(dim=-1)
                square = (shares * every.square()).sum(dim=-1)
                variance = square - mean.square()
                moments = (mean.double().cpu().numpy(), variance.double().cpu().numpy())
        scores = list[TokenScores]()
        for row, one in enumerate(sequences):
            part = (row, slice(one.n_prompt - 1, len(one.ids) - 1))
            rest = () if moments is None else (moments[0][part], moments[1][part])
            scores.append(TokenScores(logprobs[part], greedy[part], *rest))
        return scores

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stops: Sequence[str] = ()
    ) -> Iterator[str]:
        """Continue prompts greedily."""
        found = [""] * len(prompts)
        room = [len(one) + max_new_tokens for one in prompts]
        for positions in self._batches(room):
            chosen = [prompts[position] for position in positions]
            texts = self._generate(chosen, max_new_tokens, stops)
            for position, text in zip(positions, texts, strict=True):
                found[position] = text
        return iter(found)

    def _generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stops: Sequence[str]
    ) -> list[str]:
        """One batch, padded on the left, with the keys and values of past tokens kept."""
        import torch

        model, device, eos = self.model.module, self.model.device, self.codec.eos
        width = max(len(one) for one in prompts)
        ids = torch.full((len(prompts), width), self.codec.pad, dtype=torch.long)
        mask = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(list(prompt), dtype=torch.long)
            mask[row, width - len(prompt) :] = 1
        ids, mask = ids.to(device), mask.to(device)
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        written: list[torch.Tensor] = []
        ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        past: Any = None
        with torch.inference_mode():
            for _ in range(max_new_tokens):
                found = model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=places,
                    past_key_values=past,
                    use_cache=True,
                )
                past = found.past_key_values
                ids = found.logits[:, -1].argmax(dim=-1, keepdim=True)
                ids[ended] = eos
                written.append(ids)
                ended |= ids[:, 0] == eos
                if bool(ended.all()):
                    break
                mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
                places = places[:, -1:] + 1
        tokens = torch.cat(written, dim=1).tolist()
        return [cut(self.codec.decode(_before(row, eos)), stops) for row in tokens]

    def gradient_norms(self, sequences: Sequence[Encoded]) -> Iterator[float]:
        """One sequence after another; source: OpenUnlearning, mia_gradnorm."""
        import torch

        from harness.protocols.edit.gradient import mean_nll

        parameters = [one for one in self.model.module.parameters() if one.is_floating_point()]
        asked = [one.requires_grad for one in parameters]
        try:
            for one in parameters:
                one.requires_grad_(True)
            for sequence in sequences:
                batch = padded([sequence], self.codec.pad, self.model.device)
                logits = self.model.module(input_ids=batch.ids, attention_mask=batch.mask).logits
                loss = mean_nll(logits, batch.labels)
                found: Any = torch.autograd.grad(loss, parameters, allow_unused=True)
                norms = [float(one.float().norm()) for one in found if one is not None]
                yield sum(norms) / len(norms)
        finally:
            for one, before in zip(parameters, asked, strict=True):
                one.requires_grad_(before)

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Positions in batches of like length, longest first."""
        vocabulary = len(self.codec.tokenizer)
        most = max(1, min(_TOKENS_AT_ONCE, _LOGITS_AT_ONCE // max(1, vocabulary)))
        order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
        batch = list[int]()
        for position in order:
            if batch and (len(batch) + 1) * lengths[batch[0]] > most:
                yield batch
                batch = []
            batch.append(position)
        if batch:
            yield batch


def _before(tokens: Sequence[int], end: int) -> Sequence[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens
