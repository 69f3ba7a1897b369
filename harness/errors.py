"""Every exception the harness raises on purpose, as one tree.

The class says whose fault it was, which decides what becomes of the sample (the status of its
row) or of the command (its exit code)::

    HarnessError
    ├── UsageError             bad input: one sentence with the mend, exit code 2
    │   ├── UnknownName        a name that is not registered; carries the nearest ones
    │   ├── MissingExtra       a package is not installed; carries the pip command
    │   ├── MissingData        a data set is not at hand; carries the ways to get it
    │   └── ResultsError       the results folder cannot be written or read
    ├── InvalidSample          caused by the data: the row is ``invalid``, the run is complete
    │   └── PromptTooLong      the prompt exceeds the model's context window
    ├── MethodError            caused by the method: the row is ``failed`` with the worst score
    ├── CeilingReached         no more may be spent: the item stays unfinished, nothing is recorded
    └── InfrastructureError    server gone, disk full: the row is ``error``, to be tried again
        ├── EndpointError      a model endpoint kept failing after its retries
        ├── TaskError          the task itself broke; no method is to blame
        └── StorageError       a result could not be written; stops the whole command
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Root of the tree; the text is shown to the user as it is."""


class UsageError(HarnessError):
    """Bad input. The message says what is wrong and what to type instead."""


class UnknownName(UsageError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(set(known))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            mend = f"did you mean {' or '.join(near)}?"
        else:
            mend = f"known: {', '.join(names)}." if names else "there is none."
        super().__init__(f"unknown {kind} '{name}'; {mend}{' ' + hint if hint else ''}")


class MissingExtra(UsageError):
    """A package of an optional extra is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package '{package}'; install it with: "
            f"pip install 'method-harness[{extra}]'"
        )


class MissingData(UsageError):
    """A data set is not at hand; the message names the ways to get it."""


class ResultsError(UsageError):
    """The results folder cannot be used."""


class InvalidSample(HarnessError):
    """The data make the sample unanswerable; no method could be blamed for it."""


class PromptTooLong(InvalidSample):
    """The prompt does not fit into the model's context window."""


class MethodError(HarnessError):
    """The method broke its contract: an exception, a wrong type, an unusable value."""


class CeilingReached(HarnessError):
    """A ceiling on tokens, cost or time was reached; a higher one lets the same command go on."""


class InfrastructureError(HarnessError):
    """Something outside task and method failed; the sample is tried again by the next run."""


class EndpointError(InfrastructureError):
    """A model endpoint kept failing after its retries."""


class TaskError(InfrastructureError):
    """The task raised something that it should not; its author has to mend it."""


class StorageError(InfrastructureError):
    """A result could not be written."""
