"""Generated problems: their answers by other means, their depths, and a clean split."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest

from harness.errors import UsageError
from harness.options import build
from harness_tasks.by_depth.base import ByDepth
from harness_tasks.by_depth.boolean_logic import FALSE, TRUE, BooleanLogic, expression
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


def parsed(words, at=0):
    """Python's text of a prefix expression, its depth, where its literals stand, and its end."""
    word = BooleanLogic.domain.symbols[words[at]]
    if word in ("true", "false"):
        return word.capitalize(), 0, {at: 0}, at + 1
    operands, end = [], at + 1
    for _ in range(1 if word == "not" else 2):
        operands.append(parsed(words, end))
        end = operands[-1][3]
    sign = {"not": "not", "and": "and", "or": "or", "xor": "!="}[word]
    text = f" {sign} ".join(["", *(one[0] for one in operands)][-2:])
    literals = {place: deep + 1 for one in operands for place, deep in one[2].items()}
    return f"({text})", 1 + max(one[1] for one in operands), literals, end


def valued(words):
    return eval(parsed(words)[0])


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_expressions_have_the_value_that_python_finds(depth):
    symbols = BooleanLogic.domain.symbols
    for pair in draws(BooleanLogic, depth):
        words = pair.input[0]
        assert symbols[pair.output[0][0]] == str(valued(words)).lower()
        assert parsed(words)[1:4:2] == (depth, len(words))


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 20])
def test_the_value_turns_with_the_deepest_literal(depth):
    rng = random.Random(depth)
    for _ in range(200):
        drawn = expression(depth, rng)
        depths = parsed(drawn.words)[2]
        assert depths.pop(drawn.literal) == depth
        # Only at its side, beside a literal, may stand one as deep.
        assert sum(deep == depth for deep in depths.values()) <= 1
        turned = list(drawn.words)
        turned[drawn.literal] = TRUE if turned[drawn.literal] == FALSE else FALSE
        assert valued(drawn.words) == drawn.value != valued(turned)
        assert len(drawn.words) <= BooleanLogic.domain.columns


def counted(pairs):
    """Word counts of expressions, (pairs, 6), and their values."""
    counts = [[pair.input[0].count(word) for word in range(6)] for pair in pairs]
    return np.array(counts), np.array([pair.output[0][0] for pair in pairs]) == TRUE


def linear_accuracy(features, answers):
    """Of a least-squares fit on one half, on the other."""
    features = np.column_stack([features, np.ones(len(features))])
    half = len(features) // 2
    weights = np.linalg.lstsq(features[:half], 2.0 * answers[:half] - 1, rcond=None)[0]
    return ((features[half:] @ weights > 0) == answers[half:]).mean()


@pytest.mark.parametrize("depth", [3, 5, 7])
def test_counts_of_words_do_not_tell_the_value(depth):
    counts, values = counted(draws(BooleanLogic, depth, 4000))
    assert linear_accuracy(counts, values) < 0.6
    assert linear_accuracy(np.column_stack([counts, counts % 2, counts**2]), values) < 0.6
    for chosen in product((0, 1), repeat=6):
        hits = ((counts[:2000] @ chosen) % 2 == values[:2000]).mean()
        assert max(hits, 1 - hits) < 0.6


@pytest.mark.parametrize("depth", [1, 4])
def test_every_level_of_an_expression_counts(depth):
    """So the two values are equally frequent at each depth."""
    values = Counter(pair.output for pair in draws(BooleanLogic, depth, 1000))
    assert all(400 < count < 600 for count in values.values())


@pytest.mark.parametrize("depth", [1, 4, 7])
def test_degrees_do_not_tell_whether_there_is_a_path(depth):
    def degrees(grid):
        edges = np.array(grid) == EDGE
        features = [edges.sum()]
        for mark in (GOAL, START):
            (node,) = (n for n in range(len(grid)) if grid[n][n] == mark)
            features += [edges[:, node].sum(), edges[node].sum()]
        return [*features, features[2] == 0]

    pairs = draws(GraphReachability, depth, 4000)
    answers = np.array([pair.output[0][0] for pair in pairs]) == EDGE
    assert linear_accuracy(np.array([degrees(pair.input) for pair in pairs]), answers) < 0.6


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
    assert len(problem.sources) == 100
    (other,) = made(kind, train=400, test=20, depth=5, train_depth=2).problems(4)
    assert other != problem


@pytest.mark.parametrize("kind", KINDS)
def test_test_inputs_repeat_only_where_no_other_is_left(kind):
    (problem,) = made(kind, train=10).problems(0)
    (more,) = made(kind, train=10, test=60).problems(0)
    for depth in range(7):
        tests = problem.puzzle.tests[50 * depth : 50 * (depth + 1)]
        few = len(set(tests))
        assert few == 50 or few == len(set(more.puzzle.tests[60 * depth : 60 * (depth + 1)]))
        assert few == 50 or (kind is BooleanLogic and depth < 2)
        assert len(set(tests[:few])) == few  # the repeats come last
    tests = problem.puzzle.tests
    assert len(set(zip(tests, problem.sources, strict=True))) == len(set(tests))
    assert len(set(problem.sources)) == len(set(tests))


@pytest.mark.parametrize(("kind", "most"), [(k, 1) for k in KINDS[:2]] + [(RelationalText, 8)])
def test_as_many_attempts_as_answers_are_refused(kind, most):
    assert made(kind, attempts=most).options.attempts == most
    with pytest.raises(UsageError, match=f"only {most + 1} answers are possible"):
        made(kind, attempts=most + 1)


def test_answers_are_balanced_where_there_are_two():
    for kind in (GraphReachability, BooleanLogic):
        (problem,) = made(kind, test=400).problems(0)
        counts = Counter(problem.answers)
        assert min(counts.values()) / max(counts.values()) > 0.8


def test_a_graph_that_is_too_small_is_refused():
    with pytest.raises(UsageError, match="depth 9 needs 12 nodes"):
        made(GraphReachability, depth=9)
