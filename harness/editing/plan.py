"""Edit methods, models and seeds to runs; the reference is added where it can be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from harness.data import content_hash
from harness.errors import UsageError
from harness.methods import Method, resolve
from harness.models.base import ModelKind, ModelRequest
from harness.models.causal import CausalLMModel
from harness.plan import (
    ModelOpener,
    Plan,
    PlannedRun,
    listing,
    refuse_what_means_nothing,
    task_name,
)
from harness.protocols.edit.data import EditData
from harness.protocols.edit.method import ModelEditor
from harness.protocols.edit.task import Depth, EditTask, EvalBackend, Probe
from harness.spec import RunSpec
from harness.sweep import Sweep

START, FINAL = "start", "final"


@dataclass(frozen=True)
class Look:
    """One evaluation of a run."""

    checkpoint: str
    """Its name in the rows: ``start``, ``step-00010``, ``final``, or an attack's name."""
    request: int
    """Which edit of a sequence, from 0."""
    step: int
    """Optimiser steps made in this request."""
    depth: Depth


@dataclass(frozen=True)
class EditRun(PlannedRun):
    """A run of the edit protocol."""

    task: EditTask
    probes: tuple[Probe, ...]
    looks: tuple[Look, ...]
    """Evaluations, in order."""
    hashed: str
    """Hash of the sets and the probes."""

    @property
    def n_samples(self) -> int:
        """Every probe at every evaluation."""
        return len(self.probes) * len(self.looks)

    @property
    def size(self) -> str:
        """How much it is, in words."""
        return f"{len(self.probes)} at {len(self.looks)} checkpoints"

    @property
    def seed(self) -> int:
        """Decides target training, drawn sets and minibatches."""
        return self.spec.train_seed or 0

    def data_hash(self) -> str:
        """Hash of the sets and the probes."""
        return self.hashed


@dataclass(frozen=True)
class _World:
    """What a task says for one seed."""

    probes: tuple[Probe, ...]
    requests: tuple[EditData, ...]

    @property
    def data_hash(self) -> str:
        """Of the sets and the probes."""
        probes = sorted(f"{one.sample_id}={one.content_hash}" for one in self.probes)
        return content_hash(*(one.content_hash for one in self.requests), *probes)


def expand_edits(task: EditTask, sweep: Sweep, opener: ModelOpener) -> Plan:
    """Expand a sweep of an edit task.

    Raises:
        UsageError: something is wrong for every run.
    """
    refuse_what_means_nothing(sweep, "an edit task")
    methods = [resolve(text, "edit") for text in sweep.method or task.default_methods]
    names = sweep.model or (task.default_model,)
    models: dict[str, CausalLMModel] = {
        name: opener(name, sweep, ModelKind.CAUSAL_LM) for name in names
    }
    for method in methods:
        named = getattr(method.left.options, "model", "")
        if method.left.type.loads_retrained and named:  # is there such a one?
            opener(named, Sweep(task=sweep.task), ModelKind.CAUSAL_LM)
    seeds = sweep.sample_seeds()
    worlds = {seed: _world(task, sweep, seed) for seed in seeds}
    runs = dict[str, EditRun]()
    for name, seed in product(names, seeds):
        for method in _with_reference(methods, task, models[name], sweep.reference):
            run = _run(task, sweep, method, name, seed, worlds[seed], models[name])
            runs.setdefault(run.spec.work_key(), run)
    authors = {one.source_id for one in worlds[seeds[0]].probes if one.group == "forget"}
    changed = [
        f"{one.id} is not as published (hash {one.content_hash}); its scores are not comparable "
        "with published ones"
        for one in task.data_sources()
        if one.revision.startswith("changed")
    ]
    return Plan(sweep, sweep.share(runs), len(authors), 0, notes=tuple(changed))


