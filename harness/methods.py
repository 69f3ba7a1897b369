"""Method strings to registered parts: which names exist, which fit together, with which options.

`a+b` is two registered names, the right one completing the left, each with its own options. A
single name may be a pair (the names of a paper), or one part that its protocol completes with a
default: bare ``amem`` is ``direct+amem``. The rules are one table, `RULES`; anything else is
refused with what exists.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import composition, options, plugin_file
from harness.composition import Part
from harness.errors import HarnessError, UnknownName, UsageError
from harness.options import Options
from harness.protocols.adapt.method import TestTimeMethod, Wrapper
from harness.protocols.edit.method import ModelEditor
from harness.protocols.edit.surgery import GradientSurgery
from harness.protocols.solve.method import Solver, Voting
from harness.protocols.stream.method import Agent, Memory, MethodPair
from harness.registry import About, Kind, Need, Registered, registered

PAIR = "pair"


@dataclass(frozen=True)
class Rule:
    """How a protocol's methods are composed."""

    left: str
    right: str
    default_left: str
    default_right: str
    bases: Mapping[str, type[Any]]
    """The abstract class of each role, to know what a file holds."""
    example: str = ""
    """A method of two parts, for messages."""


RULES = {
    "stream": Rule(
        "agent",
        "memory",
        "direct",
        "none",
        {"agent": Agent, "memory": Memory},
        "direct+none",
    ),
    "edit": Rule(
        "editor",
        "surgery",
        "graddiff",
        "none",
        {"editor": ModelEditor, "surgery": GradientSurgery},
        "npo+gu",
    ),
    "adapt": Rule(
        "adapter",
        "wrapper",
        "source",
        "none",
        {"adapter": TestTimeMethod, "wrapper": Wrapper},
        "tent+panda",
    ),
    "solve": Rule(
        "solver",
        "voting",
        "icl",
        "none",
        {"solver": Solver, "voting": Voting},
        "icl+vote",
    ),
}


@dataclass(frozen=True)
class MethodPart:
    """One part of a method, ready to be constructed."""

    role: str
    name: str
    type: type[Any]
    options: Options

    @property
    def about(self) -> About:
        """What the part is."""
        return self.type.about


@dataclass(frozen=True)
class Method:
    """A resolved method."""

    label: str
    """As the user names it, in canonical form; what tables show."""
    protocol: str
    left: MethodPart
    right: MethodPart

    @property
    def parts(self) -> tuple[MethodPart, MethodPart]:
        """Both parts, left first."""
        return (self.left, self.right)

    def canonical(self) -> str:
        """Both parts with the options that differ from their defaults; equal methods are equal."""
        return "+".join(_write(part) for part in self.parts)

    @property
    def needs(self) -> tuple[Need, ...]:
        """Packages that the parts need."""
        return tuple(need for part in self.parts for need in part.type.needs)

    def construct(self) -> tuple[Any, Any]:
        """Construct both parts with their options.

        Raises:
            UsageError: one of them cannot be constructed with these.
        """
        try:
            return self.left.type(self.left.options), self.right.type(self.right.options)
        except HarnessError:
            raise
        except Exception as error:
            raise UsageError(
                f"method '{self.label}' cannot be constructed: {type(error).__name__}: {error}"
            ) from error

    def lacking(self) -> str:
        """What is not installed and how to get it; empty if all is there."""
        for need in self.needs:
            if not need.installed():
                return f"needs '{need.package}': pip install 'method-harness[{need.extra}]'"
        return ""


def resolve(text: str, protocol: str) -> Method:
    """Resolve a method string for a protocol.

    Raises:
        UnknownName: a name or option that does not exist.
        UsageError: parts that do not fit together, a value that is refused.
    """
    rule = RULES[protocol]
    parts = composition.parse(text)
    if len(parts) == 1:
        left, right = _complete(parts[0], protocol, rule)
    elif len(parts) == 2:
        left = _part(parts[0], protocol, rule.left, text)
        right = _part(parts[1], protocol, rule.right, text)
    else:
        raise UsageError(
            f"method '{text}' has {len(parts)} parts; the form of a {protocol} method is "
            f"{rule.left}+{rule.right}, for example {rule.example}."
        )
    if right.name != rule.default_right and (why := _refusal(left, right.name)):
        raise UsageError(f"method '{text}': {why}, as in {rule.example}.")
    return Method("+".join(str(part) for part in parts), protocol, left, right)


def _refusal(left: MethodPart, right: str) -> str:
    """Why a left part takes no right part; empty if it does."""
    name = left.name
    if not getattr(left.type, "takes_surgery", True):
        return (
            f"{name} follows no gradient that {right} could change; write {name}, or take a "
            "gradient editor"
        )
    if not getattr(left.type, "takes_voting", True):
        return (
            f"{name} answers for the puzzle as it is, not for variants that {right} would make; "
            f"write {name}, whose options may offer votes, or take a solver that meets any variant"
        )
    return ""


