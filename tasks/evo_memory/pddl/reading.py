"""Reads a PDDL domain and problem with unified-planning into a `Problem`.

AgentBoard's files are not all strict PDDL, so their text is mended first: predicates lose the
types of their arguments (tyreworld declares ``in`` with a container first and uses it with one
last), constants are declared before predicates, and a problem does not declare them again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness.errors import MissingData, MissingExtra
from harness_tasks.evo_memory.pddl.problem import Literal, Operator, Problem

_TYPE = re.compile(r"\s-\s+[\w-]+")


@lru_cache(maxsize=128)
def read_problem(domain: str, problem: str) -> Problem:
    """Make a ground problem from the text of two files; equal texts are read once.

    Raises:
        MissingData: the files are not planning files, or go beyond simple ones.
        MissingExtra: unified-planning is not installed.
    """
    try:
        from pyparsing import ParseBaseException
        from unified_planning.environment import Environment
        from unified_planning.exceptions import UPException
        from unified_planning.io import PDDLReader
    except ImportError as error:
        raise MissingExtra("the pddl subset", "unified_planning", "environments") from error
    try:
        texts = mended(domain.lower(), problem.lower())
        # An environment of its own, because the library's common one is not made for threads.
        return _convert(PDDLReader(environment=Environment()).parse_problem_string(*texts))
    except (UPException, ParseBaseException, SyntaxError, ValueError, AssertionError) as error:
        raise MissingData(
            f"a planning file cannot be read ({type(error).__name__}: {error}); fetch it again."
        ) from error


def mended(domain: str, problem: str) -> tuple[str, str]:
    """The two texts as a strict reader takes them."""
    predicates = _section(domain, "predicates")
    domain = domain.replace(predicates, _TYPE.sub("", predicates))
    constants = _section(domain, "constants")
    if constants:
        domain = domain.replace(constants, "")
        domain = domain.replace("(:predicates", f"{constants}\n(:predicates")
        objects = _section(problem, "objects")
        problem = problem.replace(objects, _without(objects, set(constants.split())))
    return domain, problem


def _section(text: str, name: str) -> str:
    """A section with its brackets; empty where there is none."""
    start = text.find(f"(:{name}")
    depth = 0
    for position in range(max(start, 0), len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if start >= 0 and depth == 0:
            return text[start : position + 1]
    return ""


def _without(objects: str, constants: set[str]) -> str:
    """A section of typed objects without those that are constants."""
    kept, group = list[str](), list[str]()
    words = objects.removeprefix("(:objects").removesuffix(")").split()
    words = [one for one in words if one not in constants or one == "-"]
    for position, word in enumerate(words):
        if position and words[position - 1] == "-":
            kept += [*group, "-", word] if group else []
            group = []
        elif word != "-":
            group.append(word)
    return f"(:objects {' '.join([*kept, *group])})"


def _convert(read: Any) -> Problem:
    objects = [str(one.name) for one in read.all_objects]
    initial = frozenset(
        _literal(fluent, {})
        for fluent, value in read.explicit_initial_values.items()
        if value.is_true()
    )
    goal = tuple(_literal(one, {}) for one in _conjuncts(read.goals))
    operators = tuple(_operator(one, read) for one in read.actions)
    return Problem(frozenset(objects), initial, goal, operators)


def _operator(action: Any, read: Any) -> Operator:
    names = {one.name: f"?{one.name}" for one in action.parameters}
    if any(not e.value.is_bool_constant() or e.is_conditional() for e in action.effects):
        raise ValueError(f"action {action.name} has effects that depend on the state")
    return Operator(
        name=action.name,
        parameters={
            names[one.name]: [str(o.name) for o in read.objects(one.type)]
            for one in action.parameters
        },
        preconditions=tuple(_literal(one, names) for one in _conjuncts(action.preconditions)),
        added=tuple(_literal(e.fluent, names) for e in action.effects if e.value.is_true()),
        deleted=tuple(_literal(e.fluent, names) for e in action.effects if e.value.is_false()),
    )


def _conjuncts(conditions: Sequence[Any]) -> list[Any]:
    flat = list[Any]()
    for one in conditions:
        flat += _conjuncts(one.args) if one.is_and() else [one]
    return flat


def _literal(expression: Any, names: dict[str, str]) -> Literal:
    if not expression.is_fluent_exp():
        raise ValueError(f"{expression} is no positive literal")
    arguments = list[str]()
    for one in expression.args:
        if one.is_parameter_exp():
            arguments.append(names[one.parameter().name])
        else:
            arguments.append(one.object().name)
    return (expression.fluent().name, *arguments)
