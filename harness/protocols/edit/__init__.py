"""The edit protocol: a method changes a model so that it forgets a set and keeps the rest.

Import from here what a task or a method needs.
"""

from harness.protocols.edit.causal import IGNORED, Batch, CausalLM, Codec, Encoded
from harness.protocols.edit.data import EditData, Example
from harness.protocols.edit.gradient import (
    GradientEditor,
    GradientOptions,
    RetainLoss,
    RetainOptions,
    Step,
    answer_logits,
    layers_of,
    mean_nll,
    sequence_nll,
    token_nll,
)
from harness.protocols.edit.method import Budget, Diverged, EditProgress, ModelEditor, State
from harness.protocols.edit.surgery import (
    GradientSurgery,
    Moment,
    PlainStep,
    Update,
    Vector,
    add_scaled,
    dot,
    norm,
    scaled,
)

__all__ = [
    "IGNORED",
    "Batch",
    "Budget",
    "CausalLM",
    "Codec",
    "Diverged",
    "EditData",
    "EditProgress",
    "Encoded",
    "Example",
    "GradientEditor",
    "GradientOptions",
    "GradientSurgery",
    "ModelEditor",
    "Moment",
    "PlainStep",
    "RetainLoss",
    "RetainOptions",
    "State",
    "Step",
    "Update",
    "Vector",
    "add_scaled",
    "answer_logits",
    "dot",
    "layers_of",
    "mean_nll",
    "norm",
    "scaled",
    "sequence_nll",
    "token_nll",
]
