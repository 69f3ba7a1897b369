"""One stream from its first image to its last, from wherever an earlier execution stopped.

Every image is a row. What the data break is `invalid`, what the method breaks is `failed` from then
on to the next reset, for an adapted model that broke cannot be trusted afterwards.
"""

from __future__ import annotations

import copy
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness import memory
from harness.adapting.loader import Image, Loader
from harness.adapting.past import key_of
from harness.adapting.plan import Piece, open_method
from harness.errors import HarnessError, InfrastructureError, MethodError, UsageError
from harness.local_runs import out_of_memory
from harness.protocols.adapt.classifier import Classifier, TextClassifier, norm_layers
from harness.protocols.adapt.method import Context, Requires, TestTimeMethod, Wrapper
from harness.protocols.adapt.task import Picture, Stage
from harness.results.schema import SampleRecord, Status

if TYPE_CHECKING:
    import torch

    from harness.adapting.execution import AdaptExecution

Say = Callable[[str], None]
OnSample = Callable[[SampleRecord], None]

_SAVE_EVERY_S = 20.0
_COMPARE_EVERY = 8
"""Batches for each of which the source model's time is taken too, on average."""
_TOP = 5
_LEAST_LOG = -87.0
"""Least log-probability that is kept: about the least normal float32."""
_STATE = "stream"
_BACKWARD = 2
"""Forward passes that a backward pass is worth."""
_ROUNDING = 1e-9


@dataclass
class _Step:
    """What a method gave for a batch."""

    log_probabilities: torch.Tensor
    seconds: float
    source_seconds: float | None


