"""Layer 6: the log of ``callflow serve``, as lines among those that tell its calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callflow.clock import iso
from callflow.log import logger, one_line


class LogLines(logging.Handler):
    """Writes each record as a line with the time of day (UTC); a traceback as lines below it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        said = one_line(record.getMessage())
        self._write(f"{iso(record.created)[11:23]}  {record.levelname.lower():<7}  {said}")
        if record.exc_info:
            for line in logging.Formatter().formatException(record.exc_info).splitlines():
                self._write(f"  {one_line(line)}")


@contextmanager
def log_lines(write: Callable[[str], None], *, quiet: bool) -> Iterator[None]:
    """Within: what is logged is written, all of it or (``quiet``) warnings and worse."""
    handler, level = LogLines(write), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
