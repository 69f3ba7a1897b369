"""What a task of any protocol is: a name with options, versions, data, and what it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.data import DataSource, MirrorFile
from harness.options import NoOptions
from harness.registry import About, Need

if TYPE_CHECKING:
    from harness.scoring import Scorer


@dataclass(frozen=True)
class MetricInfo:
    """A metric that a task reports for each sample."""

    name: str
    help: str
    higher_is_better: bool = True


@dataclass(frozen=True)
class Summary:
    """The metrics of a run as a whole, and why others are not there."""

    metrics: Mapping[str, float]
    missing: Mapping[str, str]


class Task(ABC):
    """A benchmark, whatever its protocol.

    Subclasses are registered under ``harness.tasks`` and constructed with their validated options.
    """

    protocol: ClassVar[str]
    about: ClassVar[About]
    Options: ClassVar[Any] = NoOptions
    """Its option class, a `harness.options.Options`."""
    metrics: ClassVar[tuple[MetricInfo, ...]] = ()
    default_model: ClassVar[str]
    default_methods: ClassVar[tuple[str, ...]]
    baseline: ClassVar[str]
    """The method that gains are measured against."""
    min_effect: ClassVar[float] = 0.01
    """Smallest difference of the primary metric that matters."""
    subsets: ClassVar[tuple[str, ...]] = ()
    """Values of its option ``subset``; empty where it has no such option."""
    scorer: ClassVar[type[Scorer] | None] = None
    """What ``harness score`` reads outputs recorded elsewhere with."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the task's rules; scores of different versions are not comparable."""

    @property
    @abstractmethod
    def subset(self) -> str:
        """The chosen subset."""

    def code(self) -> Sequence[type[Any]]:
        """Classes whose modules decide the samples: their change starts a new attempt.

        Imports are followed; what is loaded by a name in a string has to be listed.
        """
        return (type(self),)

    def data_sources(self) -> Sequence[DataSource]:
        """What data the items come from, with revisions and content hashes."""
        return ()

    @classmethod
    def needs(cls, options: Any) -> tuple[Need, ...]:
        """Packages that these options need."""
        del options
        return ()

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """Files of the local mirror that these options read."""
        del options
        return ()
