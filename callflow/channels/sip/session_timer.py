"""Layer 2: session timers (RFC 4028): what both ends agree on, and when to refresh or give up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

LEAST_S = 90
"""No interval is shorter (RFC 4028 5)."""
MOST_S = 7 * 24 * 3600


class Headed(Protocol):
    """A message, as far as it is needed here."""

    def get(self, name: str, default: str = "") -> str: ...

    @property
    def supported(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """An interval in seconds, and who refreshes: we or the far end."""

    interval_s: int
    ours: bool

    @property
    def alarm_s(self) -> float:
        """After how long we act: refresh at half time; or, without a refresh by the far end, hang up a
        little before the end (RFC 4028 10).
        """
        return self.interval_s / 2 if self.ours else self.interval_s - min(32.0, self.interval_s / 3)


@dataclass(frozen=True, slots=True)
class TooBrief:
    """The far end wants an interval shorter than ours: 422 with ``Min-SE: min_s``."""

    min_s: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What we ask for. ``interval_s`` 0: no session timer."""

    interval_s: int
    min_s: int = LEAST_S

    def raised(self, min_se: int) -> Wish:
        """After a 422."""
        least = max(self.min_s, min(min_se, MOST_S))
        return Wish(max(self.interval_s, least), least)

    def headers(self, refresher: str = "") -> list[tuple[str, str]]:
        """Of a request of ours; ``refresher`` as in RFC 4028 4: ``uac`` is who sends the request."""
        if not self.interval_s:
            return []
        who = f";refresher={refresher}" if refresher else ""
        return [("Session-Expires", f"{self.interval_s}{who}"), ("Min-SE", str(self.min_s))]


def read_interval(message: Headed) -> tuple[int, str]:
    """``Session-Expires``: seconds (0: there is none, or none that can be read) and the refresher."""
    value = message.get("Session-Expires")
    found = re.match(r"\s*([0-9]{1,9})\s*(;.*)?$", value[:200], re.ASCII)
    if found is None:
        return 0, ""
    who = re.search(r";\s*refresher\s*=\s*(uac|uas)\b", found[2] or "", re.IGNORECASE)
    return min(int(found[1]), MOST_S), who[1].lower() if who else ""


def read_min_se(message: Headed) -> int:
    """``Min-SE`` in seconds, ``LEAST_S`` without."""
    found = re.match(r"\s*([0-9]{1,9})", message.get("Min-SE")[:50], re.ASCII)
    return max(LEAST_S, min(int(found[1]), MOST_S)) if found else LEAST_S


def judge(request: Headed, wish: Wish) -> SessionTimer | TooBrief | None:
    """What becomes of a request's wish for a timer, or of ours where the far end can; None: no timer."""
    asked, refresher = read_interval(request)
    can = "timer" in request.supported
    if asked and asked < wish.min_s:
        if can:
            return TooBrief(wish.min_s)
        asked = wish.min_s  # a proxy asks; it cannot take a 422
    if not asked and not (can and wish.interval_s):
        return None
    interval = min(asked, wish.interval_s) if asked and wish.interval_s else asked or wish.interval_s
    interval = max(interval, wish.min_s, read_min_se(request))
    # Who asked refreshes, if it can and does not want us to.
    return SessionTimer(interval, ours=not can or refresher == "uas")


def answer_headers(timer: SessionTimer | None, request: Headed) -> list[tuple[str, str]]:
    """Of our 2xx."""
    if timer is None:
        return []
    headers = [("Session-Expires", f"{timer.interval_s};refresher={'uas' if timer.ours else 'uac'}")]
    if "timer" in request.supported:
        headers.append(("Require", "timer"))
    return headers


def settle(response: Headed) -> SessionTimer | None:
    """What a 2xx to our request makes of it; without a timer in it there is none."""
    interval, refresher = read_interval(response)
    if not interval:
        return None
    return SessionTimer(max(interval, LEAST_S), ours=refresher != "uas")
