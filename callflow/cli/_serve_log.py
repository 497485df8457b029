"""Layer 6: the log of ``callflow serve``, as lines among those that tell its calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from callflow.cli._serve_story import Chatter, ServeTeller
from callflow.clock import Clock, iso
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


class TextVoice:
    """Writes events, the log and what the server says of itself, as lines for people and for grep."""

    def __init__(self, clock: Clock, write: Callable[[str], None], chatter: Chatter) -> None:
        self._write = write
        self._chatter = chatter
        self.on_event = ServeTeller(clock, write, chatter)
        self.handler: logging.Handler = LogLines(write)

    def started(self, lines: list[str], facts: Mapping[str, Any]) -> None:
        """The server takes calls: ``lines`` say where, ``facts`` what else it has."""
        if self._chatter > Chatter.QUIET:
            more = [f"  {name:<11}{facts[name]}" for name in ("http", "token", "console") if name in facts]
            for line in (*lines, *more):
                self._write(line)

    def ended(self) -> None:
        """It has ended in order."""
        if self._chatter > Chatter.QUIET:
            self._write("ended")


@contextmanager
def logged_to(handler: logging.Handler, *, quiet: bool) -> Iterator[None]:
    """Within: what is logged is handled, all of it or (``quiet``) warnings and worse."""
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
