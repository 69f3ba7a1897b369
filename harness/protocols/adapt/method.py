"""What a method of test-time adaptation is: a `TestTimeMethod`, completed by a `Wrapper`.

The harness hands in batches of images in the order of the stream and takes log-probabilities back;
labels never come near a method. After `reset` the weights must equal the source's, bit for bit;
`state` and `load` carry everything else that a killed stream needs to go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from harness.models.base import Ability
from harness.options import NoOptions, Options
from harness.protocols.adapt.classifier import Classifier, NormKind
from harness.registry import About, Need

if TYPE_CHECKING:
    import torch

State = Mapping[str, Any]
"""What `torch.save` can write and `torch.load(weights_only=True)` read."""


class Order(StrEnum):
    """Which weights predict a batch."""

    PREDICT_FIRST = "predict-then-adapt"
    ADAPT_FIRST = "adapt-then-predict"


@dataclass(frozen=True)
class Requires:
    """What a method needs; what is missing is told before anything is computed.

    Attributes:
        norms: kinds of normalisation layers, any of which the model has to have; empty: none.
        class_weights: a linear head.
        text: class scores that come from texts, as CLIP's.
        batch: images in a batch, at least.
        source_images: clean images of the source data that it looks at beforehand.
    """

    norms: frozenset[NormKind] = frozenset()
    class_weights: bool = False
    text: bool = False
    batch: int = 1
    source_images: int = 0


@dataclass(frozen=True)
class Context:
    """What a method may use beside the model.

    Attributes:
        seed: decides whatever it draws.
        generator: for draws on the CPU, seeded; its state is kept with the method's.
        method: name of the method, for a wrapper whose defaults depend on it.
        batch_size: images in a full batch of the stream.
        source_images: gives `n` clean images of the source data, (n, 3, height, width) in [0, 1],
            in batches; what is asked for is told in the results.
        counts: what is worth counting, by method and wrapper: ``updates``, ``selected``.
    """

    seed: int
    generator: torch.Generator
    method: str
    batch_size: int
    source_images: Callable[[int], list[torch.Tensor]]
    counts: dict[str, float] = field(default_factory=dict[str, float])

    def count(self, name: str, number: float = 1) -> None:
        """Count something."""
        self.counts[name] = self.counts.get(name, 0) + number


class TestTimeMethod(ABC):
    """A method of test-time adaptation. Registered as ``adapt.adapter.NAME``.

    A subclass writes `prepare` and `step`, and `memory` with `recall` if it keeps more.
    """

    __test__ = False  # no test case, whatever pytest makes of the name
    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    order: Order = Order.PREDICT_FIRST
    """An option may decide it."""
    adapts: ClassVar[str] = "nothing"
    """What is adapted, in words: ``norm affine``, ``all weights``."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def requires(self) -> Requires:
        """What these options need of model and stream."""
        return Requires()

    def setup(self, model: Classifier, context: Context) -> None:
        """Take the source model and make ready; called once."""
        self.model = model
        self.context = context
        self.source = model.copy()
        model.module.eval()
        self.prepare()

    def prepare(self) -> None:
        """Make ready on source weights: optimiser, banks, averages; at setup and every reset."""
        return

    @abstractmethod
    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Predict a batch, and adapt to it.

        Args:
            images: (batch, 3, height, width) in [0, 1].

        Returns:
            Log-probabilities, (batch, classes).

        Raises:
            MethodError: the method diverged, or cannot go on.
        """

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Predict a batch without adapting: log-probabilities, (batch, classes)."""
        import torch

        with torch.no_grad():
            return self.model.logits(images).log_softmax(1)

    def reset(self) -> None:
        """Return to the source model, as after `setup`."""
        self.model.restore(self.source)
        self.model.module.eval()
        self.prepare()

    def memory(self) -> State:
        """What is needed to go on, beyond weights and the generator."""
        return {}

    def recall(self, memory: State) -> None:
        """Take back what `memory` gave; `prepare` was called before."""
        del memory

    def state(self) -> State:
        """Everything that is needed to go on."""
        return {
            "weights": self.model.copy(),
            "training": {name: one.training for name, one in self.model.module.named_modules()},
            "generator": self.context.generator.get_state(),
            "counts": dict(self.context.counts),
            "memory": dict(self.memory()),
        }

    def load(self, state: State) -> None:
        """Go on from a saved state."""
        self.model.restore(state["weights"])
        for name, one in self.model.module.named_modules():
            one.training = state["training"][name]
        self.context.generator.set_state(state["generator"])
        self.context.counts.clear()
        self.context.counts.update(state["counts"])
        self.recall(state["memory"])

    @property
    def counts(self) -> dict[str, float]:
        """What was counted: ``updates``, ``resets``, ``selected``."""
        return self.context.counts

    def count(self, name: str, number: float = 1) -> None:
        """Count something."""
        self.context.count(name, number)


class Wrapper(ABC):
    """Changes the classifier that a method works with. Registered as ``adapt.wrapper.NAME``."""

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()

    def __init__(self, options: Options) -> None:
        self.options = options

    def requires(self) -> Requires:
        """What these options need of model and stream."""
        return Requires()

    @abstractmethod
    def wrap(self, model: Classifier, context: Context) -> Classifier:
        """The classifier that the method gets; it shares the network with the model."""


class Plain(Wrapper):
    """``none``: the classifier as it is."""

    about: ClassVar[About] = About("The classifier as it is.", "")

    def wrap(self, model: Classifier, context: Context) -> Classifier:
        """The model itself."""
        del context
        return model
