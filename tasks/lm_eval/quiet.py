"""Keep lm-eval's log lines and bars off the terminal, which has one display already."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence lm-eval and `datasets` while requests are built; errors are still logged."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "datasets", "transformers")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
