"""Adaptation methods, models and seeds to runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from harness.data import content_hash
from harness.errors import UsageError
from harness.methods import Method, resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.classifiers import ClassifierModel
from harness.plan import (
    ModelOpener,
    Plan,
    PlannedRun,
    listing,
    refuse_what_means_nothing,
    task_name,
)
from harness.protocols.adapt.method import TestTimeMethod, Wrapper
from harness.protocols.adapt.task import OPERATIONAL, AdaptTask, Picture, Stage
from harness.spec import RunSpec
from harness.sweep import Sweep


@dataclass(frozen=True)
class Piece:
    """Pictures that a method sees at once."""

    stage: Stage
    first: bool
    """Whether the stage begins with it."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class AdaptRun(PlannedRun):
    """A run of the adapt protocol."""

    task: AdaptTask
    stages: tuple[Stage, ...]
    hashed: str
    """Hash of the pictures, whatever their order."""

    @property
    def n_samples(self) -> int:
        """Every picture of the stream."""
        return sum(len(one.pictures) for one in self.stages)

    @property
    def size(self) -> str:
        """How much it is, in words."""
        return f"{self.n_samples} images in {len(self.stages)} stages"

    @property
    def seed(self) -> int:
        """Decides orders, random corruptions, and what a method draws."""
        return self.spec.sample_seed

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The stream as a method sees it."""
        settings = self.task.options
        size = settings.batch_size if settings.window is None else 1
        return tuple(
            Piece(stage, start == 0, stage.pictures[start : start + size])
            for stage in self.stages
            for start in range(0, len(stage.pictures), size)
        )

    def data_hash(self) -> str:
        """Hash of the planned pictures, whatever their order."""
        return self.hashed


def expand_adaptations(task: AdaptTask, sweep: Sweep, opener: ModelOpener) -> Plan:
    """Expand a sweep of an adapt task.

    Raises:
        UsageError: something is wrong for every run.
    """
    refuse_what_means_nothing(sweep, "an adapt task")
    methods = [resolve(text, "adapt") for text in sweep.method or task.default_methods]
    names = sweep.model or (task.default_model,)
    models: dict[str, ClassifierModel] = {
        name: opener(name, sweep, ModelKind.CLASSIFIER) for name in names
    }
    runs = dict[str, AdaptRun]()
    clusters = 0
    for name, seed in product(names, sweep.sample_seeds()):
        stages = _stages(task, models[name], sweep, seed)
        clusters = len({one.source_id for stage in stages for one in stage.pictures})
        hashed = _hash(stages)
        for method in methods:
            run = _run(task, sweep, method, name, seed, stages, hashed)
            runs.setdefault(run.spec.work_key(), run)
    baseline = resolve(task.baseline, "adapt").canonical()
    compared = {run.spec.method for run in runs.values() if not run.skipped} - {baseline}
    return Plan(sweep, sweep.share(runs), clusters, len(compared), unit="photographs")


def open_method(method: Method) -> tuple[TestTimeMethod, Wrapper]:
    """Construct a method and its wrapper.

    Raises:
        UsageError: one of them cannot be constructed with these options.
    """
    return method.construct()


def _stages(task: AdaptTask, model: ClassifierModel, sweep: Sweep, seed: int) -> tuple[Stage, ...]:
    with listing(sweep, "images"):
        stages = tuple(task.stages(model.classes(), seed, sweep.limit))
    if not any(one.pictures for one in stages):
        raise UsageError("the task has no images with these options.")
    return stages


def _hash(stages: Sequence[Stage]) -> str:
    return content_hash(
        *sorted(f"{one.sample_id}={one.content_hash}" for stage in stages for one in stage.pictures)
    )


def _run(
    task: AdaptTask,
    sweep: Sweep,
    method: Method,
    model_name: str,
    seed: int,
    stages: tuple[Stage, ...],
    hashed: str,
) -> AdaptRun:
    chosen = task.options.differing()
    spec = RunSpec(
        task=task_name(sweep.task),
        task_version=task.version,
        subset=task.subset,
        # Data that changed under the same options are other work.
        task_options={
            **{name: value for name, value in chosen.items() if name not in OPERATIONAL},
            "data_hash": hashed,
        },
        method=method.canonical(),
        label=method.label,
        model=str(ModelRequest.parse(model_name)),
        embedder="",
        sampling={},
        limit=sweep.limit,
        order="native",
        data_seed=sweep.data_seed,
        sample_seed=seed,
    )
    return AdaptRun(spec, task, method, stages, hashed, skipped=_reason(task, method, stages, seed))


def _reason(task: AdaptTask, method: Method, stages: Sequence[Stage], seed: int) -> str:
    """Why a run cannot be made, as far as it is known without the weights; empty if it can."""
    if lacking := method.lacking():
        return lacking
    settings = task.options
    together = settings.batch_size if settings.window is None else settings.window
    together = min(together, max(len(one.pictures) for one in stages))
    for made in open_method(method):
        if made.requires().source_images:
            try:
                task.clean(1, seed)
            except UsageError as error:
                return str(error)
        least = made.requires().batch
        if together < least:
            return (
                f"needs batches of {least} images or more, and the stream gives {together} at a "
                f"time; take -T batch_size={least} or more, or -T window={least}"
            )
    return ""
