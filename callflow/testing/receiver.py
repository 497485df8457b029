"""Layer 6: a receiver of recordings on loopback that a test tells how to fail, and asks what came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TooLong
from pathlib import Path
from typing import Self

from callflow.clock import OutsideLoop
from callflow.delivery.receiver import Received, Receiver
from callflow.delivery.receiver_faults import Fault, Faults

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

WAIT_S = 30.0


class RecordingReceiver:
    """``start()`` and ``close()``, or ``with``. ``url``: ``http://127.0.0.1:PORT``. Faults are told by
    methods: each says what happens to the next ``times`` uploads (0: to all from then on), one after the
    other; what no fault is told for is taken and answered 201. It lives in a thread of its own, in real time.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.folder = folder
        self._faults = Faults()
        self._outside: OutsideLoop | None = None
        self._receiver = Receiver(folder, self._faults)

    def start(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._outside = OutsideLoop()
        self.url = self._outside.submit(self._receiver.start()).result(WAIT_S)
        return self

    def close(self) -> None:
        """Stop listening, end the thread."""
        outside, self._outside = self._outside, None
        if outside is not None:
            outside.submit(self._receiver.close()).result(WAIT_S)
            outside.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- faults --------------------------------------------------------------------------------------

    def fail(self, status: int = 503, times: int = 1, *, retry_after: int | None = None) -> Self:
        """Answer with this status, and ``Retry-After`` if it is given."""
        return self.fault(Fault(status=status, retry_after=retry_after), times)

    def cut(self, share: float = 0.5, times: int = 1) -> Self:
        """Cut the connection when this share (0 to 1) of the file has come."""
        return self.fault(Fault(cut=share), times)

    def slow(self, bytes_per_s: float, times: int = 1) -> Self:
        """Read the file so slowly."""
        return self.fault(Fault(bytes_per_s=bytes_per_s), times)

    def late(self, seconds: float, times: int = 1) -> Self:
        """Answer so much later."""
        return self.fault(Fault(delay_s=seconds), times)

    def redirect(self, to: str, times: int = 1, *, status: int = 307) -> Self:
        """Send it to another url."""
        return self.fault(Fault(status=status, location=to), times)

    def fault(self, fault: Fault, times: int = 1) -> Self:
        """Any other fault."""
        if times == 0:
            self._faults.always = fault
        else:
            self._faults.once += [fault] * times
        return self

    # ---- what came -----------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Received]:
        """Every request so far, with its answer (``status`` 0: it was cut)."""
        return list(self._receiver.received)

    @property
    def uploads(self) -> list[Received]:
        """Those that were taken (answered 2xx)."""
        return [one for one in self.requests if 200 <= one.status <= 299]

    @property
    def statuses(self) -> list[int]:
        """What each request was answered, in the order of their coming."""
        return [one.status for one in self.requests]

    def wait_for(self, count: int = 1, *, timeout: float = WAIT_S) -> Sequence[Received]:
        """Wait, in real time, for so many requests. Raises AssertionError if they do not come."""
        assert self._outside is not None, "the receiver does not listen"
        waiting = self._outside.submit(self._wait(count, timeout))
        try:
            return list(waiting.result(timeout + 1.0))
        except (TimeoutError, TooLong):
            raise AssertionError(
                f"waited {timeout:g} s for {count} requests, {len(self.requests)} came: {self.statuses}"
            ) from None

    async def _wait(self, count: int, timeout: float) -> list[Received]:
        async with asyncio.timeout(timeout):
            return await self._receiver.wait_for(count)
