"""Milliseconds for each corruption of an image, beside imagecorruptions-imaug.

    python -m benchmarks.corruptions

One process, one thread, one generated image of 224x224 pixels, the constants of ImageNet-C. Both
take turns on every severity; a figure is the median over the rounds, averaged over the five
severities. The elastic transform and frost of the other are different algorithms, and motion blur,
snow, fog and mud differ from it by a level here and there, as the tests say in detail.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean, median
from typing import Any

# Read when numpy and OpenCV are first imported, which is later.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

PACKAGES = ("numpy", "scipy", "opencv-python-headless", "pillow")
PEER = "imagecorruptions-imaug"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.corruptions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each, at every severity")
    parser.add_argument("--side", type=int, default=224, help="pixels on a side")
    parser.add_argument("names", nargs="*", help="corruptions; all where none is named")
    options = parser.parse_args(arguments)

    import cv2

    from harness_tasks.imagenet_c.corruptions.names import NAMES, VERSION

    cv2.setNumThreads(1)
    peer = imported_peer()
    versions = ", ".join(f"{name} {installed(name)}" for name in (*PACKAGES, PEER))
    print(f"corruptions {VERSION}; Python {platform.python_version()}, {versions}")
    if peer is None:
        print(f"{PEER} is not installed; only this implementation is timed.", file=sys.stderr)
    image = photograph(options.side)
    print(f"{'':20} {'here, ms':>9} {'peer, ms':>9} {'here / peer':>12}")
    for name in options.names or NAMES:
        here, there = cost(image, name, peer, options.rounds)
        theirs = f"{there:9.2f} {here / there:12.2f}" if there else ""
        print(f"{name:20} {here:9.2f} {theirs}".rstrip(), flush=True)


def imported_peer() -> Any:
    """The other implementation, or None."""
    try:
        import imagecorruptions
    except ImportError:
        return None
    return imagecorruptions


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"


def cost(image: Any, name: str, peer: Any, rounds: int) -> tuple[float, float | None]:
    """Milliseconds here and there, medians of the rounds averaged over the severities."""
    from harness_tasks.imagenet_c.corruptions.corrupt import corrupt
    from harness_tasks.imagenet_c.corruptions.draws import draws
    from harness_tasks.imagenet_c.corruptions.names import SEVERITIES

    here: list[float] = []
    there: list[float] = []
    for severity in SEVERITIES:
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(rounds + 1):
            generator = draws(0, str(number), name, severity)
            ours.append(milliseconds(lambda: corrupt(image, name, severity, generator)))  # noqa: B023
            if peer is not None:
                theirs.append(milliseconds(lambda: peer.corrupt(image, severity, name)))  # noqa: B023
        # The first round fills caches, and compiles what the peer compiles.
        here.append(median(ours[1:]))
        there.extend([median(theirs[1:])] if theirs else [])
    return fmean(here), fmean(there) if there else None


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def photograph(side: int) -> Any:
    """Smooth gradients, a few edges, grain, and parts that are white and black."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(0))
    down, across = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    planes = [down * 200, across * 220, (1 - down) * across * 160 + 40]
    image = np.stack(planes, axis=-1) + rng.integers(-12, 13, (side, side, 3))
    for _ in range(12):
        y, x, radius = rng.random(3)
        inside = (down - y) ** 2 + (across - x) ** 2 < radius**2 / 16
        image[inside] += rng.integers(-120, 120, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
