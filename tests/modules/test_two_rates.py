"""Calls of 8 and of 16 kHz are connected, and the recordings of both go on, each at its own call's rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from callflow.channels.sim.scenario import Answers, Callee, HangUp, Party, Scenario, Timed, TransferTo
from callflow.documents.moduledata import prepare_document
from callflow.events import CallEnded
from tests.modules.several import Coming, comes, run_all
from tests.modules.stage import HIGH, LOW, NEVER, Ran, Stage, node, tone

THIRD = 1500
NARROW, WIDE = 8000, 16000
BOTH_WAYS = pytest.mark.parametrize(("here", "there"), [(NARROW, WIDE), (WIDE, NARROW)])

RECORD = {"action": "start", "format": "wav"}
QUIET = {"music_on_hold": {"media_id": "silence_stream://1000"}}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Alice, bob and carol with a phone each; all that is called is recorded."""
    for name in ("alice", "bob", "carol"):
        stage.has("user", name, {"first_name": name})
        stage.has("device", f"{name}-desk", {"owner_id": name})
    queue = {"id": "support", "agents": ["bob"], "agent_ring_timeout": 60}
    stage.has("queue", "support", prepare_document("queue", queue).data)
    trees: dict[str, dict[str, Any]] = {
        "2002": node("user", {"id": "bob"}),
        "3000": node("acdc_member", {"id": "support"}),
        "*4101": node("park", {"action": "retrieve", "slot": "101"}),
        "*8": node("group_pickup", {"user_id": "bob"}),
        "*c": node("intercept", {"user_id": "carol"}),
    }
    stage.flows = {
        f"n{number}": {"numbers": [number], "flow": node("record_call", RECORD, then=tree)}
        for number, tree in trees.items()
    }
    stage.flows["desk"] = {"numbers": ["2003"], "flow": node("device", {"id": "carol-desk"})}
    stage.flows["slot"] = {"numbers": ["*3101"], "flow": node("park", {"slot": "101"})}
    return stage


def calls(
    at: float, number: str, rate: int, hertz: int, *script: Timed, device: str = "", callee: Callee = NEVER
) -> Coming:
    """Somebody who sings from the start on."""
    party = Party(clips=(tone(hertz, 17.0),), speaks_since="start", script=script)
    return comes(at, number, Scenario(caller=party, rate=rate, device_id=device, callee=callee))


def leaves(after: float) -> Timed:
    return Timed(after, HangUp(), since="start")


def answers(*script: Timed) -> Callee:
    return Callee(Answers(1.0), Party(clips=(tone(HIGH, 17.0),), script=script))


def recording(ran: Ran, rate: int, seconds: float) -> NDArray[np.int16]:
    """The call's only recording, which has that rate and length."""
    row = ran.row()
    sound, found = soundfile.read(ran.state / row.file, dtype="int16", always_2d=True)
    assert (row.state, found, len(sound)) == ("READY", rate, round(seconds * rate))
    assert not ran.notices("error") and not ran.notices("warning")
    whole: NDArray[np.int16] = sound
    return whole


def sings(channel: NDArray[np.int16], rate: int, hertz: int, begin: float, end: float) -> bool:
    """Whether there is that tone, and nothing else, in each 20 ms between the two moments."""
    frames = channel[round(begin * rate) : round(end * rate)].reshape(-1, rate // 50).astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(frames.shape[1]) / rate)
    levels = 2 * np.abs(frames @ wave) / frames.shape[1]
    steps = np.abs(np.diff(frames.reshape(-1))).max()
    loudest = np.abs(frames).max()
    top = 2 * loudest * np.sin(np.pi * hertz / rate)  # of a sine of that loudness
    return bool(
        levels.min() > 0.9 * np.median(levels) and np.median(levels) > 3000 and steps < 1.05 * top + 60
    )


def cause(ran: Ran) -> str:
    (ended,) = ran.of(CallEnded)
    return str(ended.cause)


@BOTH_WAYS
def test_a_parked_call_is_retrieved(office: Stage, here: int, there: int) -> None:
    parked, taker = run_all(
        office,
        calls(0, "2002", here, LOW, callee=answers(Timed(2, TransferTo("*3101")))),
        calls(4, "*4101", there, THIRD, leaves(8), device="carol-desk"),
    )
    own, other = recording(parked, here, 12), recording(taker, there, 8)
    assert sings(own[:, 0], here, LOW, 0, 12) and sings(own[:, 1], here, THIRD, 4.02, 12)
    assert sings(other[:, 0], there, THIRD, 0, 8) and sings(other[:, 1], there, LOW, 0.02, 8)


@BOTH_WAYS
def test_a_ringing_phone_is_picked_up_and_the_caller_transferred_from_there(
    office: Stage, here: int, there: int
) -> None:
    """The recording of who picked up follows: all that it hears has the other rate then."""
    rung, taker = run_all(
        office,
        calls(0, "2002", here, LOW, leaves(14)),
        calls(2, "*8", there, THIRD, Timed(6, TransferTo("2003"), since="start"), device="carol-desk"),
    )
    own, other = recording(rung, here, 14), recording(taker, there, 12)
    assert sings(own[:, 0], here, LOW, 0, 14) and sings(own[:, 1], here, THIRD, 2.02, 8)
    assert sings(other[:, 0], there, THIRD, 0, 6) and sings(other[:, 1], there, LOW, 0.02, 12)
    assert cause(taker) == "BLIND_TRANSFER"


@BOTH_WAYS
def test_a_call_that_waits_in_a_queue_is_taken_and_then_moved_away(
    office: Stage, here: int, there: int
) -> None:
    """Carol takes what rings bob's phone; bob, at the first rate again, takes the caller from her."""
    member, taker, thief = run_all(
        office,
        calls(0, "3000", here, LOW, leaves(12)),
        calls(2, "*8", there, THIRD, device="carol-desk"),
        calls(6, "*c", here, HIGH, device="bob-desk"),
    )
    own, other, third = recording(member, here, 12), recording(taker, there, 10), recording(thief, here, 6)
    assert sings(own[:, 0], here, LOW, 0, 12)
    assert sings(own[:, 1], here, THIRD, 2.02, 6) and sings(own[:, 1], here, HIGH, 6.02, 12)
    assert sings(other[:, 0], there, THIRD, 0, 4) and sings(other[:, 0], there, HIGH, 4.02, 10)
    assert sings(other[:, 1], there, LOW, 0.02, 10)  # it follows the caller: all of it has the other rate now
    assert sings(third[:, 0], here, HIGH, 0, 6) and sings(third[:, 1], here, LOW, 0.02, 6)
    assert cause(taker) == "PICKED_OFF"


@BOTH_WAYS
def test_an_attended_transfer_joins_calls_of_both_rates(office: Stage, here: int, there: int) -> None:
    """Bob, in a talk with the caller, retrieves a parked call on a call of his own, and leaves them to each
    other; the recording that the consultation's call had of bob goes on too.
    """
    consult = TransferTo("*4101", "attended", consult_s=2.0)
    parked, caller, *_ = run_all(
        office,
        calls(0, "2002", there, THIRD, leaves(16), callee=answers(Timed(1, TransferTo("*3101")))),
        calls(4, "2002", here, LOW, callee=answers(Timed(3, consult))),
    )
    far, own = recording(parked, there, 16), recording(caller, here, 12)
    assert sings(far[:, 0], there, THIRD, 0, 16) and sings(far[:, 1], there, LOW, 10.1, 16)
    assert sings(own[:, 0], here, LOW, 0, 12) and sings(own[:, 1], here, THIRD, 6.1, 12)
