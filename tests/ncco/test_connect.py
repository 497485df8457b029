"""connect: whom it rings, the states that are told of each leg, and what becomes of the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callflow.channels.sim.scenario import Callee
from callflow.media.messages import SendDigits
from callflow.ncco.events import failure_of
from tests.modules.stage import NEVER, answers, rejects, tone
from tests.ncco.recorded import Told, level, one
from tests.ncco.webserver import web_server

NUMBER = "447700900000"
WAIT = {"action": "wait", "timeout": 1}


def connect(endpoint: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    return {"action": "connect", "endpoint": [endpoint or {"type": "phone", "number": NUMBER}], **data}


def states(told: Told, direction: str = "outbound") -> list[str]:
    return [body["status"] for body in told.bodies("status") if body["direction"] == direction]


def test_a_talk_and_its_states(tmp_path: Path) -> None:
    told = one(tmp_path, connect({"type": "phone", "number": NUMBER}, **{"from": "447700900001"}), WAIT,
               callee=answers(2.0, leaves=5.0))  # fmt: skip
    assert [(step.module, step.seconds) for step in told.steps()] == [("connect", 7), ("wait", 1)]
    mine = [body for body in told.bodies("status") if body["direction"] == "outbound"]
    assert [body["status"] for body in mine] == ["started", "ringing", "answered", "completed"]
    assert len({body["uuid"] for body in told.bodies("status")}) == 2
    assert len({body["conversation_uuid"] for body in told.bodies("status")}) == 1
    ended = mine[-1]
    assert (ended["from"], ended["to"], ended["duration"]) == ("447700900001", NUMBER, "5")
    assert states(told, "inbound") == ["started", "ringing", "answered", "completed"]


@pytest.mark.parametrize(
    ("callee", "status", "detail"),
    [
        (rejects("USER_BUSY", 486), "busy", None),
        (rejects("CALL_REJECTED", 603), "rejected", "declined"),
        (rejects("NO_USER_RESPONSE", 408), "unanswered", "timeout"),
        (rejects("UNALLOCATED_NUMBER", 404), "failed", "number_out_of_service"),
        (NEVER, "timeout", None),
    ],
)
def test_whoever_does_not_answer_is_told_and_the_script_goes_on(
    tmp_path: Path, callee: Callee, status: str, detail: str | None
) -> None:
    told = one(tmp_path, connect(timeout=4), WAIT, callee=callee)
    last = [body for body in told.bodies("status") if body["direction"] == "outbound"][-1]
    assert (last["status"], last.get("detail")) == (status, detail)
    assert [step.outcome for step in told.steps()] == ["next", "next"]
    if status == "timeout":
        assert told.steps()[0].seconds == 4


def test_hunting_goes_from_one_to_the_next(tmp_path: Path) -> None:
    told = one(tmp_path, connect(timeout=2), connect(timeout=3), callee=NEVER)
    assert [step.seconds for step in told.steps()] == [2, 3]


def test_a_synchronous_event_may_give_another_script(tmp_path: Path) -> None:
    with web_server(event=[[{"action": "wait", "timeout": 3}]]) as server:
        wanted: dict[str, Any] = {"eventType": "synchronous", "eventUrl": [f"{server.url}/event"]}
        told = one(tmp_path, connect(**wanted), WAIT, callee=rejects("USER_BUSY", 486))
        talked = one(tmp_path / "b", connect(**wanted), WAIT, callee=answers(leaves=2))
    assert [(step.outcome, step.seconds) for step in told.steps()] == [("replace", 0), ("next", 3)]
    assert [body["status"] for body in server.told("/event")] == ["busy"]
    assert [step.seconds for step in talked.steps()] == [2, 1], "an answered call goes on in its script"


def test_a_talk_ends_at_its_limit(tmp_path: Path) -> None:
    told = one(tmp_path, connect(limit=6), WAIT, callee=answers())
    assert [step.seconds for step in told.steps()] == [6, 1]


def test_a_caller_who_leaves_ends_the_callees_call(tmp_path: Path) -> None:
    rung = one(tmp_path, connect(), WAIT, callee=NEVER, leaves=3)
    assert states(rung) == ["started", "ringing", "cancelled"]
    talk = one(tmp_path / "b", connect(), WAIT, callee=answers(), leaves=3)
    assert states(talk) == ["started", "ringing", "answered", "completed"]
    assert [step.outcome for step in talk.steps()] == ["gone"]


@pytest.mark.parametrize(
    ("endpoint", "to"),
    [
        ({"type": "sip", "uri": "sip:alice@example.com", "headers": {"a": 1}}, "sip:alice@example.com"),
        ({"type": "sip", "user": "alice", "domain": "example.com"}, "alice"),
        ({"type": "app", "user": "alice"}, "alice"),
    ],
)
def test_other_endpoints(tmp_path: Path, endpoint: dict[str, Any], to: str) -> None:
    told = one(tmp_path, connect(endpoint), callee=answers(leaves=2))
    assert states(told)[-1] == "completed" and told.bodies("status")[-1]["direction"] == "inbound"
    assert {body["to"] for body in told.bodies("status") if body["direction"] == "outbound"} == {to}


def test_who_cannot_be_rung_is_an_error_event_and_a_failed_leg(tmp_path: Path) -> None:
    told = one(tmp_path, connect({"type": "vbc", "extension": "1001"}), WAIT)
    assert told.notices() == ["CF-RUN-NCCO"] and len(told.bodies("reason")) == 1
    (failed,) = [body for body in told.bodies("status") if body["direction"] == "outbound"]
    assert (failed["status"], failed["detail"]) == ("failed", "cannot_route")
    assert [step.module for step in told.steps()] == ["connect", "wait"]


def test_machine_detection_is_warned_about(tmp_path: Path) -> None:
    told = one(tmp_path, connect(machineDetection="hangup"), callee=answers(leaves=1))
    assert told.notices() == ["CF-RUN-NCCO-MACHINE"] and states(told)[-1] == "completed"


def test_the_callee_hears_its_own_script_before_the_two_are_joined(tmp_path: Path) -> None:
    """The callee's voice is in the file 1.5 s after its answer."""
    record = {"action": "record", "split": "conversation", "format": "wav"}
    with web_server(whisper=[[{"action": "wait", "timeout": 1.5}, {"action": "record"}]]) as server:
        endpoint = {"type": "phone", "number": NUMBER, "onAnswer": {"url": f"{server.url}/whisper"}}
        told = one(tmp_path, record, connect(endpoint), callee=answers(1.0, says=[tone(1000, 6)], leaves=4))
    heard = told.sound()[:, 1]
    assert level(heard, 1000, 1.1, 2.4) < 500 < 9000 < level(heard, 1000, 2.7, 4.5)
    assert told.bodies("reason")[0]["reason"] == (
        "onAnswer: record is not carried out before the callee is joined"
    )


def test_digits_are_pressed_at_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []

    def press(leg: str, digits: str, tone_s: float, gap_s: float) -> SendDigits:
        pressed.append(digits)
        return SendDigits(leg, digits, tone_s, gap_s)

    monkeypatch.setattr("callflow.ncco.pressing.SendDigits", press)
    endpoint = {"type": "phone", "number": NUMBER, "dtmfAnswer": "12p3"}
    told = one(tmp_path, connect(endpoint), callee=answers(1.0, leaves=4))
    assert pressed == ["12", "3"] and states(told)[-1] == "completed"
    one(tmp_path / "b", connect(endpoint), callee=answers(1.0, leaves=0.7))
    assert pressed == ["12", "3", "12"], "after the p it has left"


@pytest.mark.parametrize(
    ("cause", "status"),
    [("ORIGINATOR_CANCEL", "cancelled"), ("RECOVERY_ON_TIMER_EXPIRE", "failed"), ("NO_ANSWER", "timeout")],
)
def test_a_state_for_each_cause(cause: str, status: str) -> None:
    assert failure_of(cause).status == status
