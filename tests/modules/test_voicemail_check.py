"""voicemail, check: who is let in, the menus, messages in their folders, greetings and PIN by phone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario, Timed
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.media.prompts import prompt_names
from callflow.modules._speaking import moment_prompts, number_prompts
from callflow.state.messages import Message, list_messages
from tests.modules.stage import LOW, WALL, Ran, Stage, caller, level, loud, node, presses, tone

BOX: Mapping[str, Any] = {
    "name": "Alice's box",
    "mailbox": "2001",
    "owner_id": "alice",
    "pin": "2468",
    "is_setup": True,
    "media_extension": "wav",
    "skip_greeting": True,
    "skip_instructions": True,
}
STEP_S = 5.0
"""From one key to the next: longer than what is said before a menu, and before a menu gives up."""


def _stage(stage: Stage, **box: Any) -> Stage:
    stage.account = Account(
        "main",
        documents={
            "user": {"alice": {}, "bob": {}},
            "device": {"alice-desk": {"owner_id": "alice"}, "bob-desk": {"owner_id": "bob"}},
            "vmbox": {"alice-box": {**BOX, **box}},
        },
    )
    return stage


def _keys(*keys: str, first: float = 2.0) -> tuple[Timed, ...]:
    """One after the other; ``"2468#"`` is pressed in one go, an empty one is a wait."""
    return tuple(presses(first + STEP_S * at, key) for at, key in enumerate(keys) if key)


def _check(stage: Stage, *keys: str, device: str = "alice-desk", number: str = "2001", **data: Any) -> Ran:
    scenario = Scenario(
        from_number=number,
        device_id=device,
        caller=caller(*_keys(*keys), says=[tone(LOW, 80)], leaves=90.0),
    )
    flow = node("voicemail", {"action": "check", "id": "alice-box", **data}, then=node("noop"))
    if data.get("id", 1) is None:
        del flow["data"]["id"]
    ran = stage.run(flow, scenario)
    assert ran.notices("error") == []
    return ran


def _leave(stage: Stage, *, hertz: int = LOW, device: str = "bob-desk") -> Ran:
    """Leave a message of some 5 s."""
    talk = caller(presses(6.0, "#"), says=[tone(hertz, 60)], leaves=30.0)
    return stage.run(node("voicemail", {"id": "alice-box"}), Scenario(device_id=device, caller=talk))


def _in_box(stage: Stage) -> list[Message]:
    async def ask() -> list[Message]:
        async with Engine(
            EngineOptions(state=stage.state, settings=stage.settings, deliver=False), clock
        ) as engine:
            with clock.external():
                return await engine.database.arun(lambda conn: list_messages(conn, "main", "alice-box"))

    clock = VirtualClock(WALL)
    return run_virtual(ask(), clock)


def _folders(stage: Stage) -> list[str]:
    return [message.folder for message in _in_box(stage)]


def _did(ran: Ran) -> str:
    return ran.step("voicemail").did


# ---- who is let in -------------------------------------------------------------------------------


def test_owner_is_let_in_without_a_pin(stage: Stage) -> None:
    ran = _check(_stage(stage), "#")
    assert _did(ran) == "left alice-box" and ran.modules == ["voicemail", "noop"]


def test_others_need_the_pin(stage: Stage) -> None:
    _stage(stage)
    assert _did(_check(stage, "2468#", "#", device="bob-desk")) == "left alice-box"
    assert _did(_check(stage, "1111#", "2468#", "#", device="")) == "left alice-box"
    refused = _check(stage, "1111#", "2222#", "3333#", "#", device="bob-desk")
    assert _did(refused) == "was not let into alice-box"
    assert [notice.code for notice in refused.notices("warning")] == ["CF-RUN-PIN"]
    assert "2468" not in str(refused.events) and "1111" not in _did(refused)


def test_require_pin_and_no_pin(stage: Stage) -> None:
    assert _did(_check(_stage(stage, require_pin=True), "2468#", "#")) == "left alice-box"
    _stage(stage, pin="")
    assert _did(_check(stage, "#", device="bob-desk")) == "was not let into alice-box"


def test_which_mailbox(stage: Stage) -> None:
    _stage(stage)
    assert _did(_check(stage, "2001#", "#", id=None)) == "left alice-box"
    assert _did(_check(stage, "777#", "2001#", "2468#", "#", id=None, device="bob-desk")) == "left alice-box"
    assert _did(_check(stage, "7#", "8#", "9#", id=None)) == "found no mailbox"
    assert _did(_check(stage, "#", id=None, single_mailbox_login=True)) == "left alice-box"


def test_login_by_caller_id_is_for_phones_of_the_account(stage: Stage) -> None:
    _stage(stage, require_pin=True)
    wanted: dict[str, Any] = {"callerid_match_login": True}
    assert _did(_check(stage, "#", id=None, **wanted)) == "left alice-box"
    assert _did(_check(stage, "#", device="bob-desk", **wanted)) == "left alice-box"
    stranger = _check(stage, "#", "", "", device="", **wanted)
    assert _did(stranger) == "was not let into alice-box"


def test_compose_leads_its_owner_to_the_messages_and_others_by_the_star(stage: Stage) -> None:
    _stage(stage, skip_greeting=False)
    ran = stage.run(
        node("voicemail", {"id": "alice-box"}),
        Scenario(device_id="alice-desk", caller=caller(*_keys("#"), leaves=60.0)),
    )
    assert _did(ran) == "left alice-box" and ran.rows == ()
    talk = caller(presses(0.5, "*"), presses(6.0, "2468#"), presses(15.0, "#"), leaves=60.0)
    ran = stage.run(node("voicemail", {"id": "alice-box"}), Scenario(device_id="bob-desk", caller=talk))
    assert _did(ran) == "left alice-box" and ran.rows == ()
    _stage(stage, check_if_owner=False)
    assert _leave(stage, device="alice-desk").row().state == "READY"


# ---- messages ------------------------------------------------------------------------------------


def test_messages_are_played_saved_and_deleted(stage: Stage) -> None:
    _stage(stage)
    _leave(stage)
    _leave(stage)
    assert _folders(stage) == ["new", "new"]
    _check(stage, "1", "", "1", "", "7", "", "#")
    assert _folders(stage) == ["saved"]
    _check(stage, "2", "", "7", "", "#")
    assert _folders(stage) == []
    assert "no_messages" not in str(_check(stage, "#").notices())


def test_a_message_is_heard(stage: Stage) -> None:
    _stage(stage, skip_envelope=True)
    _leave(stage, hertz=1700)
    flow = node(
        "record_call", {"format": "wav"}, then=node("voicemail", {"action": "check", "id": "alice-box"})
    )
    party = caller(presses(1.0, "1"), presses(12.0, "0"), presses(16.0, "#"), leaves=60.0)
    ran = stage.run(flow, Scenario(device_id="alice-desk", caller=party))
    heard = ran.sound(ran.row("callflow : 2000"))[:, 1]
    assert level(heard, 1700, 3.0, 6.0) > 3000, "after the words: message, one"
    assert level(heard, 1700, 8.5, 12.0) < 500 and loud(heard, 8.5, 10.0) > 200, "then the menu"
    assert _folders(stage) == ["saved"], "0 goes back to the main menu and keeps it"


def test_next_previous_and_replay_leave_messages_as_they_are(stage: Stage) -> None:
    _stage(stage, oldest_message_first=True)
    for _ in range(3):
        _leave(stage)
    ran = _check(stage, "1", "6", "6", "4", "2", "9", "7", "1", "#", "#")
    assert sorted(_folders(stage)) == ["new", "saved"], "the second was deleted, the third kept"
    assert _did(ran) == "left alice-box"


def test_a_hangup_in_a_message_leaves_it_new(stage: Stage) -> None:
    _stage(stage)
    _leave(stage)
    party = caller(presses(2.0, "1"), leaves=8.0)
    stage.run(
        node("voicemail", {"action": "check", "id": "alice-box"}),
        Scenario(device_id="alice-desk", caller=party),
    )
    assert _folders(stage) == ["new"]


def test_a_full_mailbox_takes_no_more(stage: Stage) -> None:
    stage.set(callflow__voicemail__max_message_count=1)
    _stage(stage)
    assert _leave(stage).rows
    refused = _leave(stage)
    assert refused.rows == () and "is full" in _did(refused) and len(_in_box(stage)) == 1
    _check(stage, "1", "", "7", "", "#")
    assert _leave(stage).rows, "there is room again"


def test_nobody_there_is_said_goodbye(stage: Stage) -> None:
    ran = _check(_stage(stage))
    assert ran.modules == ["voicemail", "noop"] and ran.report.seconds < 120


# ---- settings by phone ---------------------------------------------------------------------------


def test_pin_is_changed_for_good(stage: Stage) -> None:
    _stage(stage)
    ran = _check(stage, "5", "3", "97531#", "97531#", "0", "", "#")
    assert _did(ran) == "left alice-box"
    assert "97531" not in str(ran.report.notices) + str(ran.report.steps)
    assert _did(_check(stage, "97531#", "#", device="bob-desk")) == "left alice-box"
    assert _did(_check(stage, "2468#", "2468#", "2468#", device="bob-desk")) == "was not let into alice-box"


def test_a_pin_that_is_short_or_not_the_same_is_refused(stage: Stage) -> None:
    _stage(stage)
    _check(stage, "5", "3", "12#", "12#", "1234#", "4321#", "1#", "1#", "0", "", "#")
    assert _did(_check(stage, "2468#", "#", device="bob-desk")) == "left alice-box"


def test_greeting_is_recorded_reviewed_and_heard(stage: Stage) -> None:
    _stage(stage, skip_greeting=False)
    ran = _check(stage, "5", "1", "#", "#", "2", "1", "0", "", "#")
    greeting = ran.row("voicemail greeting")
    assert greeting.state == "READY" and greeting.document["mailbox_id"] == "alice-box"
    assert greeting.seconds > 4 and _in_box(stage) == [], "a greeting is no message"
    flow = node("record_call", {"format": "wav"}, then=node("voicemail", {"id": "alice-box"}))
    after = stage.run(flow, Scenario(device_id="bob-desk", caller=caller(leaves=12.0)))
    heard = after.sound(after.row("callflow : 2000"))[:, 1]
    assert level(heard, LOW, 0.2, 5.0) > 3000, "alice's own greeting"
    _check(stage, "5", "4", "#", "#", "1", "5", "0", "", "#")
    assert stage.account.get("vmbox", "alice-box") is not None


def test_first_call_sets_the_mailbox_up(stage: Stage) -> None:
    _stage(stage, is_setup=False, pin="")
    ran = _check(stage, "1357#", "1357#", "#", "#", "1", "", "#")
    assert _did(ran) == "left alice-box" and ran.row("voicemail greeting").state == "READY"
    assert _did(_check(stage, "1357#", "#", device="bob-desk")) == "left alice-box"
    gave_up = _check(_stage(stage, is_setup=False, not_configurable=True), "#")
    assert _did(gave_up) == "left alice-box"


# ---- beside recordings ---------------------------------------------------------------------------


def test_voicemail_and_recordings_of_one_call_do_not_disturb_each_other(stage: Stage) -> None:
    """A message, and a metaflow that stops what is recorded meanwhile: each ends what is its own."""
    _stage(stage)
    stop = {"module": "record_call", "data": {"action": "stop"}}
    stage.account.documents["user"]["bob"]["metaflows"] = {"numbers": {"1": stop}}  # type: ignore[index]
    flow = node(
        "record_call", {"format": "wav"}, then=node("voicemail", {"id": "alice-box"}, then=node("noop"))
    )
    talk = caller(presses(5.0, "A"), says=[tone(LOW, 60)], leaves=20.0)
    ran = stage.run(flow, Scenario(device_id="bob-desk", caller=talk))
    message, whole = ran.row("voicemail"), ran.row("callflow : 2000")
    assert (message.reason, whole.reason) == ("hangup", "hangup")
    assert whole.samples > message.samples > 15 * 8000
    pressed = caller(presses(5.0, "*1"), says=[tone(LOW, 60)], leaves=20.0)
    ran = stage.run(flow, Scenario(device_id="bob-desk", caller=pressed))
    assert ran.row("voicemail").reason == "digit" and ran.row("callflow : 2000").reason == "stopped"


# ---- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (7, "7"),
        (12, "12"),
        (20, "20"),
        (21, "20 1"),
        (100, "1 hundred"),
        (1305, "1 thousand 3 hundred 5"),
    ],
)
def test_numbers_are_spoken(number: int, said: str) -> None:
    prompts = number_prompts(number)
    assert " ".join(prompt.partition("-")[2] for prompt in prompts) == said
    assert set(prompts) <= set(prompt_names())


def test_every_number_and_moment_has_its_prompts() -> None:
    from zoneinfo import ZoneInfo

    known = set(prompt_names())
    for number in (*range(130), 999, 1000, 999_999, 10**9):
        assert set(number_prompts(number)) <= known
    for hours in range(0, 24 * 365, 37):
        assert set(moment_prompts(WALL + hours * 3600 + hours, ZoneInfo("Europe/Vienna"))) <= known
    assert moment_prompts(0.0, ZoneInfo("UTC"))[:2] == ["time-month_1", "digits-1"]
