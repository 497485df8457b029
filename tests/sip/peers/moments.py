"""Where in a recording a party's sound has to begin: from what the server has told (``told``)."""

from __future__ import annotations

from collections.abc import Sequence

TOLD = "tests.sip.peers.told"
"""The program that tells."""
NEAR_S = 0.031
"""So soon after the moment at which it has to sound begins: a tick of 10 ms, and a frame of 20."""


def recording_of(lines: Sequence[str], file: str) -> str:
    """The id of the recording that was delivered under a name, or is in the state folder under it."""
    for line in lines:
        if f'/{file}"' in line or f"/{file} " in line:
            return line.split(" recording=")[1].split()[0]
    raise AssertionError(f"nothing of {file}:\n" + "\n".join(lines))


def begin(lines: Sequence[str], recording: str, channel: int, hold_s: float) -> float:
    """The second of a recording at which who is heard on ``channel`` begins to be: when his first packet has
    come and has waited ``hold_s`` for late ones.
    """
    told = _told(lines)
    _, *taps = _said(told, "asked", recording)
    leg, _, side = taps[channel].rpartition(":")
    if side == "write":
        bridges = [{one, *rest} for what, one, *rest in told if what == "bridge" and leg in (one, *rest)]
        (leg,) = bridges[-1] - {leg}
    return max(0.0, spoke(lines, recording, leg, hold_s))


def latest_leg(lines: Sequence[str]) -> str:
    """The leg that has come last: whom the server has called last."""
    return [name for what, name, *_ in _told(lines) if what == "leg"][-1]


def spoke(lines: Sequence[str], recording: str, leg: str, hold_s: float) -> float:
    """The second of a recording from which a leg can be heard in it: see ``begin``."""
    told = _told(lines)
    return _at(told, "began", leg) + hold_s - _at(told, "started", recording)


def moved(lines: Sequence[str], recording: str) -> float:
    """The second of a recording at which it has followed a transfer."""
    told = _told(lines)
    return _at(told, "moved", recording) - _at(told, "started", recording)


def followed(lines: Sequence[str], recording: str, by: str) -> float:
    """The second of a recording at which another one has begun."""
    told = _told(lines)
    return _at(told, "started", by) - _at(told, "started", recording)


def lasted(lines: Sequence[str], recording: str) -> float:
    """How many seconds a recording has to have: from its begin until its leg was to go."""
    told = _told(lines)
    _, tap, *_ = _said(told, "asked", recording)
    return _at(told, "gone", tap.rpartition(":")[0]) - _at(told, "started", recording)


def unrecorded(lines: Sequence[str], recording: str) -> float:
    """For how many seconds its leg was there before a recording began."""
    told = _told(lines)
    _, tap, *_ = _said(told, "asked", recording)
    return _at(told, "started", recording) - _at(told, "leg", tap.rpartition(":")[0])


def played(lines: Sequence[str], recording: str) -> float:
    """The second of a recording at which what its leg hears last was to be played."""
    told = _told(lines)
    _, tap, *_ = _said(told, "asked", recording)
    at = [float(now) for what, leg, now, *_ in told if (what, leg) == ("play", tap.rpartition(":")[0])]
    return at[-1] - _at(told, "started", recording)


def held(lines: Sequence[str], leg: str) -> float:
    """For how many seconds a leg was on hold, once."""
    told = _told(lines)
    since = _at(told, "held", leg)
    at = (float(now) for what, name, now, *_ in told if (what, name) == ("open", leg))
    return next(now for now in at if now > since) - since


def _told(lines: Sequence[str]) -> list[list[str]]:
    return [line.split()[1:] for line in lines if line.startswith("told ")]


def _at(told: list[list[str]], what: str, of: str) -> float:
    return float(_said(told, what, of)[0])


def _said(told: list[list[str]], what: str, of: str) -> list[str]:
    """What was told first of that kind about a leg or a recording."""
    found = next((rest for kind, name, *rest in told if (kind, name) == (what, of)), None)
    assert found is not None, f"{what} {of} was never told"
    return found
