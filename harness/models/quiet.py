"""Keep a library's own progress bars and advice off the terminal, which has one display already."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence transformers while it loads or converts a model.

    Its logger is turned down; bars that do not go through it are caught on their way to stderr.
    """
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
