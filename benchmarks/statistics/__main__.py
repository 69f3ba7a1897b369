"""What the statistics promise, simulated: ``python -m benchmarks.statistics``.

Some minutes; ``--share .1`` makes a tenth of the repeats. Seeds are fixed. Exit code 1 if a figure
is not as promised. Attempts of a real command are compared by ``python -m
benchmarks.statistics.attempts``.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.statistics.simulations import ALL


def main() -> None:
    """Simulate and print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics")
    parser.add_argument("--share", type=float, default=1.0, help="of the repeats (%(default)s)")
    chosen = parser.parse_args()
    broken = 0
    for simulate, repeats in ALL:
        began = time.perf_counter()
        for row in simulate(max(20, round(repeats * chosen.share))):
            asked = "shown only" if row.shown_only else f"{row.low:g} to {row.high:g}"
            mark = "" if row.held else "  NOT HELD"
            print(f"{row.what:<66} {row.measured:>8.4g}   {asked}{mark}", flush=True)
            broken += not row.held
        print(f"  {simulate.__name__}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
