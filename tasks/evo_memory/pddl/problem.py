"""A ground planning problem: literals, actions with all their parameters filled, what changes.

Only what the four domains need: conjunctions of positive preconditions, and effects without
conditions. A state is the set of literals that hold. Actions are grounded once for a problem;
facts that no action changes are used up while grounding, so a step only compares small sets
(unified-planning's own simulator takes 0.7 s to list the applicable actions of a small bar).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

Literal = tuple[str, ...]
"""The name of a predicate and its arguments: ``("at", "ball1", "rooma")``."""

State = frozenset[Literal]


@dataclass(frozen=True)
class Operator:
    """An action of a domain; literals name parameters by ``?name`` and constants by their name.

    Attributes:
        name: as the domain file names it, in lower case.
        parameters: parameter -> the objects of its type.
    """

    name: str
    parameters: Mapping[str, Sequence[str]]
    preconditions: tuple[Literal, ...]
    added: tuple[Literal, ...]
    deleted: tuple[Literal, ...]


@dataclass(frozen=True)
class Action:
    """An operator whose parameters are filled."""

    name: str
    arguments: tuple[str, ...]
    preconditions: State
    added: State
    deleted: State

    def apply(self, state: State) -> State:
        """The state after it: what it deletes goes first, then what it adds comes."""
        return (state - self.deleted) | self.added


@dataclass(frozen=True)
class Problem:
    """What a domain file and a problem file say together."""

    objects: frozenset[str]
    initial: State
    goal: tuple[Literal, ...]
    operators: tuple[Operator, ...]

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """All actions whose unchanging preconditions hold, without their repeated objects."""
        return tuple(action for one in self.operators for action in _ground(one, self))

    @cached_property
    def by_words(self) -> Mapping[Literal, Action]:
        """Actions by name and arguments."""
        return {(action.name, *action.arguments): action for action in self.actions}

    def applicable(self, state: State) -> list[Action]:
        """The actions whose preconditions hold."""
        return [action for action in self.actions if action.preconditions <= state]

    def satisfied(self, state: State) -> float:
        """Share of the goal's literals that hold."""
        return sum(literal in state for literal in self.goal) / len(self.goal)

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Predicates that no action changes."""
        changed = {one[0] for each in self.operators for one in (*each.added, *each.deleted)}
        used = {one[0] for each in self.operators for one in each.preconditions}
        return frozenset((used | {one[0] for one in self.initial}) - changed)


def _ground(operator: Operator, problem: Problem) -> Iterator[Action]:
    """Fill the parameters one by one; a fixed precondition is tested once it is filled."""
    names = list(operator.parameters)
    tests: list[list[Literal]] = [[] for _ in range(len(names) + 1)]
    for literal in operator.preconditions:
        if literal[0] in problem.fixed:
            last = max((names.index(one) + 1 for one in literal if one in names), default=0)
            tests[last].append(literal)
    if all(literal in problem.initial for literal in tests[0]):
        yield from _fill(operator, problem, names, tests, {})


def _fill(
    operator: Operator,
    problem: Problem,
    names: Sequence[str],
    tests: Sequence[Sequence[Literal]],
    filled: dict[str, str],
) -> Iterator[Action]:
    if len(filled) == len(names):
        yield _filled_action(operator, problem, filled)
        return
    name = names[len(filled)]
    for value in operator.parameters[name]:
        # Two parameters are never the same object: AgentBoard's planner leaves those out.
        if value in filled.values():
            continue
        more = {**filled, name: value}
        if all(_fill_literal(one, more) in problem.initial for one in tests[len(more)]):
            yield from _fill(operator, problem, names, tests, more)


def _filled_action(operator: Operator, problem: Problem, filled: Mapping[str, str]) -> Action:
    def ground(literals: Sequence[Literal]) -> State:
        return frozenset(_fill_literal(one, filled) for one in literals)

    return Action(
        name=operator.name,
        arguments=tuple(filled.values()),
        preconditions=ground([o for o in operator.preconditions if o[0] not in problem.fixed]),
        added=ground(operator.added),
        deleted=ground(operator.deleted),
    )


def _fill_literal(literal: Literal, filled: Mapping[str, str]) -> Literal:
    return tuple(filled.get(one, one) for one in literal)