def _complete(part: Part, protocol: str, rule: Rule) -> tuple[MethodPart, MethodPart]:
    """A single name: a pair, or one part completed by the protocol's default."""
    found = _load(part, protocol, (PAIR, rule.left, rule.right))
    if isinstance(found.object, MethodPair):
        return _open_pair(part, found.object, protocol, rule)
    if found.role == rule.left:
        return (
            _build(part, found),
            _part(Part(rule.default_right), protocol, rule.right, part.name),
        )
    return _part(Part(rule.default_left), protocol, rule.left, part.name), _build(part, found)


def _open_pair(
    part: Part, pair: MethodPair, protocol: str, rule: Rule
) -> tuple[MethodPart, MethodPart]:
    """Give each option written beside a pair's name to the part that has it."""
    (left,), (right,) = composition.parse(pair.agent), composition.parse(pair.memory)
    left_type = _load(left, protocol, (rule.left,)).object
    right_type = _load(right, protocol, (rule.right,)).object
    known = {*left_type.Options.model_fields, *right_type.Options.model_fields}
    for name in part.options:
        if name not in known:
            raise UnknownName(f"option of method '{part.name}'", name, known)
    for side, kind in ((left, left_type), (right, right_type)):
        mine = {k: v for k, v in part.options.items() if k in kind.Options.model_fields}
        side_options = {**side.options, **mine}
        if side is left:
            left = Part(left.name, side_options)
        else:
            right = Part(right.name, side_options)
    return (
        _part(left, protocol, rule.left, part.name),
        _part(right, protocol, rule.right, part.name),
    )


def _part(part: Part, protocol: str, role: str, whole: str) -> MethodPart:
    found = _load(part, protocol, (role,), whole)
    return _build(part, found)


@dataclass(frozen=True)
class _Loaded:
    role: str
    object: Any


def _build(part: Part, found: _Loaded) -> MethodPart:
    chosen = options.build(found.object.Options, part.options, f"{found.role} '{part.name}'")
    return MethodPart(found.role, part.name, found.object, chosen)


def _load(part: Part, protocol: str, roles: Sequence[str], whole: str = "") -> _Loaded:
    if part.name.startswith(plugin_file.PREFIX):
        return _load_file(part.name, protocol, roles)
    candidates = [one for one in registered(Kind.METHOD) if one.protocol == protocol]
    for role in roles:
        for one in candidates:
            if one.role == role and one.name == part.name:
                return _Loaded(role, _checked(one, protocol))
    elsewhere = [one for one in candidates if one.name == part.name]
    rule = RULES[protocol]
    if elsewhere and whole:
        raise UsageError(
            f"method '{whole}': '{part.name}' is no {roles[0]}, its role is {elsewhere[0].role}; "
            f"write {rule.left}+{rule.right}. {_exists(candidates, rule)}"
        )
    raise UnknownName(
        "method" if len(roles) > 1 else f"{roles[0]}",
        part.name,
        (one.name for one in candidates if one.role in roles),
        "List them with: harness ls methods.",
    )


def _exists(candidates: list[Registered], rule: Rule) -> str:
    def names(role: str) -> str:
        return ", ".join(one.name for one in candidates if one.role == role)

    return f"As {rule.left}: {names(rule.left)}; as {rule.right}: {names(rule.right)}."


def _checked(one: Registered, protocol: str) -> Any:
    loaded = one.load()
    base = MethodPair if one.role == PAIR else RULES[protocol].bases[one.role]
    fits = isinstance(loaded, base) if one.role == PAIR else _is_subclass(loaded, base)
    if not fits:
        raise UsageError(
            f"method '{one.name}' of package '{one.distribution}' is registered as {one.role} "
            f"but is no {base.__name__}; register it under its own role."
        )
    _refuse_abstract(f"method '{one.name}' of package '{one.distribution}'", loaded)
    return loaded


def _load_file(name: str, protocol: str, roles: Sequence[str]) -> _Loaded:
    """Load ``file:PATH#CLASS``."""
    found, class_name, path = plugin_file.load(name, "method")
    if isinstance(found, MethodPair) and PAIR in roles:
        return _Loaded(PAIR, found)
    for role, base in RULES[protocol].bases.items():
        if role in roles and _is_subclass(found, base):
            _refuse_abstract(f"method '{name}'", found)
            return _Loaded(role, found)
    wanted = " or ".join(role for role in roles if role != PAIR)
    raise UsageError(f"method '{name}': {class_name} in {path} is no {wanted} class.")


def _is_subclass(value: Any, base: type[Any]) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _refuse_abstract(what: str, loaded: Any) -> None:
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(loaded.__abstractmethods__))
        raise UsageError(f"{what} cannot be used: {loaded.__name__} has no {missing}; add it.")


def _write(part: MethodPart) -> str:
    given = {name: _value(value) for name, value in sorted(part.options.differing().items())}
    return str(Part(part.name, given))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