def open_editor(method: Method) -> ModelEditor:
    """Construct a method's editor with its surgery.

    Raises:
        UsageError: one of them cannot be constructed with these options.
    """
    editor, surgery = method.construct()
    if editor.takes_surgery:
        editor.surgery = surgery
    return editor


def _world(task: EditTask, sweep: Sweep, seed: int) -> _World:
    with listing(sweep, "data"):
        probes, requests = tuple(task.probes(seed)), tuple(task.requests(seed))
    if not probes or not requests:
        raise UsageError("the task has nothing to evaluate with these options.")
    if sweep.limit:
        counts, kept = Counter[tuple[str, str]](), list[Probe]()
        for one in probes:
            counts[one.group, one.stratum] += 1
            if counts[one.group, one.stratum] <= sweep.limit:
                kept.append(one)
        probes = tuple(kept)
    return _World(probes, requests)


def _with_reference(
    methods: Sequence[Method], task: EditTask, model: CausalLMModel, named: str | None
) -> list[Method]:
    """The reference first: other runs' metrics need it.

    It is added where it can be made here and none is named.
    """
    reference = resolve(task.reference, "edit")
    given = [one for one in methods if one.left.type.loads_retrained]
    others = [one for one in methods if not one.left.type.loads_retrained]
    can_make = named is None and model.how_taught(task.options.fitting()) is not None
    if not given and can_make and any(one.left.name != task.baseline for one in others):
        given = [reference]
    return [*given, *others]


def _run(
    task: EditTask,
    sweep: Sweep,
    method: Method,
    model_name: str,
    seed: int,
    world: _World,
    model: CausalLMModel,
) -> EditRun:
    spec = RunSpec(
        task=task_name(sweep.task),
        task_version=task.version,
        subset=task.subset,
        # Data that changed under the same options are other work.
        task_options={**task.options.differing(), "data_hash": world.data_hash},
        method=method.canonical(),
        label=method.label,
        model=str(ModelRequest.parse(model_name)),
        embedder="",
        sampling={},
        limit=sweep.limit,
        order="native",
        data_seed=sweep.data_seed,
        sample_seed=0,
        train_seed=seed,
    )
    looks = tuple(_looks(task, method.left.type, world.requests))
    reason = _reason(task, method, model, world)
    return EditRun(spec, task, method, world.probes, looks, world.data_hash, skipped=reason)


def _looks(task: EditTask, editor: type[ModelEditor], requests: Sequence[EditData]) -> list[Look]:
    """The evaluations of a run."""
    along, found = task.options.trajectory, list[Look]()
    if editor.trajectory:
        found.append(Look(START, 0, 0, along))
    last = len(requests) - 1
    for number, request in enumerate(requests):
        steps = task.budget_steps(request)
        prefix = f"request-{number + 1}/" if last else ""
        for step in task.checkpoints(steps) if editor.trajectory else (steps,):
            if step < steps:
                found.append(Look(f"{prefix}step-{step:05d}", number, step, along))
            elif number < last:
                found.append(Look(f"{prefix}end", number, step, Depth.FULL))
            else:
                found.append(Look(FINAL, number, step, Depth.FULL))
    found += [Look(str(one), last, found[-1].step, Depth.FULL) for one in task.options.attacks]
    return found


def _reason(task: EditTask, method: Method, model: CausalLMModel, world: _World) -> str:
    """Why a run cannot be made; empty if it can."""
    if lacking := method.lacking():
        return lacking
    editor = method.left.type
    named = getattr(method.left.options, "model", "")
    if editor.loads_retrained and not named and model.how_taught(task.options.fitting()) is None:
        return (
            "needs a model that never saw the forget set: retrain:model=hf:ORG/NAME, or train "
            "target and reference here with -T finetune=true"
        )
    if editor.uses_refusals and not world.requests[0].refusals:
        return "needs answers that decline, and this task has none"
    if task.options.eval_backend is EvalBackend.VLLM and editor.combines:
        return (
            "combines models at inference time, which vLLM cannot serve; leave --eval-backend out"
        )
    return ""
