"""Small problems of our own, solved by breadth-first search, that serve as demonstrations.

They are smaller than AgentBoard's: one or two balls in gripper, where its problems have four and
more, and one condition in blockworld, where its problems have two and more.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping

from harness.protocols.stream import Experience, Feedback, Turn
from harness_tasks.evo_memory.pddl.environment import PddlText
from harness_tasks.evo_memory.pddl.problem import Action, Problem, State
from harness_tasks.evo_memory.pddl.reading import read_problem
from harness_tasks.evo_memory.pddl.wording import literal_text


def solved_examples(domains: Mapping[str, str], data_seed: int) -> Iterator[Experience]:
    """Endless demonstrations, gripper and blockworld in turn.

    Args:
        domains: name -> text of the domain file, of gripper and blockworld at least.
        data_seed: chooses the problems.
    """
    drawn = random.Random(f"pddl examples {data_seed}")
    step = 0
    while True:
        for name, text in (("gripper", _balls(drawn)), ("blockworld", _blocks(drawn))):
            problem = read_problem(domains[name], text)
            plan = shortest_plan(problem)
            if plan:
                yield _experience(name, problem, plan, step)
                step += 1


def shortest_plan(problem: Problem) -> list[Action] | None:
    """Breadth-first search; empty where the goal holds already, None where it cannot be reached."""
    goal = frozenset(problem.goal)
    came: dict[State, tuple[State, Action] | None] = {problem.initial: None}
    waiting = deque([problem.initial])
    while waiting:
        state = waiting.popleft()
        if goal <= state:
            return _way(state, came)
        for action in problem.applicable(state):
            after = action.apply(state)
            if after not in came:
                came[after] = (state, action)
                waiting.append(after)
    return None


def _way(state: State, came: Mapping[State, tuple[State, Action] | None]) -> list[Action]:
    way = list[Action]()
    while (last := came[state]) is not None:
        state, action = last
        way.append(action)
    return way[::-1]


def _experience(domain: str, problem: Problem, plan: list[Action], step: int) -> Experience:
    world = PddlText(domain, problem, max_steps=len(plan))
    seen = world.reset()
    turns = list[Turn]()
    for action in plan:
        words = " ".join((action.name, *action.arguments))
        turns.append(Turn(seen, words))
        seen = world.step(words).text
    return Experience(
        sample_id=f"demo-{step}",
        step=step,
        goal=goal_text(problem),
        turns=tuple(turns),
        feedback=Feedback(correct=True),
        goal_label="Goal",
        action_label="Action",
        single_turn=False,
    )


def goal_text(problem: Problem) -> str:
    """The goal in words, as AgentBoard's labels have it."""
    conditions = " ".join(sorted(literal_text(one).strip() for one in problem.goal))
    return f"The goal is to satisfy the following conditions: {conditions}"


def _balls(drawn: random.Random) -> str:
    balls = [f"ball{number + 1}" for number in range(drawn.choice([1, 2]))]
    start, end = drawn.sample(["rooma", "roomb"], 2)
    facts = ["(room rooma) (room roomb) (gripper left) (gripper right) (free left) (free right)"]
    facts += [f"(at-robby {drawn.choice(['rooma', 'roomb'])})"]
    facts += [f"(ball {ball}) (at {ball} {start})" for ball in balls]
    goal = " ".join(f"(at {ball} {end})" for ball in balls)
    return _problem("gripper-strips", f"rooma roomb left right {' '.join(balls)}", facts, goal)


def _blocks(drawn: random.Random) -> str:
    blocks = [f"b{number + 1}" for number in range(drawn.choice([3, 4]))]
    drawn.shuffle(blocks)
    facts, below = ["(arm-empty)"], ""
    for block in blocks:
        if below and drawn.random() < 0.5:
            facts.append(f"(on {block} {below})")
        else:
            facts += [f"(on-table {block})", *([f"(clear {below})"] if below else [])]
        below = block
    top, bottom = drawn.sample(blocks, 2)
    facts.append(f"(clear {below})")
    return _problem("blocksworld-4ops", " ".join(blocks), facts, f"(on {top} {bottom})")


def _problem(domain: str, objects: str, facts: list[str], goal: str) -> str:
    return (
        f"(define (problem example) (:domain {domain}) (:objects {objects})"
        f" (:init {' '.join(facts)}) (:goal (and {goal})))"
    )