class Work:
    """The stream of one run."""

    def __init__(
        self, execution: AdaptExecution, say: Say, on_sample: OnSample, stop: threading.Event
    ) -> None:
        self._execution = execution
        self._run = execution.run
        self._say = say
        self._on_sample = on_sample
        self._stop = stop
        self._broken = ""
        """Why the method cannot go on before the next reset."""
        self._lost = ""
        """Why it cannot go on at all."""
        self._resets = 0
        self._seen = 0
        """Clean images of the source that the method has looked at."""
        self._warm = False
        """Whether the source model has predicted once."""
        self._setup_s = 0.0
        self._to_miss = 0
        """Batches that come before the method is ready again, where the stream does not wait."""
        self._recent = deque[Any](maxlen=self._run.task.options.window or 1)
        """Pixels of the last images of a stage, where each is predicted in a sliding window."""

    def do(self) -> None:
        """Everything that remains."""
        memory.forget_peak()
        self._source = self._execution.source
        self._loader = Loader(
            self._run.task.reader(self._run.seed), self._source.size, self._run.task.options.workers
        )
        model = copy.deepcopy(self._source)
        self._fingerprint = model.fingerprint()
        self._model = model
        method = self._open(model)
        self._modes = model.modes()
        start = self._resume(method)
        pieces = self._run.pieces
        saved = time.monotonic()
        with closing(self._loader.batches(one.pictures for one in pieces[start:])) as batches:
            for number, images in enumerate(batches, start):
                self._check()
                piece = pieces[number]
                if piece.first:
                    self._recent.clear()
                if piece.first and piece.stage.reset and number:
                    self._reset(method)
                self._play(method, piece, images, number)
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    saved = time.monotonic()
                    self._save(method, number + 1)
        self._execution.keep_stats(self._stats(method), final=True)

    def close(self, status: Status, error_type: str, reason: str) -> None:
        """Give every image that is missing a row with the reason."""
        for number, piece in enumerate(self._run.pieces):
            for picture in piece.pictures:
                if self._is_missing(piece.stage, picture):
                    self._keep(_failure(piece.stage, picture, number, status, error_type, reason))

    def _open(self, model: Classifier) -> TestTimeMethod:
        import torch

        run = self._run
        method, wrapper = open_method(run.method)
        for one in (method, wrapper):
            refuse_model(one, model)
        settings = run.task.options
        context = Context(
            seed=run.seed,
            generator=torch.Generator().manual_seed(run.seed),
            method=run.method.left.name,
            batch_size=settings.batch_size if settings.window is None else settings.window,
            source_images=self._source_images,
        )
        began = time.perf_counter()
        try:
            method.setup(wrapper.wrap(model, context), context)
        except UsageError as error:  # of options that only the model could refuse
            raise MethodError(str(error)) from error
        except (HarnessError, CancelledError):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            raise MethodError(f"setup broke with {type(error).__name__}: {error}") from error
        self._setup_s = time.perf_counter() - began
        return method

    def _source_images(self, number: int) -> list[torch.Tensor]:
        """Clean images in batches of the stream's size; broken ones are left out."""
        task = self._run.task
        pictures = list(task.clean(number, self._run.seed))
        size = task.options.batch_size
        batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        self._say(f"reading {len(pictures)} source images")
        found = list[Any]()
        with closing(self._loader.batches(batches)) as made:
            for images in made:
                self._check()
                tensors = self._tensors(images)
                if tensors:
                    found.append(_stack(tensors, self._device))
                self._seen += len(tensors)
        return found

    def _resume(self, method: TestTimeMethod) -> int:
        """Go on from the last saved state; the number of the batch that comes next."""
        state = self._execution.checkpoints.load(_STATE)
        if state is None:
            return 0
        method.load(state["method"])
        self._broken, self._lost = state["broken"], state["lost"]
        self._resets, self._to_miss = state["resets"], state["to_miss"]
        self._recent.extend(one.numpy() for one in state["recent"])
        # In place: a wrapper counts into the same.
        self._model.work.forwards = state["work"]["forwards"]
        self._model.work.backwards = state["work"]["backwards"]
        return state["batch"]

    def _save(self, method: TestTimeMethod, batch: int) -> None:
        import torch

        self._execution.keep_stats(self._stats(method))
        state = {
            "batch": batch,
            "method": method.state(),
            "broken": self._broken,
            "lost": self._lost,
            "resets": self._resets,
            "to_miss": self._to_miss,
            "recent": [torch.from_numpy(one.copy()) for one in self._recent],
            "work": asdict(self._model.work),
        }
        self._execution.checkpoints.save(_STATE, state)

    def _reset(self, method: TestTimeMethod) -> None:
        """Return to the source model, and see that it is the source model."""
        if self._lost:
            return
        try:
            method.reset()
        except Exception as error:
            if out_of_memory(error):
                raise
            self._lost = self._broken = f"reset broke with {type(error).__name__}: {error}"
            return
        self._resets += 1
        self._broken, self._to_miss = "", 0
        if self._model.modes() != self._modes:
            self._lost = self._broken = (
                "reset left layers in another mode (training or evaluation) than setup did; what "
                "follows would not be comparable"
            )
        found = self._model.fingerprint()
        if found != self._fingerprint:
            self._lost = self._broken = (
                f"reset left other weights (hash {found}) than the source's ({self._fingerprint}); "
                "what follows would not be comparable"
            )

    def _play(
        self, method: TestTimeMethod, piece: Piece, images: Sequence[Image], number: int
    ) -> None:
        stage = piece.stage
        readable = [one for one in images if one.pixels is not None]
        for one in images:
            if one.pixels is None:
                self._keep(
                    _failure(
                        *(stage, one.picture, number, Status.INVALID, "InvalidSample", one.problem)
                    )
                )
        if not readable:
            return
        tensors = self._tensors(readable)
        single = self._run.task.options.window is not None
        if single:
            self._recent.extend(tensors)
            tensors = list(self._recent)
        step = self._step(method, _stack(tensors, self._device), len(readable), number)
        if step is None:
            for one in readable:
                self._keep(
                    _failure(
                        *(stage, one.picture, number, Status.FAILED, "MethodError", self._broken)
                    )
                )
            return
        found = step.log_probabilities[-len(readable) :] if single else step.log_probabilities
        for record in _records(stage, readable, found, step, number):
            self._keep(record)

    def _step(
        self, method: TestTimeMethod, images: torch.Tensor, new: int, number: int
    ) -> _Step | None:
        """Let the method predict a batch, of which the last images are new.

        None if the method is broken, with the reason kept.
        """
        if self._broken:
            return None
        try:
            began = time.perf_counter()
            given = self._step_or_miss(method, images, new)
            _synchronise(images)
            seconds = time.perf_counter() - began
            found = _checked(given, len(images), len(self._source.classes))
        except (CancelledError, InfrastructureError):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            said = (
                str(error) if isinstance(error, MethodError) else f"{type(error).__name__}: {error}"
            )
            self._broken = f"{said} (batch {number + 1})"
            return None
        return _Step(found, seconds, self._source_seconds(images[-new:], number))

    def _step_or_miss(self, method: TestTimeMethod, images: torch.Tensor, new: int) -> torch.Tensor:
        """Adapt, or only predict a batch that comes while the method is still at another."""
        if self._to_miss:
            self._to_miss -= 1
            method.count("missed")
            return method.predict(images)
        before = copy.copy(self._model.work)
        given = method.step(images)
        pace = self._run.task.options.pace
        if pace is not None:
            work = self._model.work
            forwards, backwards = (
                work.forwards - before.forwards,
                work.backwards - before.backwards,
            )
            cost = (forwards + _BACKWARD * backwards) / new
            self._to_miss = max(0, math.ceil(cost * pace - _ROUNDING) - 1)
        return given

    def _source_seconds(self, images: torch.Tensor, number: int) -> float | None:
        """Seconds that the source model alone takes for these images, now and then."""
        import torch

        # Drawn, so that a method which works in a rhythm is not met at one beat of it.
        drawn = random.Random(f"compare/{number}").random() < 1 / _COMPARE_EVERY
        first, self._warm = not self._warm, True
        if not (drawn or first or number == 1):
            return None
        began = time.perf_counter()
        with torch.no_grad():
            self._source.head(self._source.features(images)).log_softmax(1)
        _synchronise(images)
        return None if first else time.perf_counter() - began  # the first time warms it up

    def _stats(self, method: TestTimeMethod) -> dict[str, float]:
        """What the method did so far."""
        work = self._model.work
        return {
            **{name: float(value) for name, value in sorted(method.counts.items())},
            "resets_of_stream": float(self._resets),
            "source_images": float(self._seen),
            "setup_seconds": self._setup_s,
            "images_forward": float(work.forwards),
            "images_backward": float(work.backwards),
        }

    @property
    def _device(self) -> torch.device:
        return next(self._source.module.parameters()).device

    def _tensors(self, images: Sequence[Image]) -> list[Any]:
        return [one.pixels for one in images if one.pixels is not None]

    def _check(self) -> None:
        if self._stop.is_set():
            raise CancelledError

    def _is_missing(self, stage: Stage, picture: Picture) -> bool:
        key = (picture.sample_id, picture.repeat, stage.checkpoint)
        return not self._execution.past.is_finished(key)

    def _keep(self, record: SampleRecord) -> None:
        """Journal a row; those that are there already were computed again to go on from there."""
        if self._execution.past.is_finished(key_of(record)):
            return
        self._execution.keep(record)
        self._on_sample(record)


