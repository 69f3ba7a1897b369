"""`graph-reachability`: is there a path from one node of a directed graph to another?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field, model_validator

from harness.protocols.solve import Domain, Pair, SolveSettings
from harness.registry import About
from harness_tasks.by_depth.base import ByDepth, DepthSettings

NONE, EDGE, START, GOAL = range(4)
_OUTSIDE = 2
"""Least number of nodes that the start does not reach."""


class ReachabilitySettings(DepthSettings):
    """Options of the task."""

    answers: ClassVar[int | None] = 2
    nodes: int = Field(default=10, ge=4, le=30)
    """Nodes of a graph; its adjacency matrix is the grid."""

    @model_validator(mode="after")
    def _fits(self) -> ReachabilitySettings:
        if self.depth + 1 + _OUTSIDE > self.nodes:
            raise ValueError(
                f"depth {self.depth} needs {self.depth + 1 + _OUTSIDE} nodes; take nodes="
                f"{self.depth + 1 + _OUTSIDE} or a smaller depth"
            )
        return self


class GraphReachability(ByDepth):
    """``graph-reachability``: an adjacency matrix in, a single cell out, 1 for yes.

    Cell (i, j) is 1 where an edge leads from i to j; the start and the goal stand on the diagonal.
    Depth d: the start reaches nodes up to d edges away, and the goal is either one that is exactly
    d away or one that is not reached. Each graph has two such nodes with as many edges in, and as
    many out, and a fair coin says which is the goal: degrees and the number of edges tell nothing.
    """

    about: ClassVar[About] = About(
        "Is there a path between two nodes of a directed graph, by its length.",
        "generated here; the kind of problem of Sanford et al. 2024, arXiv 2405.18512",
    )
    Options: ClassVar[type[SolveSettings]] = ReachabilitySettings
    domain: ClassVar[Domain] = Domain(
        30, 30, (".", "1", "S", "T"), dihedral=False, recolour=False, translate=False
    )
    name: ClassVar[str] = "reachability"

    @property
    def version(self) -> str:
        """Of the generator."""
        return "graph-reachability-2"

    def draw(self, depth: int, rng: random.Random) -> Pair:
        """A graph, and one of two nodes of equal degrees as the goal."""
        while True:
            graph = self._graph(depth, rng)
            pairs = graph.twins(depth)
            if pairs:
                break
        # The choice comes last, so that nothing of the graph but the way itself tells of it.
        yes = rng.random() < 1 / 2
        reached, unreached = rng.choice(pairs)
        goal = reached if yes else unreached
        count = self.options.nodes
        cells = [[NONE] * count for _ in range(count)]
        for tail, head in graph.edges:
            cells[tail][head] = EDGE
        cells[graph.start][graph.start], cells[goal][goal] = START, GOAL
        return Pair(tuple(map(tuple, cells)), ((EDGE if yes else NONE,),))

    def _graph(self, depth: int, rng: random.Random) -> _Graph:
        """A graph whose start reaches layers 0 to `depth`, and nodes that it does not reach."""
        count = self.options.nodes
        nodes = rng.sample(range(count), count)
        reached = rng.randint(depth + 1, count - _OUTSIDE)
        inside, outside = nodes[:reached], nodes[reached:]
        # Every layer has a node; the others fall where they may, but not beside the start.
        layers = [*range(depth + 1), *(rng.randint(1, depth) for _ in range(reached - depth - 1))]
        layer = dict(zip(inside, layers, strict=True))
        edges = set[tuple[int, int]]()
        for node in inside[1:]:
            above = [one for one in inside if layer[one] == layer[node] - 1]
            edges.add((rng.choice(above), node))
        for node in outside:
            edges.add((rng.choice([one for one in outside if one != node]), node))
        for _ in range(rng.randint(0, count)):
            tail, head = rng.sample(nodes, 2)
            leads_out = tail in layer and head not in layer
            shortens = tail in layer and head in layer and layer[head] > layer[tail] + 1
            if not leads_out and not shortens:
                edges.add((tail, head))
        return _Graph(inside[0], layer, tuple(outside), frozenset(edges))


@dataclass(frozen=True)
class _Graph:
    """A graph with what its start reaches.

    Attributes:
        start: a node.
        layer: distance of each node that it reaches.
        outside: the nodes that it does not reach.
        edges: from, to.
    """

    start: int
    layer: Mapping[int, int]
    outside: Sequence[int]
    edges: frozenset[tuple[int, int]]

    def twins(self, depth: int) -> list[tuple[int, int]]:
        """A node of that distance and one that is not reached, of equal in- and out-degrees."""
        leaving = Counter(tail for tail, _ in self.edges)
        entering = Counter(head for _, head in self.edges)
        return [
            (one, other)
            for one, away in self.layer.items()
            if away == depth
            for other in self.outside
            if leaving[one] == leaving[other] and entering[one] == entering[other]
        ]
