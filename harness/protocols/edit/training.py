"""The loop of every gradient editor, in plain torch.

Each step: the minibatches that seed and step decide, the gradient of the forget loss, that of the
retain loss, what the surgery makes of both, the optimiser's step. Gradients are scaled together to
the editor's ``max_grad_norm`` before the surgery sees them. Without a surgery, or with one that
has nothing to project on, the same operations are made in the same order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.protocols.edit.causal import Batch, CausalLM
from harness.protocols.edit.data import EditData, Example, generator
from harness.protocols.edit.gradient import (
    GradientEditor,
    GradientOptions,
    Optimiser,
    RetainLoss,
    Schedule,
    Step,
    mean_nll,
)
from harness.protocols.edit.method import Budget, Diverged, EditProgress, State
from harness.protocols.edit.surgery import (
    GradientSurgery,
    Moment,
    PlainStep,
    Update,
    Vector,
    norm,
    scaled,
)

if TYPE_CHECKING:
    import torch


def train(
    editor: GradientEditor,
    model: CausalLM,
    data: EditData,
    budget: Budget,
    progress: EditProgress,
) -> CausalLM:
    """Edit a model by gradient steps; continues from what `progress` has saved.

    Raises:
        Diverged: a loss or a gradient is not finite.
    """
    needs_reference = editor.uses_reference or (
        getattr(editor.options, "retain_loss", None) is RetainLoss.KL and editor.options.alpha > 0
    )
    reference = _frozen(model.copy()) if needs_reference else None
    _seed(budget.seed, "edit")
    model = with_adapters(model, editor.options)
    names, parameters = _chosen(editor, model)
    stepper = Stepper(parameters, editor.options, editor.lr_scale, budget)
    surgery = editor.surgery or PlainStep(PlainStep.Options())
    editor.begin(model, data, budget)
    saved = progress.resume()
    first = 0 if saved is None else _restore(saved, names, stepper, editor, surgery)

    def state(step: int) -> State:
        return {
            "step": step,
            "parameters": dict(zip(names, (one.detach() for one in parameters), strict=True)),
            "optimiser": stepper.optimiser.state_dict(),
            "editor": dict(editor.state()),
            "surgery": dict(surgery.state()),
        }

    per_epoch = max(1.0, len(data.forget) / budget.batch_size)
    if first in budget.checkpoints:
        # A kill may have come in the middle of its evaluation.
        model.module.eval()
        progress.checkpoint(first, model, lambda: state(first))
    for index in range(first, budget.steps):
        began = time.perf_counter()
        _seed(budget.seed, f"step/{index}")
        model.module.train()
        step = _step(editor, model, reference, data, budget, index, per_epoch)
        report = _one_step(editor, surgery, stepper, step, data, budget)
        report["seconds"] = time.perf_counter() - began
        progress.step(index + 1, report)
        if index + 1 in budget.checkpoints:
            model.module.eval()
            progress.checkpoint(index + 1, model, lambda done=index + 1: state(done))
    return model


def _seed(seed: int, place: str) -> None:
    """Seed what torch draws of itself (dropout, adapters), for equal runs to be equal."""
    import torch

    torch.manual_seed(generator(f"{place}/{seed}").getrandbits(63))


class Stepper:
    """The optimiser with its schedule, as loop and surgery use it.

    Args:
        parameters: what is edited.
        options: of the editor.
        lr_scale: the editor's learning rate by default, relative to the budget's.
        budget: steps, and the learning rate that the model recommends.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        options: GradientOptions,
        lr_scale: float,
        budget: Budget,
    ) -> None:
        import torch

        self.parameters = list(parameters)
        self._options = options
        self._steps = budget.steps
        self._base = budget.lr * lr_scale if options.lr is None else options.lr
        self.lr = self._base
        self.momentum = options.beta1 if options.optimiser is Optimiser.ADAMW else 0.0
        if options.optimiser is Optimiser.ADAMW:
            self.optimiser: torch.optim.Optimizer = torch.optim.AdamW(
                self.parameters,
                lr=self._base,
                betas=(options.beta1, options.beta2),
                eps=options.eps,
                weight_decay=options.weight_decay,
            )
        else:
            self.optimiser = torch.optim.SGD(self.parameters, lr=self._base)

    def set_step(self, index: int) -> None:
        """Set the learning rate of a step, from 0."""
        warm = self._options.warmup * self._steps
        share = 1.0
        if index < warm:
            share = (index + 1) / (math.ceil(warm) or 1)
        elif self._options.schedule is Schedule.LINEAR:
            share = (self._steps - index) / max(1.0, self._steps - warm)
        self.lr = self._base * min(1.0, share)
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr

    def preview(self, gradient: Vector) -> Vector:
        """The change that the optimiser would make; nothing is changed."""
        before = self._copy()
        state = {
            one: {
                name: value.clone() if hasattr(value, "clone") else value
                for name, value in self.optimiser.state[one].items()
            }
            for one in self.parameters
            if one in self.optimiser.state
        }
        self._advance(gradient)
        delta = [one.detach() - old for one, old in zip(self.parameters, before, strict=True)]
        self._put(before)
        for one in self.parameters:
            self.optimiser.state.pop(one, None)
        for one, values in state.items():
            self.optimiser.state[one] = values
        return delta

    def metric(self, gradient: Vector) -> Vector:
        """Root of Adam's bias-corrected second moment after this gradient, plus eps; ones for SGD.

        Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
        """
        import torch

        if self._options.optimiser is not Optimiser.ADAMW:
            return [torch.ones_like(one) for one in gradient]
        found, beta2 = list[Any](), self._options.beta2
        for parameter, one in zip(self.parameters, gradient, strict=True):
            state = self.optimiser.state.get(parameter, {})
            count = float(state["step"]) + 1 if state else 1.0
            before = state["exp_avg_sq"] if state else torch.zeros_like(one)
            second = beta2 * before + (1 - beta2) * one * one
            found.append((second / (1 - beta2**count)).sqrt() + self._options.eps)
        return found

    def apply(self, update: Update) -> None:
        """Make a step."""
        before = None if update.delta is None else self._copy()
        self._advance(update.gradient)
        if before is not None and update.delta is not None:
            self._put([old + one for old, one in zip(before, update.delta, strict=True)])

    def _advance(self, gradient: Vector) -> None:
        for parameter, one in zip(self.parameters, gradient, strict=True):
            parameter.grad = one
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def _copy(self) -> Vector:
        return [one.detach().clone() for one in self.parameters]

    def _put(self, values: Vector) -> None:
        import torch

        with torch.no_grad():
            for parameter, value in zip(self.parameters, values, strict=True):
                parameter.copy_(value)


