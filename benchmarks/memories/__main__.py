"""12 memory methods x 8 orders x 40 items against the echo server, and retrieval at size.

    python -m benchmarks.memories

Processor time is that of the whole command from its first request on, per item; embedding is apart
(bm25 compares words), and so are environments and third-party stores (none here). Calls that
methods make beyond their answer are theirs and are counted in: the table names them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.echo import MODEL, ROOT, EchoServer
from benchmarks.processes import run_measured
from benchmarks.tools import CLI

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METHODS = (
    *("baseline", "history", "react", "exprecent", "exprag", "remem", "selfrag", "amem", "mem0"),
    *("dc-cu", "dc-rs", "awm"),
)
ORDERS, ITEMS = 8, 40
ENTRIES, DIMENSIONS, QUERIES = 10_000, 384, 100


def items_cost(methods: Sequence[str]) -> tuple[float, float, int]:
    """Processor seconds from the first request on, wall seconds, and requests."""
    with EchoServer() as server, tempfile.TemporaryDirectory() as folder:
        server.reset(0.0)
        command = [
            *(sys.executable, "-c", CLI, "run", "--task", "evo-memory"),
            *("-T", "streams=1", "-T", f"items={ITEMS}", "-T", "store=all"),
            *("--orders", str(ORDERS), "--embedder", "bm25", "--model", f"openai:{MODEL}"),
            *("--base-url", server.url, "--results", f"{folder}/results"),
            *(word for method in methods for word in ("--method", method)),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        cost = run_measured(
            command,
            env=environment,
            cwd=ROOT,
            patience_s=900,
            started=server.watch,
            log=Path(folder) / "log",
        )
        stats = server.stats()
        return cost.cpu_s - stats["first_cpu_s"], cost.wall_s, stats["requests"]


class RandomVectors:
    """Unit vectors for texts, drawn once."""

    def __init__(self) -> None:
        import numpy as np

        self._rng = np.random.default_rng(0)
        self._known: dict[str, NDArray[np.float32]] = {}

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Draw what is not known."""
        import numpy as np

        for text in texts:
            if text not in self._known:
                vector = self._rng.standard_normal(DIMENSIONS).astype(np.float32)
                self._known[text] = vector / np.linalg.norm(vector)
        return np.stack([self._known[text] for text in texts])


async def retrieval_cost() -> list[float]:
    """Seconds of a search each, with one entry written between two."""
    from harness.models.search import SimilaritySearch, VectorRanker
    from harness.protocols.stream import Entry

    search = SimilaritySearch(VectorRanker(RandomVectors()))
    entries = {f"e{n}": Entry(f"e{n}", "text", f"key {n}", "", n) for n in range(ENTRIES)}
    await search.nearest(entries, "key 0", 4)
    taken = list[float]()
    for n in range(QUERIES):
        new = f"e{ENTRIES + n}"
        entries[new] = Entry(new, "text", f"key {ENTRIES + n}", "", ENTRIES + n)
        began = time.perf_counter()
        await search.nearest(entries, f"key {n}", 4)
        taken.append(time.perf_counter() - began)
    return taken


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of the streams")
    parser.add_argument("--each", action="store_true", help="every method alone as well")
    given = parser.parse_args()
    versions = ", ".join(f"{one} {version(one)}" for one in ("aiohttp", "numpy", "pyarrow"))
    print(f"python {platform.python_version()}, {versions}")
    count = len(METHODS) * ORDERS * ITEMS
    found = [items_cost(METHODS) for _ in range(given.repeats)]
    own = [1e3 * cpu / count for cpu, _, _ in found]
    print(
        f"{len(METHODS)} methods x {ORDERS} orders x {ITEMS} items, {found[0][2]} requests: "
        f"{statistics.median(own):.2f} ms of processor time an item "
        f"({min(own):.2f} to {max(own):.2f}), {found[0][2] / count:.1f} requests an item, "
        f"{1e3 * statistics.median(own) / 1e3 * count / found[0][2]:.2f} ms a request; wall "
        f"{statistics.median(wall for _, wall, _ in found):.1f} s"
    )
    if given.each:
        for method in METHODS:
            cpu, _, requests = items_cost((method,))
            one = ORDERS * ITEMS
            print(f"  {method:12} {1e3 * cpu / one:6.2f} ms an item, {requests / one:.1f} requests")
    taken = sorted(1e3 * one for one in asyncio.run(retrieval_cost()))
    print(
        f"retrieval over {ENTRIES:,} entries of {DIMENSIONS} dimensions, growing: "
        f"{statistics.median(taken):.2f} ms (90 % below {taken[int(0.9 * len(taken))]:.2f})"
    )


if __name__ == "__main__":
    main()
