"""What an edit task provides: the sets for editors, and the probes that an edited model is put to.

A probe is one thing that is evaluated, a question or a passage; what it needs beyond what editors
see (paraphrases, perturbed answers, evaluation items) stays in the task. `evaluate` turns probes
into results through a `LanguageModel`; `aggregate` turns results into the benchmark's metrics.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from harness.models.causal import Corpus
from harness.models.fitting import Fitting
from harness.options import Options
from harness.protocols.edit.data import EditData
from harness.protocols.edit.language_model import Demand, LanguageModel
from harness.protocols.task import Task


class Depth(StrEnum):
    """How much of an evaluation is made."""

    QUICK = "quick"
    """Along the edit: what says how much is forgotten and kept, with no text written."""
    FULL = "full"


class EvalBackend(StrEnum):
    """What computes an evaluation."""

    IN_PROCESS = "transformers"
    """The weights in this process."""
    VLLM = "vllm"
    """The edited weights saved and served by vLLM; gives texts and log-probabilities only."""


class Attack(StrEnum):
    """What the edited model is put to at the end, to see whether the forgotten comes back."""

    QUANTISE_8 = "quantise8"
    """Weights of linear layers rounded to 8 bits."""
    QUANTISE_4 = "quantise4"
    """The same with 4 bits."""
    RELEARN = "relearn"
    """Fine-tuned on a tenth of the forget set."""


class EditSettings(Options):
    """Options that every edit task has."""

    epochs: float = Field(default=10.0, gt=0)
    """Passes over the forget set; TOFU's and OpenUnlearning's edits take 10."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps; none: what the epochs need."""
    batch_size: int = Field(default=32, ge=1)
    """Examples of a minibatch, of the forget set and of the retain set each."""
    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between evaluations along the edit; none: four of them, evenly."""
    trajectory: Depth = Depth.QUICK
    """What is evaluated along the edit: quick (probabilities, memorisation) or full."""
    attacks: tuple[Attack, ...] = ()
    """Attacks on the edited model: quantise8, quantise4, relearn."""
    relearn_steps: int = Field(default=20, ge=1)
    """Optimiser steps of the relearning attack."""
    eval_backend: EvalBackend = EvalBackend.IN_PROCESS
    """What computes an evaluation: transformers, or vllm (also as --eval-backend)."""
    finetune: bool = False
    """Teach the model the full set first (and its reference the retain set), here."""
    finetune_epochs: int = Field(default=5, ge=1)
    """Epochs of that."""
    finetune_lr: float = Field(default=1e-5, gt=0)
    """Learning rate of that."""
    keep_weights: bool = False
    """Keep the edited weights in the run's artifacts."""

    def fitting(self) -> Fitting | None:
        """How the task wants the target to be taught; None: as it is."""
        if not self.finetune:
            return None
        return Fitting(epochs=self.finetune_epochs, lr=self.finetune_lr)


@dataclass(frozen=True)
class Probe:
    """One thing that is evaluated.

    Attributes:
        sample_id: unique among the probes of a task.
        group: the set it belongs to, such as ``forget`` or ``retain``.
        source_id: what it comes from: probes that share an author are not independent.
        content_hash: of all that decides its values, gold included.
    """

    sample_id: str
    group: str
    source_id: str
    content_hash: str
    stratum: str = ""
    """Part of the group, such as a subject: ``--limit N`` takes the first N of each."""


@dataclass(frozen=True)
class ProbeResult:
    """What an evaluation found for a probe.

    Attributes:
        score: the probability of its right answer, in [0, 1], or what the task puts first.
        metrics: numbers by name; none is NaN or infinite.
        output: the text that was written, if any.
        prompt: the text it continued.
        problem: why there is no score, where there is none.
    """

    probe: Probe
    score: float | None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    output: str = ""
    prompt: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Aggregates:
    """The benchmark's metrics of one evaluation.

    Attributes:
        metrics: by name.
        missing: why a metric that users expect is not there, by name.
    """

    metrics: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


Rows = Sequence[ProbeResult]


class EditTask(Task):
    """A benchmark of unlearning.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str] = "edit"
    Options: ClassVar[type[EditSettings]] = EditSettings
    default_model: ClassVar[str] = "tiny-tofu"
    default_methods: ClassVar[tuple[str, ...]] = ("identity", "graddiff", "npo")
    baseline: ClassVar[str] = "identity"
    reference: ClassVar[str] = "retrain"
    """The method that made a model which never saw the forget set."""

    def __init__(self, options: EditSettings) -> None:
        self.options = options

    @property
    def subset(self) -> str:
        """The chosen subset: the option of that name, or ``default`` where a task has none."""
        return str(getattr(self.options, "subset", "default"))

    @abstractmethod
    def corpus(self, seed: int) -> Corpus:
        """What a model is taught before the edit, where it is."""

    @abstractmethod
    def requests(self, seed: int) -> Sequence[EditData]:
        """The edits that are asked for, one after another; mostly one.

        Raises:
            UsageError: a set is empty, or forget and retain set overlap.
        """

    @abstractmethod
    def probes(self, seed: int) -> Sequence[Probe]:
        """What is evaluated, in order; cheap and repeatable."""

    @abstractmethod
    def demands(self, depth: Depth) -> frozenset[Demand]:
        """What an evaluation needs of the language model."""

    @abstractmethod
    def evaluate(
        self, model: LanguageModel, probes: Sequence[Probe], depth: Depth
    ) -> Iterator[ProbeResult]:
        """Evaluate probes; results may come in any order, each as soon as it is known."""

    @abstractmethod
    def aggregate(self, rows: Rows, reference: Rows | None) -> Aggregates:
        """The metrics of one evaluation.

        Args:
            rows: results of all its probes.
            reference: those of the model that never saw the forget set, if there are any.
        """

    def budget_steps(self, request: EditData) -> int:
        """Optimiser steps of an edit."""
        if self.options.steps is not None:
            return self.options.steps
        per_epoch = len(request.forget) / min(self.options.batch_size, len(request.forget))
        return max(1, round(self.options.epochs * per_epoch))

    def checkpoints(self, steps: int) -> tuple[int, ...]:
        """Steps after which the model is evaluated; the last is the end."""
        every = self.options.checkpoint_every
        if every is None:
            return tuple(sorted({max(1, round(steps * part / 4)) for part in (1, 2, 3, 4)}))
        return tuple(dict.fromkeys([*range(every, steps, every), steps]))
