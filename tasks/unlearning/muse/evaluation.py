"""Putting a model to MUSE's probes: passages to continue, questions to answer, texts to recognise.

VerbMem and KnowMem are scored on what the model writes (ROUGE-L F1) and on the probability that it
gives the truth; PrivLeak's texts on their tokens' log-probabilities. A row holds the numbers and
what the model wrote, never MUSE's own text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.data import content_hash
from harness.protocols.edit import Example
from harness.protocols.edit.language_model import Demand, LanguageModel, TokenScores
from harness.protocols.edit.task import Depth, Probe, ProbeResult
from harness_tasks.unlearning import formulas
from harness_tasks.unlearning.answers import finite, member, memorised, usable
from harness_tasks.unlearning.muse.data import KEPT, Texts
from harness_tasks.unlearning.muse.prompts import (
    STOPS,
    AnswerSpace,
    few_shot,
    shortened,
    to_continue,
    with_truth,
)


class Group(StrEnum):
    """The sets of probes."""

    VERBMEM = "forget"
    """Passages of the forget set that are continued."""
    FORGET_KNOWMEM = "forget_knowmem"
    RETAIN_KNOWMEM = "retain_knowmem"
    MEMBERS = "privleak_forget"
    OUTSIDERS = "privleak_holdout"


@dataclass(frozen=True)
class Item:
    """A probe, and what it needs: texts that no editor sees."""

    probe: Probe
    prompt: str
    truth: str


@dataclass(frozen=True)
class How:
    """How it is evaluated.

    Attributes:
        passage_tokens: of a continued passage.
        answer_tokens: of an answer.
        stemmer: whether ROUGE compares word stems.
        gradient_norms: whether the GradNorm attack is made.
    """

    passage_tokens: int
    answer_tokens: int
    stemmer: bool
    gradient_norms: bool


def items(texts: Texts, shots: int, space: AnswerSpace) -> Iterator[Item]:
    """All probes, set by set."""
    for number, one in enumerate(texts.verbmem):
        yield _item(Group.VERBMEM, number, one.prompt, one.truth)
    for side in KEPT:
        solved = texts.solved[side][:shots]
        for number, one in enumerate(texts.knowmem[side]):
            prompt = few_shot(solved, one.question, space)
            yield _item(Group(f"{side}_knowmem"), number, prompt, one.answer)
    for name, members in texts.privleak.items():
        for number, text in enumerate(members):
            yield _item(Group(f"privleak_{name}"), number, "", text)


def evaluate(
    model: LanguageModel, members: Sequence[Item], depth: Depth, how: How
) -> Iterator[ProbeResult]:
    """Evaluate probes of one set."""
    if members[0].probe.group in (Group.MEMBERS, Group.OUTSIDERS):
        yield from _recognised(model, members, depth, how)
    else:
        yield from _continued(model, members, depth, how)


def _continued(
    model: LanguageModel, members: Sequence[Item], depth: Depth, how: How
) -> Iterator[ProbeResult]:
    codec, verbatim = model.codec, members[0].probe.group == Group.VERBMEM
    longest = how.passage_tokens if verbatim else how.answer_tokens
    encoded = [
        with_truth(codec, one.prompt, one.truth, longest if verbatim else None) for one in members
    ]
    written: list[str | None] = [None] * len(members)
    if depth is Depth.FULL:
        prompts = [to_continue(codec, one.prompt, longest) for one in members]
        written = list(model.generate(prompts, longest, () if verbatim else STOPS))
    for one, scores, text in zip(members, model.score(encoded), written, strict=True):
        if not usable([scores]):
            yield _diverged(one.probe)
            continue
        metrics = _answered(scores)
        if text is not None:
            truth = shortened(codec, one.truth, longest) if verbatim else one.truth
            rouge = formulas.rouge_l(text, truth, how.stemmer)
            metrics |= {"rougeL_f1": rouge.f1, "rougeL_recall": rouge.recall}
        output = (text or "").strip()
        yield ProbeResult(one.probe, metrics["probability"], finite(metrics), output)


def _recognised(
    model: LanguageModel, members: Sequence[Item], depth: Depth, how: How
) -> Iterator[ProbeResult]:
    full = depth is Depth.FULL
    encoded = [model.codec.encode(Example("", "", "", one.truth)) for one in members]
    distributions = full and Demand.DISTRIBUTIONS in model.serves
    found = model.score(encoded, distributions=distributions)
    norms: Sequence[float | None] = [None] * len(members)
    if full and how.gradient_norms and Demand.GRADIENTS in model.serves:
        norms = list(model.gradient_norms(encoded))
    for one, scores, norm in zip(members, found, norms, strict=True):
        if not usable([scores]):
            yield _diverged(one.probe)
            continue
        metrics = _answered(scores) | member(scores, one.truth, ends=False)
        if norm is not None:
            metrics["mia_gradnorm"] = norm
        yield ProbeResult(one.probe, metrics["probability"], finite(metrics))


def _answered(scores: TokenScores) -> dict[str, float]:
    return {
        "loss": scores.loss,
        "probability": formulas.probability(scores.loss),
        "tokens": float(len(scores.logprobs)),
        **memorised(scores, ends=False),
    }


def _diverged(probe: Probe) -> ProbeResult:
    return ProbeResult(probe, None, problem="the model's log-probabilities are no numbers")


def _item(group: Group, number: int, prompt: str, truth: str) -> Item:
    sample_id = f"{group}/{number}"
    probe = Probe(sample_id, group, sample_id, content_hash(prompt, truth))
    return Item(probe, prompt, truth)


def by_set(probes: Sequence[Probe]) -> Mapping[str, list[str]]:
    """Sample ids by set, in order."""
    found = dict[str, list[str]]()
    for one in probes:
        found.setdefault(one.group, []).append(one.sample_id)
    return found
