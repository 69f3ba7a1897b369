"""What every method and every task of adaptation has to keep, tried on a toy classifier."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.methods import Method
from harness.protocols.adapt import Classifier, Context, TestTimeMethod, TextClassifier
from harness.protocols.adapt.task import AdaptTask

if TYPE_CHECKING:
    import torch

_SIDE, _CLASSES, _BATCH, _BATCHES = 64, 5, 4, 4
_NEAR = 1e-3


def check_adapter(method: Method) -> Iterator[str]:
    """Adapt a toy classifier: log-probabilities, repeatable, resumable, and a reset that resets."""
    name = f"method '{method.label}'"
    try:
        adapter, model = _opened(method)
        before = model.fingerprint(), model.modes()
        first = [adapter.step(one) for one in _batches()]
        adapter.reset()
        after = model.fingerprint(), model.modes()
        again, _ = _opened(method)
        second = [again.step(one) for one in _batches()]
        third = _continued(method)
    except HarnessError as error:
        yield f"{name} gave up on a toy classifier: {error}"
        return
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        yield f"{name} raised {type(error).__name__}: {error}"
        return
    for given in first:
        if tuple(given.shape) != (_BATCH, _CLASSES):
            yield f"{name}: step gave {tuple(given.shape)}, not ({_BATCH}, {_CLASSES})."
            return
    if any(bool(((one.exp().sum(1) - 1).abs() > _NEAR).any()) for one in first):
        yield f"{name}: step gives no log-probabilities; return log_softmax of the scores."
    if after != before:
        yield f"{name} leaves other weights, or layers in another mode, after reset()."
    if not _equal(first, second):
        yield f"{name} differs when the stream is repeated; draw from context.generator."
    elif not _equal(first[_BATCHES // 2 :], third):
        yield f"{name} goes on differently from its own state; memory() and recall() lack some."


def check_adapt_task(task: AdaptTask, twin: AdaptTask, classes: tuple[str, ...]) -> Iterator[str]:
    """Stages are there, repeatable, with unique rows and labels that the model has."""
    stages = list(task.stages(classes, 0, None))
    pictures = [(one, stage) for stage in stages for one in stage.pictures]
    if not pictures:
        yield "stages(...) holds no picture."
        return
    keys = {(one.sample_id, one.repeat, stage.checkpoint) for one, stage in pictures}
    if len(keys) < len(pictures):
        yield "two pictures of a stream share sample_id, repeat and checkpoint."
    if stages != list(twin.stages(classes, 0, None)):
        yield "stages(...) differs when it is asked again."
    if any(not 0 <= one.label < len(classes) for one, _ in pictures):
        yield "a label is no class of the model."
    if any(not one.content_hash for one, _ in pictures):
        yield "a picture has no content_hash."


def _opened(method: Method) -> tuple[TestTimeMethod, Classifier]:
    import torch

    from harness.adapting.plan import open_method

    adapter, wrapper = open_method(method)
    model = _toy(text=adapter.requires().text or wrapper.requires().text)
    context = Context(
        seed=0,
        generator=torch.Generator().manual_seed(0),
        method=method.left.name,
        batch_size=_BATCH,
        source_images=lambda number: _batches()[: max(1, number // _BATCH)],
    )
    adapter.setup(wrapper.wrap(model, context), context)
    return adapter, model


def _continued(method: Method) -> list[torch.Tensor]:
    """The second half of the stream, by a method that was loaded from a saved state."""
    import torch

    half, file = _BATCHES // 2, io.BytesIO()
    begun, _ = _opened(method)
    for one in _batches()[:half]:
        begun.step(one)
    torch.save(dict(begun.state()), file)
    continued, _ = _opened(method)
    continued.load(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    return [continued.step(one) for one in _batches()[half:]]


def _equal(one: list[Any], other: list[Any]) -> bool:
    return all(left.equal(right) for left, right in zip(one, other, strict=True))


def _batches() -> list[torch.Tensor]:
    import torch

    generator = torch.Generator().manual_seed(1)
    return [torch.rand(_BATCH, 3, _SIDE, _SIDE, generator=generator) for _ in range(_BATCHES)]


def _toy(*, text: bool) -> Classifier:
    """A network with batch norm and layer norm and a linear head, or one with class texts."""
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    from harness.models.vision.linear import LinearHead

    width = 8
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (
            nn.Conv2d(3, width, 4, 4),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.LayerNorm(4 * width),
        )
        network = nn.Sequential(nn.Sequential(*layers), nn.Linear(4 * width, _CLASSES)).eval()
        words = torch.randn(3, 6)
        names, project = torch.randn(_CLASSES, 6), torch.randn(6, 4 * width)
    classes = [str(number) for number in range(_CLASSES)]
    if not text:
        return LinearHead(
            *(network, classes, _SIDE),
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
            encoder=network[0],
            head=network[1],
        )

    class ToyText(TextClassifier):
        """Class features that depend on a context."""

        scale = 10.0

        def features(self, images: torch.Tensor) -> torch.Tensor:
            return normalize(network[0](images), dim=1)

        def head(self, features: torch.Tensor) -> torch.Tensor:
            return self.scale * features @ self.class_features(words).T

        def class_weights(self) -> torch.Tensor:
            return self.class_features(words)

        def context(self) -> torch.Tensor:
            return words.clone()

        def class_features(self, context: torch.Tensor) -> torch.Tensor:
            return normalize((context.mean(0) + names) @ project, dim=1)

    return ToyText(network, classes, _SIDE)
