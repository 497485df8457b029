"""Calls that begin here: who is rung, what is told of it, and how they end; and what REST does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.scenario import Answers, Callee, Party, Scenario, Timed, TransferTo
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.catalog import Tenant
from callflow.documents.settings import load_settings
from callflow.events import CallAnswered, CallEnded, CallStarted, Event, RecordingChanged
from callflow.ncco.placing import Placement
from callflow.ncco.script import Script
from callflow.ncco.session import Session
from callflow.server.vonage.reaching import Reached, hang_up, muffle
from callflow.state.events import read_message
from callflow.state.records import RecordingRow, list_deliveries, list_recordings
from tests.modules.stage import HIGH, LOW, NEVER, WALL, answers, rejects, tone
from tests.ncco.recorded import APPLICATION, level

NUMBER = "447700900111"
PHONE = {"type": "phone", "number": NUMBER}
THIRD = 1500
STAY = [{"action": "wait", "timeout": 60}]


@dataclass(frozen=True)
class Placed:
    """What came of a call that was made. ``bodies``: what was told, in order."""

    events: Sequence[Event]
    bodies: Sequence[Mapping[str, Any]]
    rows: Sequence[RecordingRow]
    state: Path

    def states(self, direction: str = "outbound") -> list[str]:
        return [body["status"] for body in self.bodies if body.get("direction") == direction]

    def sound(self) -> NDArray[np.int16]:
        (row,) = self.rows
        found, _ = soundfile.read(self.state / row.file, dtype="int16", always_2d=True)
        return found.T  # type: ignore[no-any-return]


def place(
    state: Path,
    placement: Placement,
    callee: Callee,
    do: Callable[[Session, VirtualClock], Awaitable[None]] | None = None,
    **endpoints: Callee,
) -> Placed:
    """Make the call; ``do`` something to it while it lasts. ``endpoints``: others who are rung."""
    clock = VirtualClock(WALL)
    events: list[Event] = []

    async def run() -> Placed:
        options = EngineOptions(state=state, settings=load_settings(), deliver=False)
        async with Engine(options, clock) as engine:
            engine.bus.subscribe(events.append)
            pretend = PretendCall(
                Scenario(callee=callee, endpoints=endpoints, end_when_quiet_s=None),
                media=engine.media,
                clock=clock,
                ids=engine.ids,
                notice=lambda *words: None,
                incoming=lambda channel, dialer: None,
            )
            tenants = {"acme": Tenant(Account.empty("acme"), load_settings())}
            engine.serve(tenants, lambda account_id: pretend.dialer)
            services = engine.services_of("acme")
            assert services is not None
            session, work = engine.scripts.place(services, APPLICATION, placement)
            engine.live.begin(session.call, work)
            assert engine.scripts.sessions.find(session.uuid) is session
            doing = asyncio.ensure_future(do(session, clock)) if do is not None else None
            assert await engine.live.empty(600)
            if doing is not None:
                await doing
            assert engine.scripts.sessions.all() == []
            await pretend.close()
            made = {event.recording_id for event in events if isinstance(event, RecordingChanged)}
            await engine.keeping.desk.settled(made)
            with clock.external():
                rows = await engine.database.arun(list_deliveries)
                recorded = await engine.database.arun(list_recordings)
        rows.sort(key=lambda row: row.created_wall)
        return Placed(events, [read_message(row)[0].body for row in rows], recorded, state)

    return run_virtual(run(), clock)


def order(script: list[dict[str, Any]], endpoint: Mapping[str, Any] = PHONE, **more: Any) -> Placement:
    return Placement(endpoint, "447700900000", script=Script.parse(script), **more)


def ended(told: Placed) -> tuple[str, str, float]:
    (end,) = [event for event in told.events if isinstance(event, CallEnded)]
    return end.cause, end.by, end.duration


def test_a_call_is_answered_and_runs_its_script(tmp_path: Path) -> None:
    told = place(tmp_path, order([{"action": "wait", "timeout": 3}]), answers(2.0))
    assert told.states() == ["started", "ringing", "answered", "completed"]
    assert ended(told) == ("NORMAL_CLEARING", "engine", 5.0)
    first, last = told.bodies[0], told.bodies[-1]
    assert (first["from"], first["to"]) == ("447700900000", NUMBER)
    assert (last["duration"], last["disconnected_by"]) == ("3", "platform")
    (started,) = [event for event in told.events if isinstance(event, CallStarted)]
    (answered,) = [event for event in told.events if isinstance(event, CallAnswered)]
    assert started.to_number == NUMBER and answered.call_id == started.call_id == first["uuid"]


def test_whoever_was_called_hangs_up(tmp_path: Path) -> None:
    told = place(tmp_path, order(STAY), answers(1.0, leaves=4.0))
    assert told.bodies[-1]["disconnected_by"] == "user"
    assert ended(told) == ("NORMAL_CLEARING", "party", 5.0)


@pytest.mark.parametrize(
    ("callee", "status", "detail", "code"),
    [
        (rejects("USER_BUSY", 486), "busy", None, 486),
        (rejects("CALL_REJECTED", 603), "rejected", "declined", 603),
        (rejects("UNALLOCATED_NUMBER", 404), "failed", "number_out_of_service", 404),
        (NEVER, "timeout", None, None),
    ],
)
def test_nobody_answers(
    tmp_path: Path, callee: Callee, status: str, detail: str | None, code: int | None
) -> None:
    told = place(tmp_path, order(STAY, ringing_s=20), callee)
    assert told.states() == ["started", "ringing", status]
    last = told.bodies[-1]
    assert (last.get("detail"), last.get("sip_code")) == (detail, code)
    assert ended(told)[2] == (20 if callee is NEVER else 0)


def test_nobody_can_be_rung(tmp_path: Path) -> None:
    told = place(tmp_path, order(STAY, {"type": "vbc", "extension": "12"}), answers())
    assert told.states() == ["started", "ringing", "failed"]
    assert told.bodies[-1]["detail"] == "cannot_route"


def test_it_ends_at_its_limit(tmp_path: Path) -> None:
    told = place(tmp_path, order(STAY, length_s=7), answers(3.0))
    assert ended(told)[2] == 10
    assert told.states()[-1] == "completed"


def test_a_call_that_rings_is_cancelled(tmp_path: Path) -> None:
    async def cancel(session: Session, clock: VirtualClock) -> None:
        await clock.sleep(5)
        await hang_up(reached(session))

    told = place(tmp_path, order(STAY), NEVER, cancel)
    assert told.states() == ["started", "ringing", "cancelled"]
    assert ended(told) == ("ORIGINATOR_CANCEL", "engine", 5.0)


def test_digits_are_pressed_at_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []

    async def press(call: object, leg: str, digits: str) -> None:
        pressed.append(digits)

    monkeypatch.setattr("callflow.ncco.placing.press", press)
    place(tmp_path, order([{"action": "wait", "timeout": 1}], {**PHONE, "dtmfAnswer": "1p2#"}), answers(1.0))
    assert pressed == ["1p2#"]


def reached(session: Session) -> Reached:
    return Reached(session, session.uuid, session.call.leg, session.call.line.channel)


def test_who_is_muted_is_not_heard_and_not_recorded(tmp_path: Path) -> None:
    async def mute(session: Session, clock: VirtualClock) -> None:
        for change in ({"muted": True}, {"muted": False}, {"deaf": True}, {"deaf": False}):
            await clock.sleep(2)
            muffle(reached(session), **change)

    script: list[dict[str, Any]] = [
        {"action": "record", "format": "wav", "split": "conversation", "channels": 3},
        {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900222"}], "limit": 12},
    ]
    other = Callee(answers().reply, answers(says=[tone(HIGH, 30)]).party)
    me = answers(says=[tone(LOW, 30)])
    told = place(tmp_path, order(script), me, mute, **{"447700900222": other})
    mine, others, nobody = told.sound()

    def has(channel: NDArray[np.int16], hertz: int, begin: float, end: float) -> bool:
        return level(channel, hertz, begin + 0.2, end - 0.2) > 1000

    assert [has(mine, LOW, n, n + 2) for n in (0, 2, 4, 6, 8)] == [True, False, True, True, True]
    assert [has(others, HIGH, n, n + 2) for n in (0, 2, 4, 6, 8)] == [True] * 5, "the other is always heard"
    assert not nobody.any()


def test_who_is_earmuffed_hears_nobody(tmp_path: Path) -> None:
    async def deafen(session: Session, clock: VirtualClock) -> None:
        await clock.sleep(2)
        muffle(reached(session), deaf=True)
        await clock.sleep(2)
        muffle(reached(session), deaf=False, muted=True)

    script: list[dict[str, Any]] = [
        {"action": "record", "format": "wav", "split": "conversation"},
        {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900222"}], "limit": 6},
    ]
    told = place(
        tmp_path,
        order(script),
        answers(says=[tone(LOW, 30)]),
        deafen,
        **{"447700900222": answers(says=[tone(HIGH, 30)])},
    )
    says, hears = told.sound()
    spans = [(0.2, 1.8), (2.2, 3.8), (4.2, 5.8)]
    assert [level(says, LOW, *span) > 1000 for span in spans] == [True, True, False]
    assert [level(hears, HIGH, *span) > 1000 for span in spans] == [True, False, True]


@pytest.mark.parametrize("channels", [2, 3])
def test_who_is_muted_and_transfers_the_other_is_out_of_the_recording(channels: int, tmp_path: Path) -> None:
    """The other stays on its channel; whoever takes the muted one's place was not muted, and is heard: on the
    other side of two, on a channel of its own where each leg has one.
    """

    async def mute(session: Session, clock: VirtualClock) -> None:
        await clock.sleep(2)
        muffle(reached(session), muted=True)

    script: list[dict[str, Any]] = [
        {"action": "record", "format": "wav", "split": "conversation", "channels": channels},
        {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900222"}], "limit": 30},
    ]
    goes = (Timed(4.0, TransferTo("447700900333"), since="answer"),)
    others = {
        "447700900222": answers(says=[tone(HIGH, 30)]),
        "447700900333": answers(says=[tone(THIRD, 30)], leaves=2),
    }
    me = Callee(Answers(0.0), Party(clips=(tone(LOW, 30),), script=goes))
    sound = place(tmp_path, order(script), me, mute, **others).sound()

    def heard(channel: NDArray[np.int16]) -> list[str]:
        spans = [(n + 0.2, n + 1.8) for n in (0, 2, 4)]
        tones = {"me": LOW, "other": HIGH, "third": THIRD}
        return [
            "+".join(who for who, hertz in tones.items() if level(channel, hertz, *span) > 1000)
            for span in spans
        ]

    assert heard(sound[1]) == ["other"] * 3
    if channels == 2:
        assert heard(sound[0]) == ["me", "", "third"]
    else:
        assert [heard(sound[0]), heard(sound[2])] == [["me", "", ""], ["", "", "third"]]
