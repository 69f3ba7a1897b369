"""The adapt protocol: a method adapts a classifier to a stream of images while it predicts them.

Import from here what a task, a method or a model needs.
"""

from harness.protocols.adapt.classifier import (
    Classifier,
    NormKind,
    TextClassifier,
    finite,
    norm_layers,
    use_batch_statistics,
)
from harness.protocols.adapt.gradient import GradientMethod, GradientOptions, Optimiser, entropy
from harness.protocols.adapt.method import (
    Context,
    Order,
    Requires,
    State,
    TestTimeMethod,
    Wrapper,
)

__all__ = [
    "Classifier",
    "Context",
    "GradientMethod",
    "GradientOptions",
    "NormKind",
    "Optimiser",
    "Order",
    "Requires",
    "State",
    "TestTimeMethod",
    "TextClassifier",
    "Wrapper",
    "entropy",
    "finite",
    "norm_layers",
    "use_batch_statistics",
]
