"""The prompts as inspect_ai tasks; run in the peers' interpreter, which has no harness.

inspect eval benchmarks/inspect_task.py@prompts -T file=prompts.jsonl
"""

from __future__ import annotations

from inspect_ai import Task, task
from inspect_ai.dataset import Dataset, FieldSpec, json_dataset
from inspect_ai.model import ChatMessageUser
from inspect_ai.scorer import includes
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver


def _dataset(file: str) -> Dataset:
    return json_dataset(file, FieldSpec(input="question", target="answer", id="id"))


@task
def prompts(file: str) -> Task:
    """One call for each sample."""
    return Task(dataset=_dataset(file), solver=generate(), scorer=includes())


@task
def streams(file: str, steps: int) -> Task:
    """`steps` calls for each sample, one after another."""
    return Task(dataset=_dataset(file), solver=in_turn(steps), scorer=includes())


@solver
def in_turn(steps: int) -> Solver:
    """Ask again and again in one conversation."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        for step in range(steps):
            if step:
                state.messages.append(ChatMessageUser(content=f"Question {step}: once more?"))
            state = await generate(state)
        return state

    return solve
