"""Keep log lines and bars of libraries off the terminal, which has one display already."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Generator

_LIBRARIES = ("lm_eval", "datasets", "transformers", "huggingface_hub")


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence libraries while they load or convert something; what fails is raised anyway.

    Their loggers are turned down; bars, which go to stderr whatever the level, are caught there.
    """
    with contextlib.suppress(ImportError):
        # It takes stderr for its log lines when it is imported; the real one, not ours.
        pass
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