def gradients(loss: torch.Tensor, parameters: Sequence[torch.nn.Parameter]) -> Vector:
    """Gradient of a loss with respect to every parameter; zeros where it does not depend on one."""
    import torch

    found: Any = torch.autograd.grad(loss, list(parameters), allow_unused=True)
    return [
        torch.zeros_like(one) if gradient is None else gradient
        for one, gradient in zip(parameters, found, strict=True)
    ]


def _one_step(
    editor: GradientEditor,
    surgery: GradientSurgery,
    stepper: Stepper,
    step: Step,
    data: EditData,
    budget: Budget,
) -> dict[str, float]:
    """Make one step and tell what it was like."""
    stepper.set_step(step.index)
    gamma, alpha = editor.weights(step)
    forget_loss = editor.forget_loss(step)
    _check(forget_loss.item(), "forget loss", step)
    forget = gradients(gamma * forget_loss, stepper.parameters)
    loss, retain, retain_loss = editor.retain_loss(step), None, None
    if loss is not None:
        retain_loss = _check(loss.item(), "retain loss", step)
        retain = gradients(alpha * loss, stepper.parameters)
    moment = Moment(
        index=step.index,
        forget=forget,
        retain=retain,
        retain_gradients=_Directions(step, stepper.parameters, data, budget, permuted=False),
        permuted_gradients=_Directions(step, stepper.parameters, data, budget, permuted=True),
        optimiser=stepper,
        seed=budget.seed,
    )
    length = _check(norm(moment.plain()), "gradient", step)
    most = editor.options.max_grad_norm
    if most is not None and length > most:
        moment.forget = scaled(forget, most / length)
        moment.retain = None if retain is None else scaled(retain, most / length)
    update = surgery.update(moment)
    _check(norm(update.gradient if update.delta is None else update.delta), "step", step)
    stepper.apply(update)
    editor.after(step, forget_loss.item(), retain_loss)
    report = {"forget_loss": forget_loss.item(), "gradient_norm": length, "lr": stepper.lr}
    if retain_loss is not None:
        report["retain_loss"] = retain_loss
    return {**report, **update.report}


