from __future__ import annotations

import numpy as np
import pytest


class Legacy:
    """The draws of `numpy.random.seed`, under the names of a Generator's methods."""

    def __init__(self, seed):
        self.state = np.random.RandomState(seed)

    def normal(self, loc, scale, size):
        return self.state.normal(loc, scale, size)

    def uniform(self, low, high, size=None):
        return self.state.uniform(low, high, size)

    def poisson(self, lam):
        return self.state.poisson(lam)

    def integers(self, low, high=None, size=None):
        return self.state.randint(low, high, size)

    def random(self, size):
        return self.state.random_sample(size)


@pytest.fixture
def legacy():
    return Legacy


@pytest.fixture(scope="session")
def photograph():
    """Makes an image with gradients, edges, grain, and parts that are black, white and grey."""

    def make(height=224, width=224, seed=0):
        rng = np.random.Generator(np.random.PCG64(seed))
        down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        planes = [down * 200, across * 220, (1 - down) * across * 160 + 40]
        image = np.stack(planes, axis=-1) + rng.integers(-12, 13, (height, width, 3))
        image[(down - 0.4) ** 2 + (across - 0.6) ** 2 < 0.06] += [60, -50, 30]
        image[: height // 5, : width // 3] = 255
        image[-(height // 6) :, -(width // 4) :] = 0
        image[-(height // 8) :, : width // 8] = 131
        return np.clip(image, 0, 255).astype(np.uint8)

    return make
