"""Literals and actions in words, and words back to actions, as AgentBoard has them.

Source: AgentBoard (arXiv 2401.13178), environment/pddl_env/pddl_env.py. One table serves all four
domains there, so a name that two of them share has one wording (the hub of tyreworld is told as
"the-hub1 is free.", a glass that was used as poured from); those slips, its trailing blanks and its
names without a wording are kept, because agents read them. The order of the listed actions is
arbitrary there and alphabetical here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness_tasks.evo_memory.pddl.problem import Action, Literal, Problem, State

CHECK = "check valid actions"
LOOK = "look around"
NOT_UNDERSTOOD = (
    "The action is not valid and therefore takes no effect. Please check valid actions."
)
NO_EFFECT = (
    "The action is not valid and therefore takes no effect. Please remember to satisfy the "
    "restriction of actions. You can also check valid actions."
)
SATISFIED = " The goal is satisfied."

_LITERALS = {
    # blockworld, and holding in barman, which tells the hand only
    "on": "{} is on {}.",
    "clear": "The {} is clear.",
    "arm-empty": "Your arm is empty.",
    "holding": "You are holding {}. ",
    "on-table": "{} is on the table.",
    # gripper, and free in tyreworld
    "ball": "{} is a ball. ",
    "gripper": "{} is a gripper. ",
    "at-robby": "Robby is at {}. ",
    "at": "{} is at {}. ",
    "free": "{} is free. ",
    "carry": "{} is carrying {}. ",
    # tyreworld
    "isopen": "{} is open.",
    "closed": "{} is closed.",
    "have": "You have {}.",
    "in": "{} is in {}.",
    "loose": "The nut {} on the hub {} is loose.",
    "tight": "The nut {} on the hub {} is tight.",
    "unlocked": "{} is unlocked.",
    "on-ground": "Hub {} is on the ground.",
    "not-on-ground": "Hub {} is not on the ground.",
    "inflated": "Wheel {} is inflated.",
    "not-inflated": "Wheel {} is not inflated.",
    "fastened": "Hub {} is fastened.",
    "unfastened": "Hub {} is unfastened.",
    "intact": "Wheel {} is intact.",
    # barman
    "ontable": "{} is on the table. ",
    "empty": "{} is empty. ",
    "contains": "{} contains {}. ",
    "clean": "{} is clean. ",
    "used": "Pour {} from a shot glass to a used shaker {}",
    "dispenses": "{} dispenses {}. ",
    "shaker-empty-level": "{} is at empty level {}. ",
    "shaker-level": "{} is at level {}. ",
    "next": "level {} is next to level {}. ",
    "unshaked": "{} is unshaked. ",
    "shaked": "{} is shaked. ",
    "cocktail-part1": "{} part1 ingredient is {}. ",
    "cocktail-part2": "{} part2 ingredient is {}. ",
}

_ACTIONS = {
    # blockworld
    "pickup": "Pickup {}.",
    "putdown": "Putdown {}.",
    "stack": "Stack {} on {}.",
    "unstack": "Unstack {} from {}.",
    # gripper
    "move": "Move from {} to {}. ",
    "pick": "Pick up {} at {} with arm {}. ",
    # tyreworld
    "open": "Open {}.",
    "close": "Close {}.",
    "fetch": "Fetch {} from {}.",
    "put-away": "Put-away {} in {}.",
    "loosen": "Loosen the nut {} on the hub {}.",
    "tighten": "Tighten the nut {} on the hub {}.",
    "jack-up": "jack-up the hub {}.",
    "jack-down": "Jack-down the hub {}.",
    "undo": "Undo the fastening of the nut {} on the hub {}.",
    "do-up": "Do-up the nut {} on the hub {}.",
    "remove-wheel": "Remove-wheel {} from the hub {}.",
    "put-on-wheel": "put-on-wheel {} on the hub {}.",
    "inflate": "Inflate the wheel {}.",
    # barman
    "grasp": "{} grasp {}. ",
    "leave": "{} leave {}. ",
    "fill-shot": "fill-shot glass {} with {} with {} and {} holding {}. ",
    "refill-shot": "refill-shot {} with {} with {} and {} holding {}. ",
    "empty-shot": "use hand {} to empty-shot glass {} with beverage {}. ",
    "clean-shot": "clean-shot glass {} with {} with hand {} holding shot glass and {}. ",
    "pour-shot-to-clean-shaker": (
        "pour-shot-to-clean-shaker from a shot glass {} with {} to a clean shaker {} with hand {} "
        "from level {} to level {}"
    ),
    "pour-shot-to-used-shaker": (
        "pour-shot-to-used-shaker from a shot glass {} with {} to a used shaker {} with hand {} "
        "from level {} to level {}"
    ),
    "empty-shaker": (
        "use hand {} to empty-shaker {} with ingredient {} from level {} to level {}."
    ),
    "clean-shaker": "use hand {} and hand {} to clean-shaker {}",
    "shake": (
        "shake a cocktail {} with ingredient {} and ingredient {} in a shaker {} with hand {} "
        "and hand {}"
    ),
    "pour-shaker-to-shot": (
        "pour-shaker-to-shot to a shot glass {} the ingredient {} with hand {} from shaker {} "
        "from level {} to level {}"
    ),
}

_TOKEN = re.compile(r"[\w-]+")


def literal_text(literal: Literal) -> str:
    """A literal as a sentence; name and arguments where there is no wording."""
    name, *arguments = literal
    return _LITERALS[name].format(*arguments) if name in _LITERALS else " ".join(literal)


def action_text(action: Action) -> str:
    """An action as it is listed."""
    words = " ".join((action.name, *action.arguments))
    return _ACTIONS[action.name].format(*action.arguments) if action.name in _ACTIONS else words


def state_text(literals: Iterable[Literal]) -> str:
    """Literals as capitalised sentences in alphabetical order."""
    return " ".join(sorted(literal_text(one).capitalize() for one in literals))


def listed(actions: Iterable[Action], looks: bool) -> str:
    """The answer to "check valid actions".

    Args:
        actions: those applicable now.
        looks: whether "look around" is offered too.
    """
    texts = sorted(action_text(one) for one in actions)
    return "Valid actions are: " + ", ".join([*texts, CHECK, *([LOOK] if looks else [])])


def understood(text: str, problem: Problem, state: State) -> Action | str | None:
    """Read an action from a text, whatever other words stand in it.

    The first word that names an action which is applicable to some objects now is the action; the
    words that name objects fill its parameters in their order, and what is too many is dropped.

    Returns:
        The action; its name where it has no such objects; None where no action is understood.
    """
    tokens = _TOKEN.findall(text.lower())
    arity = {one.name: len(one.arguments) for one in problem.applicable(state)}
    name = next((token for token in tokens if token in arity), None)
    if name is None:
        return None
    objects = [token for token in tokens if token in problem.objects][: arity[name]]
    if len(objects) < arity[name]:
        return None
    return problem.by_words.get((name, *objects), name)
