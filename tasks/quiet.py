"""Keep log lines and bars of libraries off the terminal, which has one display already."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence lm-eval, `datasets` and the hub's client; what fails is raised anyway."""
    loggers = [
        logging.getLogger(name)
        for name in ("lm_eval", "datasets", "transformers", "huggingface_hub")
    ]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
