"""The memory of `rotta`: a few images of every class, the new and the certain.

Category-balanced sampling with timeliness and uncertainty, Yuan et al., arXiv 2303.13899. An image
has a class, as predicted when it came, an uncertainty (its entropy) and an age (images since). Its
score is lambda_t / (1 + exp(-age / N)) + lambda_u * uncertainty / ln C, and the highest goes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


@dataclass
class Item:
    """An image that is kept.

    Attributes:
        image: (3, height, width).
        label: class as predicted when it came.
        uncertainty: entropy then, in nats.
        age: images that came since.
    """

    image: torch.Tensor
    label: int
    uncertainty: float
    age: int = 0


class Bank:
    """A memory of at most `capacity` images, balanced over `classes` predicted classes.

    Args:
        capacity: N.
        classes: C.
        timeliness: lambda_t.
        uncertainty: lambda_u.
    """

    def __init__(self, capacity: int, classes: int, timeliness: float, uncertainty: float) -> None:
        self.capacity, self.classes = capacity, classes
        self._timeliness, self._uncertainty = timeliness, uncertainty
        self._shelves: list[list[Item]] = [[] for _ in range(classes)]

    def __iter__(self) -> Iterator[Item]:
        for shelf in self._shelves:
            yield from shelf

    def __len__(self) -> int:
        return sum(len(shelf) for shelf in self._shelves)

    def sizes(self) -> list[int]:
        """Images of each class."""
        return [len(shelf) for shelf in self._shelves]

    def add(self, item: Item) -> None:
        """Keep an image if there is room or a worse one; everything ages."""
        if self._make_room(item):
            self._shelves[item.label].append(item)
        for one in self:
            one.age += 1

    def _make_room(self, item: Item) -> bool:
        """Whether the image is to be kept."""
        if len(self._shelves[item.label]) >= self.capacity / self.classes:
            return self._replace([item.label], item)
        if len(self) < self.capacity:
            return True
        most = max(self.sizes())
        return self._replace([k for k, size in enumerate(self.sizes()) if size == most], item)

    def _replace(self, labels: list[int], item: Item) -> bool:
        """Drop the worst image of some classes if it is worse than the new one."""
        worst: Item | None = None
        for one in (one for label in labels for one in self._shelves[label]):
            if worst is None or self._score(one) >= self._score(worst):  # of equals the last
                worst = one
        if worst is None:
            return True
        if self._score(worst) <= self._score(item):
            return False
        shelf = self._shelves[worst.label]
        del shelf[next(place for place, one in enumerate(shelf) if one is worst)]
        return True

    def _score(self, item: Item) -> float:
        age = self._timeliness / (1 + exp(-item.age / self.capacity))
        return age + self._uncertainty * item.uncertainty / log(self.classes)

    def contents(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (kept, 3, height, width) and ages in units of the capacity, (kept,)."""
        import torch

        images = torch.stack([one.image for one in self])
        ages = [one.age / self.capacity for one in self]
        return images, torch.tensor(ages, dtype=images.dtype, device=images.device)

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "images": [one.image for one in self],
            "labels": [one.label for one in self],
            "uncertainties": [one.uncertainty for one in self],
            "ages": [one.age for one in self],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was taken from."""
        self._shelves = [[] for _ in range(self.classes)]
        columns = (state[name] for name in ("images", "labels", "uncertainties", "ages"))
        for image, label, uncertainty, age in zip(*columns, strict=True):
            self._shelves[label].append(Item(image, label, uncertainty, age))