def refuse_model(one: TestTimeMethod | Wrapper, model: Classifier) -> None:
    """Refuse a model that lacks what a method needs.

    Raises:
        UsageError: it does.
    """
    wanted: Requires = one.requires()
    name = one.about.summary.rstrip(".")
    if wanted.norms and not norm_layers(model.module, wanted.norms):
        kinds = " or ".join(sorted(wanted.norms))
        raise UsageError(
            f"this method adapts {kinds} layers, and the model has none ({name}); take another "
            "model, or a method that needs none, such as lame or t3a."
        )
    if wanted.text and not isinstance(model, TextClassifier):
        raise UsageError(
            f"this method needs class scores that come from texts ({name}); take clip:."
        )
    if wanted.class_weights and model.class_weights() is None:
        raise UsageError(f"this method needs a model with a linear head ({name}).")


def _stack(pixels: Sequence[Any], device: torch.device) -> torch.Tensor:
    """Images as (batch, 3, height, width) in [0, 1]."""
    import numpy as np
    import torch

    whole = torch.from_numpy(np.stack(pixels)).to(device)
    return whole.permute(0, 3, 1, 2).to(torch.float32) / 255


def _checked(given: Any, images: int, classes: int) -> torch.Tensor:
    import torch

    if not isinstance(given, torch.Tensor) or tuple(given.shape) != (images, classes):
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise MethodError(
            f"step gave {shape} for {images} images and {classes} classes, not log-probabilities "
            f"of shape ({images}, {classes})"
        )
    found = given.detach().double().cpu()
    if bool(found.isnan().any()):
        raise MethodError("step gave NaN")
    total = found.exp().sum(1)
    if bool(((total - 1).abs() > 1e-3).any()):
        raise MethodError("step gave no log-probabilities: their exponentials do not add up to 1")
    return found


