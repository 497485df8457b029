"""Layer 5: what a server tells systemd (sd_notify(3)): ready, reloading, stopping, alive.

Datagrams of ``NAME=value`` lines to the unix socket that ``NOTIFY_SOCKET`` names; without it nothing is told.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from callflow.clock import Clock, monotonic

BEATS = 3
"""So many signs of life in the time in which systemd wants one."""
EXTEND_EVERY_S = 10.0
EXTEND_BY_S = 60.0
"""While it starts (many recordings to recover) or ends (calls that go on): so much longer it may take."""


class Notifier:
    """``path``: the socket (a leading ``@`` is the abstract namespace; empty: nobody listens).
    ``watchdog_s``: how often systemd wants a sign of life; 0: never. Nothing here raises or waits.
    """

    def __init__(self, path: str = "", watchdog_s: float = 0.0) -> None:
        self._path = f"\0{path[1:]}" if path.startswith("@") else path
        self.watchdog_s = watchdog_s
        self._settled = False

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Notifier:
        """As systemd has written it into the environment; ``WATCHDOG_PID`` says for which process."""
        path = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        return cls(
            path if path[:1] in ("/", "@") else "", int(usec) / 1e6 if ours and usec.isdigit() else 0.0
        )

    def ready(self) -> None:
        """Calls are taken (again)."""
        self._settled = True
        self._tell("READY=1")

    def reloading(self) -> None:
        """Documents are read anew; ``ready`` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1e6)}")

    def stopping(self) -> None:
        """No more calls are taken."""
        self._settled = False
        self._tell("STOPPING=1")

    async def beat(self, clock: Clock) -> None:
        """Until cancelled: say that this loop still turns; and that a start or an end still goes on."""
        every = min(self.watchdog_s / BEATS, EXTEND_EVERY_S) if self.watchdog_s else EXTEND_EVERY_S
        while self._path:
            if self.watchdog_s:
                self._tell("WATCHDOG=1")
            if not self._settled:
                self._tell(f"EXTEND_TIMEOUT_USEC={int(EXTEND_BY_S * 1e6)}")
            await clock.sleep(every)

    def _tell(self, *lines: str) -> None:
        if not self._path:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._path)


def for_this_process() -> Notifier:
    """The one whose socket systemd has named to this process."""
    return Notifier.of(os.environ, os.getpid())
