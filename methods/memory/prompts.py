"""The one prompt that all agents share, so that a difference between methods is not one of wording.

Sections follow Evo-Memory's prompt (arXiv 2511.20857, appendix): instructions of the task,
experience from similar tasks, the current task, recent history, and the asked output format.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.models.chat import Message
from harness.protocols.stream import Brief, Context, Experience, Play, Turn

EXPERIENCE_TITLE = "Experience from similar tasks:"
HISTORY_TITLE = "Recent history:"


def messages(
    play: Play,
    context: Context,
    turns: Sequence[Turn],
    output_format: str,
    notes: Sequence[str] = (),
) -> list[Message]:
    """Build the conversation for the next output.

    Args:
        play: the episode as it stands.
        context: what the memory gives.
        turns: the part of the episode's history that is shown.
        output_format: what the output has to look like.
        notes: what the agent has thought about this step so far.
    """
    brief = play.brief
    sections = [
        _experience(context),
        _task(brief),
        _history(turns, brief.action_label),
        f"Observation: {play.observation.text}" if play.observation.text else "",
        "\n".join(notes),
        output_format,
    ]
    return [
        Message("system", brief.instructions),
        Message("user", "\n\n".join(section for section in sections if section)),
    ]


def experience_text(experience: Experience) -> str:
    """A finished item as a memory shows it: goal, trajectory as a list of actions, outcome.

    Source: Evo-Memory's S(x, y, f), "templated text" (section 3), whose wording is not published.
    """
    label = experience.action_label if experience.single_turn else f"{experience.action_label}s"
    lines = [
        f"{experience.goal_label}: {experience.goal}",
        f"{label}: {' -> '.join(experience.actions)}",
    ]
    outcome = str(experience.feedback)
    if outcome:
        lines.append(f"Result: {outcome}")
    return "\n".join(lines)


def trajectory_text(experience: Experience) -> str:
    """A finished item as a model is shown it that learns from it: turn by turn, with the outcome.

    The outcome is what the memory was told of it, which may be nothing.
    """
    label = experience.action_label
    lines = [f"{experience.goal_label}: {experience.goal}"]
    for turn in experience.turns:
        if turn.observation:
            lines.append(f"Observation: {turn.observation}")
        lines.append(f"{label}: {turn.action}" + ("" if turn.valid else " (refused)"))
    outcome = str(experience.feedback)
    if outcome:
        lines.append(f"Result: {outcome}")
    return "\n".join(lines)


def _experience(context: Context) -> str:
    items = [f"[{number}] {hit.text}" for number, hit in enumerate(context.items, 1)]
    body = "\n\n".join([*items, *([context.text] if context.text else [])])
    return f"{EXPERIENCE_TITLE}\n\n{body}" if body else ""


def _task(brief: Brief) -> str:
    goal = f"{brief.goal_label}: {brief.goal}"
    return f"{goal}\n{brief.hints}" if brief.hints else goal


def _history(turns: Sequence[Turn], label: str) -> str:
    if not turns:
        return ""
    lines = [f"Observation: {turn.observation}\n{label}: {turn.action}" for turn in turns]
    return "\n".join([HISTORY_TITLE, *lines])
