"""Layer 6: what ``callflow serve --log-json`` writes: one JSON object a line, for those who collect logs.

Each has ``time`` (UTC), ``level`` and ``message``; an event also ``event`` and its fields, among them
``call_id`` and ``recording_id``. What a caller keys in, and what a mail says, is left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from callflow import events as ev
from callflow.cli._serve_story import Chatter, is_news
from callflow.clock import Clock, iso
from callflow.log import logger, one_line

PRIVATE = frozenset({"digit", "digits", "recipients", "subject", "facts", "tags", "custom_data"})
LONGEST_TEXT = 2000


class JsonVoice:
    """Writes events, the log and what the server says of itself; ``chatter`` as for lines of text."""

    def __init__(self, clock: Clock, write: Callable[[str], None], chatter: Chatter) -> None:
        self._clock = clock
        self._write = write
        self._chatter = chatter
        self.handler: logging.Handler = _JsonHandler(write)

    def on_event(self, event: ev.Event) -> None:
        """An event, if it is to be told."""
        try:
            if is_news(event, self._chatter):
                self._write(json_line(self._clock.wall(), *_event(event)))
        except Exception:
            logger.exception("an event cannot be told: %s", event.NAME)

    def started(self, lines: list[str], facts: Mapping[str, Any]) -> None:
        """The server takes calls. ``facts``: where it is ...; warnings among ``lines`` are told alone."""
        wall = self._clock.wall()
        for line in lines:
            if line.startswith("  warning"):
                self._write(json_line(wall, "warning", line.removeprefix("  warning").strip()))
        if self._chatter > Chatter.QUIET:
            self._write(json_line(wall, "info", "callflow serves", {"event": "serve.started", **facts}))

    def ended(self) -> None:
        """It has ended in order."""
        if self._chatter > Chatter.QUIET:
            self._write(json_line(self._clock.wall(), "info", "ended", {"event": "serve.ended"}))


class _JsonHandler(logging.Handler):
    """A record of the log. ``call_id`` and ``recording_id``: as the record was given them (``extra``), else
    the call in whose task it was said.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        more: dict[str, Any] = {"logger": record.name}
        for name in ("call_id", "recording_id"):
            if value := getattr(record, name, "") or (_call() if name == "call_id" else ""):
                more[name] = value
        if record.exc_info:
            more["exception"] = logging.Formatter().formatException(record.exc_info)
        self._write(json_line(record.created, record.levelname.lower(), record.getMessage(), more))


def json_line(wall: float, level: str, message: str, more: Mapping[str, Any] | None = None) -> str:
    """One line, whatever is in it."""
    told = {"time": iso(wall), "level": level, "message": one_line(message, LONGEST_TEXT), **(more or {})}
    return json.dumps(told, default=str)


def lost_line(count: int) -> str:
    """Stands where lines are missing."""
    return json.dumps({"level": "warning", "message": f"{count} lines were left out: nobody read them"})


def _event(event: ev.Event) -> tuple[str, str, dict[str, Any]]:
    """Its level, its words and its fields."""
    fields = {name: value for name, value in ev.as_json(event).items() if name not in PRIVATE and value != ""}
    name = fields.pop("event")
    fields["at"] = fields.pop("time")  # seconds of the process's clock
    if isinstance(event, ev.Noticed):
        del fields["message"], fields["level"]
        return event.level, event.message, {"event": name, **fields}
    change = getattr(event, "change", "")
    said = f"{name}.{change}" if change else str(name)
    if why := fields.pop("message", ""):
        fields["why"] = why
    return "error" if change in ("failed", "dead") else "info", said, {"event": name, **fields}


def _call() -> str:
    """The call in whose task we are."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return ""
    name = task.get_name() if task is not None else ""
    return name.removeprefix("call ") if name.startswith("call ") else ""
