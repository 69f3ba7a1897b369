"""What adapting costs: overhead of methods against the source model, and memory over images.

    python -m benchmarks.adaptation [--data FOLDER] [--images 250]

Photographs come from a folder of labelled images, or are made up (then only the costs mean
anything). An overhead is the mean time of an image over all batches, over the source model's on the
second batch and on one in eight of the later ones, drawn, in the same process. Memory is the peak
of a process that runs `source` on so many images, and on ten times as many.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")
METHODS = ("source", "panda", "bn-adapt", "tent", "tent+panda", "eta", "sar", "lame", "t3a")
_LARGE = 10


def main() -> int:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of labelled photographs")
    parser.add_argument("--images", type=int, default=250)
    parser.add_argument("--batch", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.data or _made_up(Path(scratch) / "images", args.images)
        print(f"torch {_version('torch')}, Python {platform.python_version()}, ", end="")
        print(f"{os.cpu_count()} cores, batches of {args.batch}")
        rows = _run(Path(scratch) / "speed", folder, METHODS, args.images, args.batch, "contrast")
        print(f"\n{'method':12} {'x source':>9} {'images/s':>9} {'forwards':>9} {'backwards':>9}")
        for row in rows:
            found = dict(row["metrics"])
            cells = (found.get(name, float("nan")) for name in _COLUMNS)
            print(f"{row['method']:12} " + " ".join(f"{cell:9.2f}" for cell in cells))
        print("\nimages of source  peak MB")
        for times in (1, _LARGE):
            # Ten corruptions of the same photographs are ten times as many images.
            names = ",".join(_CORRUPTIONS[:times])
            place = Path(scratch) / f"memory-{times}"
            (row,) = _run(place, folder, ("source",), args.images, args.batch, names)
            peak = dict(row["metrics"])["peak_memory_bytes"] / 1e6
            print(f"{row['n_done']:>16,}  {peak:,.0f}")
    return 0


_COLUMNS = ("overhead", "images_per_second", "forwards_per_image", "backwards_per_image")
_CORRUPTIONS = (
    *("contrast", "brightness", "fog", "pixelate", "jpeg_compression"),
    *("gaussian_noise", "impulse_noise", "defocus_blur", "motion_blur", "saturate"),
)


def _run(
    results: Path, data: Path, methods: tuple[str, ...], images: int, batch: int, corruptions: str
) -> list[dict]:
    words = ["run", "--task", "imagenet-c", "--limit", str(images), "--results", str(results)]
    options = {
        "data": data,
        "corrupt": "on-the-fly",
        "corruptions": corruptions,
        "batch_size": batch,
        "clean": "false",
    }
    for name, value in options.items():
        words += ["-T", f"{name}={value}"]
    for method in methods:
        words += ["--method", method]
    # One thread for the network leaves the other core to what makes the images.
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*HARNESS, *words], check=True, env=surroundings, stdout=subprocess.DEVNULL)
    from harness.results.store import ResultsStore

    store = ResultsStore(results)
    found = [store.row(one.run_id) for one in store.runs()]
    order = {name: place for place, name in enumerate(methods)}
    return sorted(found, key=lambda row: order[row["method"]])


def _made_up(folder: Path, count: int) -> Path:
    """Photograph-like pictures: smooth noise, in folders named by class numbers."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(count):
        small = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((256, 256), Image.Resampling.BICUBIC)
        place = folder / str(number % 1000)
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number}.jpg", quality=90)
    return folder


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


if __name__ == "__main__":
    sys.exit(main())
