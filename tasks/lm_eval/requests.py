"""A multiple-choice task of lm-eval: rows in, prompts out, log-likelihoods back to its metrics.

Prompts, choices and metrics are lm-eval's own (EleutherAI/lm-evaluation-harness, 0.4.13): its YAML
is read, its code renders each row, and its `process_results` scores. What is ours is where the rows
come from, so that a mirror, the hub and generated rows of one schema take the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.data import content_hash
from harness.errors import MissingExtra, UnknownName, UsageError
from harness.quiet import quiet

FEWSHOT_SEED = 1234
"""What lm-eval's `simple_evaluate` seeds the choice of solved examples with."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """A continuation whose log-likelihood is asked for, and what stands before it."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Document:
    """An item as lm-eval asks it.

    Attributes:
        number: its place among the rows, from 0.
        pairs: one for each choice, in order.
        gold: place of the right choice.
        content_hash: of the pairs and the gold.
    """

    number: int
    pairs: tuple[Pair, ...]
    gold: int
    content_hash: str


@dataclass(frozen=True)
class LogLikelihood:
    """What a model gives a continuation."""

    total: float
    """Sum of its tokens' log-probabilities, natural logs."""
    greedy: bool
    """Whether each of its tokens is the most probable one."""


class MultipleChoice:
    """One task of lm-eval over rows of ours.

    Args:
        name: of the task, such as ``wmdp_bio``.
        folder: where lm-eval keeps it, such as ``wmdp``, below its ``tasks``.
        rows: of each split that the task reads, in the schema of its data set.
        changes: entries of its YAML that are to be others.

    Raises:
        MissingExtra: lm-eval is not installed.
        UnknownName: it has no such task.
        UsageError: the task is no multiple choice, or a row cannot be rendered.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        rows: Mapping[str, Sequence[Row]],
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        config = {**_config(name, folder), **(changes or {})}
        if config.get("output_type") != "multiple_choice":
            raise UsageError(
                f"lm-eval's task '{name}' is no multiple choice, which is needed here."
            )
        with quiet():
            try:
                self.task: Any = _with_rows(config, rows)
                self.task.set_fewshot_seed(FEWSHOT_SEED)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise UsageError(
                    f"lm-eval cannot read the rows of '{name}' ({type(error).__name__}: {error}); "
                    "they must have the columns of its data set."
                ) from error

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """All items of the split that lm-eval evaluates, in order."""
        with quiet():
            self.task.build_all_requests()
        pairs = dict[int, list[Pair]]()
        rows = dict[int, Any]()
        for instance in self.task.instances:
            pairs.setdefault(instance.doc_id, []).append(Pair(*instance.args))
            rows[instance.doc_id] = instance.doc
        return tuple(
            self._document(number, tuple(pairs[number]), rows[number]) for number in sorted(pairs)
        )

    def metrics(self, number: int, found: Sequence[LogLikelihood]) -> dict[str, float]:
        """The task's own metrics of one document.

        Args:
            number: of the document.
            found: what the model gave its pairs, in their order.
        """
        row = self._rows[number]
        results = self.task.process_results(row, [(one.total, one.greedy) for one in found])
        return {name: float(value) for name, value in results.items()}

    @cached_property
    def _rows(self) -> Any:
        return self.task.eval_docs

    def _document(self, number: int, pairs: tuple[Pair, ...], row: Any) -> Document:
        target = self.task.doc_to_target(row)
        gold = self.task.doc_to_choice(row).index(target) if isinstance(target, str) else target
        if not 0 <= gold < len(pairs):
            raise UsageError(
                f"row {number + 1} of '{self.name}' names answer {gold}, which it lacks."
            )
        texts = [text for pair in pairs for text in (pair.context, pair.continuation)]
        return Document(number, pairs, gold, content_hash(*texts, gold))


def task_names(folder: str) -> list[str]:
    """Names of the tasks in a folder of lm-eval.

    Raises:
        MissingExtra: lm-eval is not installed.
    """
    return sorted(_index(folder))


def _with_rows(config: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]) -> Any:
    """The task, with rows in place of a data set that it would load."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    class OverRows(ConfigurableTask):
        def download(self, dataset_kwargs: Any = None, **kwargs: Any) -> None:
            del dataset_kwargs, kwargs
            self.dataset = {
                split: datasets.Dataset.from_list([dict(row) for row in members])
                for split, members in rows.items()
            }

    return OverRows(config=dict(config))


def _config(name: str, folder: str) -> dict[str, Any]:
    """A task's YAML, with what it includes."""
    index = _index(folder)
    if name not in index:
        raise UnknownName(f"task of lm-eval's folder {folder}", name, index)
    from lm_eval.tasks._yaml_loader import load_yaml

    found: dict[str, Any] = dict(load_yaml(index[name], resolve_func=True))
    for structural in ("tag", "group", "task_list"):
        found.pop(structural, None)
    return found


@cache
def _index(folder: str) -> Mapping[str, Path]:
    """YAML file of each task in a folder of lm-eval; its whole index would take seconds."""
    package = find_spec("lm_eval")
    if package is None or package.origin is None:
        raise MissingExtra("multiple choice as lm-eval asks it", "lm-eval", "unlearning")
    from lm_eval.tasks import TaskManager

    path = Path(package.origin).parent / "tasks" / folder
    with quiet():
        manager: Any = TaskManager(include_path=str(path), include_defaults=False)
    return {
        name: entry.yaml_path
        for name, entry in manager.task_index.items()
        if name in manager.all_subtasks and entry.yaml_path is not None
    }
