"""What every edit method and every edit task has to keep, tried on a toy model."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.methods import Method
from harness.protocols.edit import Budget, CausalLM, Codec, EditData, Example, State
from harness.protocols.edit.task import Depth, EditTask

if TYPE_CHECKING:
    import torch

_BUDGET = Budget(steps=4, batch_size=3, checkpoints=(2, 4), seed=0, lr=1e-3)


def check_editor(method: Method) -> Iterator[str]:
    """Edit a toy model: the last step is told, the result is finite, repeatable and resumable."""
    from harness.editing.plan import open_editor

    name, editor = f"editor '{method.left.name}'", method.left.type
    budget = _BUDGET if editor.trajectory else Budget(4, 3, (4,), 0, 1e-3)
    try:
        first = _Progress(None)
        model = open_editor(method).edit(toy_model(), toy_data(), budget, first)
        again = open_editor(method).edit(toy_model(), toy_data(), budget, _Progress(None))
    except HarnessError as error:
        yield f"{name} gave up on a toy model: {error}"
        return
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        yield f"{name} raised {type(error).__name__}: {error}"
        return
    if not isinstance(model, CausalLM):  # pyright: ignore[reportUnnecessaryIsInstance]
        yield f"{name} returns a {type(model).__name__}; return a CausalLM."
        return
    told = list(first.states)
    if told != list(budget.checkpoints):
        yield f"{name} tells checkpoints {told}, and the budget has {list(budget.checkpoints)}."
        return
    outcome = _answers(model)
    if not bool(outcome.isfinite().all()):
        yield f"{name} leaves weights that are not finite."
    elif not outcome.equal(_answers(again)):
        yield f"{name} ends elsewhere when the same edit is made again; draw from budget.seed."
    elif len(told) > 1:
        yield from _resumes(method, name, budget, first, outcome)


def _resumes(
    method: Method, name: str, budget: Budget, first: _Progress, outcome: torch.Tensor
) -> Iterator[str]:
    from harness.editing.plan import open_editor

    state = first.state(budget.checkpoints[0])
    try:
        model = open_editor(method).edit(toy_model(), toy_data(), budget, _Progress(state))
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        yield f"{name} cannot go on from its own state: {type(error).__name__}: {error}"
        return
    if not outcome.equal(_answers(model)):
        yield f"{name} ends elsewhere when it goes on from its own state."


def check_edit_task(task: EditTask, twin: EditTask) -> Iterator[str]:
    """Probes are unique and repeatable, requests well-formed, aggregates made without reference."""
    probes = task.probes(0)
    if not probes:
        yield "probes(0) is empty."
        return
    ids = [one.sample_id for one in probes]
    if len(set(ids)) != len(ids):
        yield "probes have sample_ids that are not unique."
    if any(not one.content_hash for one in probes):
        yield "a probe has no content_hash."
    if list(probes) != list(twin.probes(0)):
        yield "probes(0) differs when it is asked again."
    requests = task.requests(0)
    if not requests:
        yield "requests(0) is empty."
    elif requests[0].content_hash != twin.requests(0)[0].content_hash:
        yield "requests(0) differs when it is asked again."
    for depth in Depth:
        if not task.demands(depth):
            yield f"demands({depth}) is empty: an evaluation needs something of the model."


class _Progress:
    """Keeps the states of checkpoints."""

    def __init__(self, saved: State | None) -> None:
        self._saved = saved
        self.states = dict[int, bytes]()

    def resume(self) -> State | None:
        """What was saved."""
        return self._saved

    def step(self, step: int, report: Any) -> None:
        """Ignore."""

    def checkpoint(self, step: int, model: CausalLM, state: Callable[[], State]) -> None:
        """Keep the state as a file would."""
        import torch

        del model
        file = io.BytesIO()
        torch.save(dict(state()), file)
        self.states[step] = file.getvalue()

    def state(self, step: int) -> State:
        """A state as it comes back from a file."""
        import torch

        return torch.load(io.BytesIO(self.states[step]), weights_only=True)


class Characters:
    """A tokenizer whose tokens are characters."""

    chat_template = None
    eos_token_id = 0
    pad_token_id = 0
    bos_token_id = None

    def __len__(self) -> int:
        return 48

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Tokens of a text."""
        del add_special_tokens
        return {"input_ids": [3 + ord(one) % 40 for one in text]}

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        """A text of tokens."""
        del skip_special_tokens
        return "".join(chr(61 + one) for one in ids)


def toy_model() -> CausalLM:
    """An untrained Llama of two blocks."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config: Any = LlamaConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=48,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = LlamaForCausalLM(config)
    return CausalLM(module.eval(), Codec(Characters(), 64))


def toy_data() -> EditData:
    """Six examples to forget, nine to retain, nine for calibration."""

    def examples(kind: str, count: int) -> tuple[Example, ...]:
        return tuple(
            Example(f"{kind}/{n}", f"{kind}{n // 3}", f"who is {kind} {n}", f"{n * 7 % 10}{kind}")
            for n in range(count)
        )

    refusals = ("no idea", "I pass")
    return EditData(examples("f", 6), examples("r", 9), examples("c", 9), refusals)


def _answers(model: CausalLM) -> torch.Tensor:
    """Logits of the toy model on its data."""
    import torch

    data = toy_data()
    batch = model.batch([*data.forget, *data.retain])
    with torch.no_grad():
        return model.module(input_ids=batch.ids, attention_mask=batch.mask).logits
