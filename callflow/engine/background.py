"""Layer 3: work that goes on beside the walk (webhooks), and a call's way to the outside."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from callflow.engine.line import Notice
from callflow.engine.services import HttpPort, HttpResponse
from callflow.errors import CallflowError, CallGone

logger = logging.getLogger(__name__)


class Background:
    """The tasks of one call that are not its walk."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Start ``work``; what it raises becomes an error notice."""
        task = asyncio.get_running_loop().create_task(self._watch(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until all of it is done (work may start more)."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def cancel(self) -> None:
        """End all of it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def http(
        self,
        port: HttpPort,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        json_body: object,
    ) -> HttpResponse:
        """A request; ``json_body`` (not None) becomes the body and says so in its headers."""
        sent = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body, ensure_ascii=False).encode()
            sent.setdefault("Content-Type", "application/json")
        return await port.request(method, url, body=body, headers=sent)

    async def _watch(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except CallGone:
            return
        except CallflowError as error:
            self._notice("error", error.code, str(error), error.hint)
        except Exception as error:
            logger.exception("work beside a call failed")
            self._notice("error", "CF-RUN-BACKGROUND", f"{type(error).__name__}: {error}")
