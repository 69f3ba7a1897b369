"""Generated problems: their answers by other means, their depths, and a clean split."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import networkx as nx
import pytest

from harness.errors import UsageError
from harness.options import build
from harness_tasks.by_depth.base import ByDepth
from harness_tasks.by_depth.boolean_logic import BooleanLogic
from harness_tasks.by_depth.reachability import EDGE, GOAL, START, GraphReachability
from harness_tasks.by_depth.relational_text import (
    DIRECTIONS,
    SAME_PLACE,
    SYMBOLS,
    RelationalText,
    direction,
    opposite,
)

KINDS = (GraphReachability, BooleanLogic, RelationalText)


def made(kind, **given) -> ByDepth:
    return kind(build(kind.Options, given, "test"))


def draws(kind, depth, count=200):
    rng = random.Random(depth)
    task = made(kind)
    return [task.draw(depth, rng) for _ in range(count)]


@pytest.mark.parametrize("depth", [1, 2, 4, 7])
def test_paths_have_the_length_that_is_said(depth):
    for pair in draws(GraphReachability, depth):
        grid = pair.input
        nodes = range(len(grid))
        graph = nx.DiGraph([(i, j) for i in nodes for j in nodes if i != j and grid[i][j] == EDGE])
        graph.add_nodes_from(nodes)
        (start,) = (node for node in nodes if grid[node][node] == START)
        (goal,) = (node for node in nodes if grid[node][node] == GOAL)
        reached = nx.single_source_shortest_path_length(graph, start)
        assert max(reached.values()) == depth
        assert len(reached) < len(grid)
        assert (pair.output[0][0] == EDGE) == (goal in reached)
        if goal in reached:
            assert reached[goal] == depth


@pytest.mark.parametrize("depth", [1, 3, 7])
def test_expressions_have_the_value_that_python_finds(depth):
    def parsed(words):
        word = next(words)
        if word in ("true", "false"):
            return word.capitalize(), 0
        if word == "not":
            inner, deep = parsed(words)
            return f"(not {inner})", deep + 1
        (one, left), (other, right) = parsed(words), parsed(words)
        sign = {"and": "and", "or": "or", "xor": "!="}[word]
        return f"({one} {sign} {other})", 1 + max(left, right)

    symbols = BooleanLogic.domain.symbols
    for pair in draws(BooleanLogic, depth):
        text, deep = parsed(iter([symbols[cell] for cell in pair.input[0]]))
        assert symbols[pair.output[0][0]] == str(eval(text)).lower()
        assert deep in (depth, depth + 1)  # a literal may be negated


@pytest.mark.parametrize("depth", [1, 4])
def test_every_level_of_an_expression_counts(depth):
    """So the two values are equally frequent at each depth."""
    values = Counter(pair.output for pair in draws(BooleanLogic, depth, 1000))
    assert all(400 < count < 600 for count in values.values())


@pytest.mark.parametrize("depth", [1, 3, 7])
def test_directions_are_the_signs_of_the_way(depth):
    for pair in draws(RelationalText, depth):
        words = [SYMBOLS[cell] for cell in pair.input[0]]
        asked = words[words.index("?") + 1 :]
        links = nx.DiGraph()
        for at in range(0, len(words) - 3, 4):
            one, word, other, stop = words[at : at + 4]
            assert stop == "."
            east, north = DIRECTIONS[word]
            links.add_edge(other, one, way=(east, north))
            links.add_edge(one, other, way=(-east, -north))
        path = nx.shortest_path(links, asked[1], asked[0])
        assert len(path) == depth + 1
        ways = [links.edges[a, b]["way"] for a, b in pairwise(path)]
        way = [sum(part) for part in zip(*ways, strict=True)]
        signs = tuple((part > 0) - (part < 0) for part in way)
        expected = next((w for w, step in DIRECTIONS.items() if step == signs), SAME_PLACE)
        assert SYMBOLS[pair.output[0][0]] == expected


def test_directions_and_back():
    assert direction(3, -1) == "south-east"
    assert direction(0, 0) == SAME_PLACE
    assert {word: opposite(word) for word in ("north", "south-west")} == {
        "north": "south",
        "south-west": "north-east",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_is_not_shown_and_depths_are_groups(kind):
    (problem,) = made(kind, train=400, test=20, depth=5, train_depth=2).problems(3)
    shown = {pair.input for pair in problem.puzzle.train}
    assert not shown & set(problem.puzzle.tests)
    assert len(problem.puzzle.train) == 400
    assert Counter(problem.groups) == {f"depth-{n:02d}": 20 for n in range(1, 6)}
    assert len(set(problem.sources)) == 100
    (other,) = made(kind, train=400, test=20, depth=5, train_depth=2).problems(4)
    assert other != problem


def test_answers_are_balanced_where_there_are_two():
    for kind in (GraphReachability, BooleanLogic):
        (problem,) = made(kind, test=400).problems(0)
        counts = Counter(problem.answers)
        assert min(counts.values()) / max(counts.values()) > 0.8


def test_a_graph_that_is_too_small_is_refused():
    with pytest.raises(UsageError, match="depth 9 needs 12 nodes"):
        made(GraphReachability, depth=9)
