"""Random numbers of one corrupted image, independent of process, worker count and order.

A corruption calls only ``normal``, ``uniform``, ``poisson``, ``integers`` and ``random`` of its
generator, in the order and the shapes in which the original calls ``numpy.random``. numpy promises
PCG64's bits for ever, and what its distributions make of them for a version of numpy.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def draws(seed: int, image_id: str, name: str, severity: int) -> np.random.Generator:
    """The generator of one image, corruption and severity.

    A PCG64 seeded with the first 128 bits of a SHA-256; Python's `hash` would differ between
    processes.

    Args:
        seed: seed of the whole set.
        image_id: what names the image in its data set.
        name: name of the corruption.
        severity: 1 to 5.
    """
    text = json.dumps([seed, image_id, name, severity])
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