def _records(
    stage: Stage, images: Sequence[Image], found: torch.Tensor, step: _Step, number: int
) -> Iterator[SampleRecord]:
    """Rows of a batch that was predicted; they hold all that the metrics need.

    Args:
        stage: what the batch is of.
        images: those that were predicted.
        found: their log-probabilities, (batch, classes), float64.
        step: how long it took; the images share it, whatever a window showed beside them.
        number: of the batch.
    """
    together = len(images)
    probabilities = found.exp()
    kept = found.clamp(min=_LEAST_LOG)
    entropies = -(probabilities * kept).sum(1)
    best = probabilities.topk(min(_TOP, probabilities.shape[1]), 1)
    squares = probabilities.square().sum(1)
    for row, image in enumerate(images):
        picture = image.picture
        right = float(probabilities[row, picture.label])
        top = [int(one) for one in best.indices[row]]
        record = _record(stage, picture, number, Status.OK)
        metrics = {
            **record.metrics,
            **{f"top{place}": float(one) for place, one in enumerate(top, 1)},
            "max_probability": float(best.values[row, 0]),
            "entropy": float(entropies[row]),
            "top5_correct": float(picture.label in top),
            "nll": -float(kept[row, picture.label]),
            "brier": float(squares[row]) - 2 * right + 1,
            "batch": float(number),
        }
        if step.source_seconds is not None:
            metrics["source_ms"] = 1000 * step.source_seconds / together
        yield replace(
            record,
            sample_hash=image.content_hash,
            score=float(top[0] == picture.label),
            metrics=metrics,
            latency_s=step.seconds / together,
        )


def _failure(
    stage: Stage, picture: Picture, number: int, status: Status, error_type: str, reason: str
) -> SampleRecord:
    score = 0.0 if status is Status.FAILED else None
    record = _record(stage, picture, number, status)
    return replace(record, score=score, error_type=error_type, error=reason)


def _record(stage: Stage, picture: Picture, number: int, status: Status) -> SampleRecord:
    """What every row of a picture says, whatever became of it."""
    return SampleRecord(
        sample_id=picture.sample_id,
        sample_hash=picture.content_hash,
        source_id=picture.source_id,
        stream_id=stage.name,
        step=number,
        group=picture.group,
        status=status,
        score=None,
        metrics={"severity": float(picture.severity), "label": float(picture.label)},
        repeat=picture.repeat,
        checkpoint=stage.checkpoint,
    )


def _synchronise(images: torch.Tensor) -> None:
    """Wait for the device, so that clocks mean something."""
    import torch

    if images.is_cuda:
        torch.cuda.synchronize()