class _Directions:
    """Gradients of the plain retain loss on several minibatches of a step."""

    def __init__(
        self,
        step: Step,
        parameters: Sequence[torch.nn.Parameter],
        data: EditData,
        budget: Budget,
        *,
        permuted: bool,
    ) -> None:
        self._step = step
        self._parameters = parameters
        self._data = data
        self._budget = budget
        self._permuted = permuted

    def __call__(self, count: int) -> list[Vector]:
        """The first is of the step's own retain minibatch."""
        return [self._gradient(number) for number in range(count)]

    def _gradient(self, number: int) -> Vector:
        step, budget = self._step, self._budget
        seed, size = budget.seed, budget.batch_size
        if number:
            examples = self._data.calibration_batch(seed, step.index, number, size)
        else:
            examples = self._data.retain_batch(seed, step.index, size)
        batch = step.model.batch(examples, self._answers(examples, number))
        found = step.model.module(input_ids=batch.ids, attention_mask=batch.mask)
        return gradients(mean_nll(found.logits, batch.labels), self._parameters)

    def _answers(self, examples: Sequence[Example], number: int) -> list[str] | None:
        """The answers of the minibatch, each beside another's question; None to leave them."""
        if not self._permuted or len(examples) < 2:
            return None
        seed_text = f"permuted/{self._budget.seed}/{self._step.index}/{number}"
        shift = generator(seed_text).randrange(1, len(examples))
        return [examples[(n + shift) % len(examples)].answer for n in range(len(examples))]


def _step(
    editor: GradientEditor,
    model: CausalLM,
    reference: CausalLM | None,
    data: EditData,
    budget: Budget,
    index: int,
    per_epoch: float,
) -> Step:
    seed, size = budget.seed, budget.batch_size
    forget = data.forget_batch(seed, index, size)
    refusal: Batch | None = None
    if editor.uses_refusals:
        refusal = model.batch(forget, [data.refusal_for(seed, index, one) for one in forget])
    return Step(
        index=index,
        steps=budget.steps,
        steps_per_epoch=per_epoch,
        model=model,
        reference=reference,
        forget=model.batch(forget),
        retain=model.batch(data.retain_batch(seed, index, size)),
        refusal=refusal,
    )


def _check(value: float, what: str, step: Step) -> float:
    if not math.isfinite(value):
        raise Diverged(f"the {what} is {value} at step {step.index + 1}")
    return value


def _frozen(model: CausalLM) -> CausalLM:
    model.module.eval()
    model.module.requires_grad_(False)
    return model


def with_adapters(model: CausalLM, options: GradientOptions) -> CausalLM:
    """The model with LoRA adapters on its linear layers, where the options ask for them.

    Raises:
        MissingExtra: peft is not installed.
    """
    if options.lora_rank == 0:
        return model
    from harness.registry import Need, require

    require([Need("peft", "unlearning")], "lora_rank")
    import peft

    scale: Any = options.lora_alpha  # declared as a whole number, and used as it is
    chosen = peft.LoraConfig(
        r=options.lora_rank,
        lora_alpha=scale,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type=peft.TaskType.CAUSAL_LM,
    )
    return CausalLM(peft.get_peft_model(model.module, chosen), model.codec, model.savable)


def _chosen(editor: GradientEditor, model: CausalLM) -> tuple[list[str], list[torch.nn.Parameter]]:
    """Names and parameters that are edited; all others are held."""
    if editor.options.lora_rank:
        chosen = [one for one in model.module.named_parameters() if one[1].requires_grad]
    else:
        chosen = list(_named(editor.trainable(model.module)))
        model.module.requires_grad_(False)
        for _, parameter in chosen:
            parameter.requires_grad_(True)
    if not chosen:
        raise UsageError("no parameter of the model is edited with these options; choose others.")
    return [name for name, _ in chosen], [parameter for _, parameter in chosen]


def _named(parameters: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Each parameter once, also where modules share it."""
    seen = set[int]()
    for name, parameter in parameters:
        if id(parameter) not in seen:
            seen.add(id(parameter))
            yield name, parameter


def _restore(
    saved: State,
    names: Sequence[str],
    stepper: Stepper,
    editor: GradientEditor,
    surgery: GradientSurgery,
) -> int:
    """Take up a saved state; returns how many steps it has made."""
    import torch

    with torch.no_grad():
        for name, parameter in zip(names, stepper.parameters, strict=True):
            parameter.copy_(saved["parameters"][name])
    stepper.optimiser.load_state_dict(saved["optimiser"])
    editor.load(saved["editor"])
    surgery.load(saved["surgery"])
    return int(saved["step"])
