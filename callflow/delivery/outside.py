"""Layer 2: the guarded HTTP client as calls use it: it lives on the outside loop, and a call's time stands
still while it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callflow.clock import Clock, OutsideLoop
from callflow.delivery.http import GuardedHttp, Response


class OutsideHttp:
    """``request`` and ``fetch_file`` of ``http``, awaited from another loop whose time is ``clock``."""

    def __init__(self, http: GuardedHttp, outside: OutsideLoop, clock: Clock) -> None:
        self._http = http
        self._outside = outside
        self._clock = clock

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: int = 10,
    ) -> Response:
        """Send a request; raises BadUrl, BlockedAddress, FetchError."""
        work = self._http.request(method, url, body=body, headers=headers, follow=follow)
        return await self._outside.run(work, self._clock)

    async def fetch_file(self, url: str, into: Path, max_bytes: int) -> None:
        """Write what ``url`` gives to ``into``; raises BadUrl, BlockedAddress, FetchError."""
        await self._outside.run(self._http.fetch_file(url, into, max_bytes), self._clock)
