"""The span of a few vectors that are as long as a model, and what lies outside of it.

Vectors are lists of tensors. Inner products are summed in float64, tensor by tensor; what is solved
is the k x k system of Gram, so that no vector is flattened and none copied beyond the result. A
diagonal metric H replaces the inner product by <a, b> = sum a b / H, which is the Euclidean one of
the whitened gradients H^(-1/2) a.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.protocols.edit.surgery import dot, norm

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector

DEPENDENT = 1e-12
"""Eigenvalues of the Gram matrix of unit vectors, relative to the largest, that count as 0: a
vector nearer than 1e-6 of its length to the span of the others adds no direction."""
PASSES = 2
"""A second projection takes away what rounding left in the first."""


class Span:
    """The span of vectors; dependent and zero vectors are allowed.

    Args:
        vectors: k vectors.
        metric: diagonal H, positive; none for ones.
    """

    def __init__(self, vectors: Sequence[Vector], metric: Vector | None = None) -> None:
        import numpy as np

        self.vectors = list(vectors)
        self.metric = metric
        gram = gram_matrix(self.vectors, metric)
        self.finite = bool(np.isfinite(gram).all())
        if not self.finite:
            return
        self._lengths: Any = np.sqrt(np.diagonal(gram))
        scale = np.outer(self._lengths, self._lengths)
        scale[scale == 0] = 1.0
        self._inverse: Any = gram  # of no vectors
        if self.vectors:
            self._inverse = np.linalg.pinv(gram / scale, rcond=DEPENDENT, hermitian=True) / scale

    def length(self, vector: Vector) -> float:
        """Length of a vector in the metric."""
        return dot(vector, vector, self.metric) ** 0.5

    def without(self, vector: Vector) -> Vector:
        """The part of a vector that is orthogonal to the span, in the metric."""
        if not self.vectors:
            return vector
        for _ in range(PASSES):
            vector = minus(vector, self._inverse @ self._products(vector), self.vectors)
        return vector

    def share(self, vector: Vector) -> float:
        """Length of a vector's projection on the span, relative to its own; 0 for a zero vector."""
        whole = self.length(vector)
        if whole == 0 or not self.vectors:
            return 0.0
        products = self._products(vector)
        inside = float(products @ self._inverse @ products)
        return min(1.0, max(0.0, inside) ** 0.5 / whole)

    def residual(self, vector: Vector, whole: Vector) -> float:
        """Largest |<r, vector>| / (|r| |whole|) over the vectors r of the span."""
        length = self.length(whole)
        if length == 0:
            return 0.0
        pairs = zip(self._products(vector), self._lengths, strict=True)
        shares = [abs(float(product)) / float(size * length) for product, size in pairs if size]
        return max(shares, default=0.0)

    def _products(self, vector: Vector) -> Any:
        import numpy as np

        return np.array([dot(one, vector, self.metric) for one in self.vectors])


def gram_matrix(vectors: Sequence[Vector], metric: Vector | None = None) -> Any:
    """Inner products of all pairs, float64, (k, k)."""
    import numpy as np

    size = len(vectors)
    gram = np.zeros((size, size))
    for row in range(size):
        for column in range(row + 1):
            gram[row, column] = dot(vectors[row], vectors[column], metric)
            gram[column, row] = gram[row, column]
    return gram


def minus(
    vector: Vector, weights: Sequence[float], others: Sequence[Vector], metric: Vector | None = None
) -> Vector:
    """Vector - sum of weight * other (/ H where a metric is given), summed in float64."""
    found = list[Any]()
    for position, one in enumerate(vector):
        total = one.double()
        for weight, other in zip(weights, others, strict=True):
            part = float(weight) * other[position].double()
            total = total - (part if metric is None else part / metric[position].double())
        found.append(total.to(one.dtype))
    return found


def floored(metric: Vector, floor: float) -> Vector:
    """The metric, nowhere below a share of its root mean square."""
    if floor == 0:
        return metric
    count = sum(one.numel() for one in metric)
    lowest = floor * norm(metric) / count**0.5
    return [one.clamp(min=lowest) for one in metric]


def like(vector: Vector, model: Vector) -> Vector:
    """A saved vector, on the devices of another."""
    return [one.to(other.device) for one, other in zip(vector, model, strict=True)]
