"""Real softphones call: what each says and hears is in the recordings, whole and on its side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import soundfile

from tests.sip.peers import moments
from tests.sip.peers.house import answer, node, record
from tests.sip.peers.listening import FRAME_S, LOUD, heard_by, sides, track
from tests.sip.peers.town import HERTZ, LATE_S, PLAYED, Town, play, ring, town

pytestmark = pytest.mark.peer

ALICE, BOB, CAROL, DAVE = (HERTZ[name] for name in ("alice", "bob", "carol", "dave"))
STORED: dict[str, Any] = {"action": "start", "format": "wav"}

FLOWS = {
    "100": answer(record(play())),
    "101": answer(node("record_call", {"_": play(seconds=1.5)}, **STORED)),
    "102": answer(node("menu", {"4": play(1800), "7": record(play()), "timeout": play(1800)}, id="doors")),
    "103": node("voicemail", id="box"),
    "200": record(ring("bob")),
    "201": record(ring("carol", 15, USER_BUSY=play(), _=play(1800))),
    "202": record(ring("dave", 15, USER_NOT_REGISTERED=play(), _=play(1800))),
    "204": record(ring("erin")),
    "203": record(ring("carol", 1, NO_ANSWER=play(), _=play(1800))),
}
DOCUMENTS: dict[str, Any] = {
    "menus/doors": {
        "name": "Doors",
        "timeout": 5000,
        "interdigit_timeout": 300,
        "retries": 1,
        "suppress_media": True,
    },
    "vmboxes/box": {"name": "Box", "mailbox": "1", "skip_greeting": True, "skip_instructions": True},
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("calls"), FLOWS, documents=DOCUMENTS) as found:
        yield found


@pytest.fixture(scope="module")
def phones(here: Town) -> dict[str, Any]:
    """Who is there all the time; ``carol`` answers only by hand."""
    return {
        "alice": here.phone("alice"),
        "bob": here.phone("bob"),
        "carol": here.phone("carol", answer="manual"),
    }


def test_a_call_to_a_number_is_recorded_on_both_sides(here: Town, phones: dict[str, Any]) -> None:
    alice = phones["alice"]
    call = here.call(alice, "100")
    time.sleep(2)
    alice.command("hangup")
    left, right = sides(here.delivered(call))
    assert left.rate == 8000
    here.assert_whole(call, 2)
    assert here.late(call) < 0.3, "it is recorded from its begin on"
    assert left.span(ALICE)[0] < here.begin(call, 0)
    left.assert_speaks(ALICE, left.seconds - 0.2)
    right.assert_speaks(PLAYED, right.seconds - 0.1)
    left.assert_never(PLAYED)
    right.assert_never(ALICE)
    heard = heard_by(alice.heard[-1:])
    assert heard.span(PLAYED)[1] - heard.span(PLAYED)[0] > 1.5, "as the recording says"


def test_a_flow_that_ends_hangs_up_the_phone(here: Town, phones: dict[str, Any]) -> None:
    alice = phones["alice"]
    call = here.call(alice, "101")
    assert alice.wait_for("CALL_CLOSED")["id"] == call
    left, right = sides(here.stored(call))
    began, ended = right.span(PLAYED)
    assert ended - began == pytest.approx(1.5, abs=0.05)
    assert right.seconds - ended < 0.2, "it hangs up when that has been played"
    left.assert_speaks(ALICE, left.seconds - 0.1)
    right.assert_speaks(PLAYED, ended - 0.05)


def test_a_bridge_has_one_phone_left_and_the_other_right(here: Town, phones: dict[str, Any]) -> None:
    """The one that was called presses a digit, which the other hears as such, and hangs up."""
    alice, bob = phones["alice"], phones["bob"]
    bob.events.clear()
    call = here.call(alice, "200")
    bob.wait_for("CALL_ESTABLISHED")
    time.sleep(1.3)
    bob.command("sndcode", "5")
    assert alice.wait_for("CALL_DTMF_START")["param"] == "5"
    time.sleep(0.7)
    bob.command("hangup")
    assert alice.wait_for("CALL_CLOSED")["id"] == call
    left, right = sides(here.delivered(call))
    here.assert_whole(call, 2)
    assert left.span(ALICE)[0] < here.begin(call, 0)
    left.assert_speaks(ALICE, left.seconds - 0.2)
    right.assert_speaks(BOB, 1.2)
    left.assert_never(BOB)
    right.assert_never(ALICE)
    assert heard_by(alice.heard[-1:]).span(BOB)[1] > 1
    assert heard_by(bob.heard[-1:]).span(ALICE)[1] > 1


def test_hold_is_silent_on_both_sides_and_no_time_is_lost(here: Town, phones: dict[str, Any]) -> None:
    alice, bob = phones["alice"], phones["bob"]
    dialled = time.monotonic()
    call = here.call(alice, "200")
    began = time.monotonic()
    rang = began - dialled  # the recording has begun within it
    time.sleep(1.2)
    spoke = time.monotonic() - began
    held = here.changes(alice, "hold") - began
    time.sleep(1.9)
    waited = time.monotonic() - began
    resumed = here.changes(alice, "resume") - began
    time.sleep(1.2)
    alice.command("hangup")
    took = time.monotonic() - began
    left, right = sides(here.delivered(call))
    here.assert_whole(call, took)
    for side, hertz in ((left, ALICE), (right, BOB)):
        side.assert_speaks(hertz, spoke - 0.1)
        side.assert_quiet(rang + held + 0.8, waited - 0.1)
        side.assert_says(hertz, rang + resumed + LATE_S, took - 0.3)
    assert len(heard_by(bob.heard[-1:]).holes(ALICE, 0, spoke)) < 25


def test_digits_of_the_phone_pick_the_way_in_a_menu(here: Town, phones: dict[str, Any]) -> None:
    alice = phones["alice"]
    call = here.call(alice, "102")
    time.sleep(0.3)
    pressed = time.monotonic()
    alice.command("sndcode", "7")
    time.sleep(2)
    alice.command("hangup")
    here.until(f"call.end            call={call} ")
    took = time.monotonic() - pressed
    left, right = sides(here.delivered(call))
    assert 1.0 < left.seconds < took - 0.2, "it is recorded from the digit on"
    here.assert_whole(call, 2.3)
    right.assert_speaks(PLAYED, right.seconds - 0.1)


def test_a_message_is_taken_by_the_voicemail(here: Town, phones: dict[str, Any]) -> None:
    alice = phones["alice"]
    call = here.call(alice, "103")
    time.sleep(2.2)
    alice.command("hangup")
    message = here.stored(call)
    assert soundfile.info(message).channels == 1
    said = track(message)
    assert said.seconds > 1.0
    begin = here.begin_in(moments.recording_of(here.house.server.lines, message.name), 0)
    said.assert_says(ALICE, begin + 0.05, said.seconds - 0.2)


def test_a_phone_that_declines_is_busy(here: Town, phones: dict[str, Any]) -> None:
    alice, carol = phones["alice"], phones["carol"]
    carol.events.clear()
    here.dial(alice, "201")
    carol.wait_for("CALL_INCOMING")
    carol.command("hangup")
    call = str(alice.wait_for("CALL_ESTABLISHED")["id"])
    here.plays(call)
    time.sleep(0.6)
    alice.command("hangup")
    _, right = sides(here.delivered(call))
    assert right.span(PLAYED)[1] > right.seconds - 0.2, "the child USER_BUSY has run"
    right.assert_never(1800, CAROL)


def test_nobody_answers(here: Town, phones: dict[str, Any]) -> None:
    """The ringing is over after its second: the phone that rang is told, the caller goes on."""
    alice, carol = phones["alice"], phones["carol"]
    carol.events.clear()
    here.dial(alice, "203")
    carol.wait_for("CALL_INCOMING")
    carol.wait_for("CALL_CLOSED")
    call = str(alice.wait_for("CALL_ESTABLISHED")["id"])
    here.plays(call)
    time.sleep(0.6)
    alice.command("hangup")
    left, right = sides(here.delivered(call))
    lines, id = here.house.server.lines, here.run(here.house.recording(here.delivered(call)))
    assert 1.0 <= right.span(PLAYED)[0] < 1.3
    assert right.span(PLAYED)[0] == pytest.approx(moments.played(lines, id), abs=0.2)
    rings, played = right.levels(440), round(right.span(PLAYED)[0] / FRAME_S)
    assert rings[played - 40 : played - 10].min() > 0.1, "it rang in the caller's ear until then"
    right.assert_never(1800)
    assert left.span(ALICE)[1] > left.seconds - 0.2


def test_of_two_phones_that_answer_at_once_one_is_connected(here: Town, phones: dict[str, Any]) -> None:
    """The answer of the other crosses our CANCEL: it is acknowledged and hung up."""
    alice, erins = phones["alice"], (here.phone("erin"), here.phone("erin"))
    call = here.call(alice, "204")
    time.sleep(1)
    over = [bool(erin.of("CALL_CLOSED")) for erin in erins]
    assert sorted(over) == [False, True]
    assert all(erin.of("CALL_ESTABLISHED") for erin in erins)
    erins[over.index(False)].command("hangup")
    alice.wait_for("CALL_CLOSED")
    left, right = sides(here.delivered(call))
    left.assert_speaks(ALICE, 0.9)
    right.assert_speaks(HERTZ["erin"], 0.9)


def test_the_caller_gives_up(here: Town, phones: dict[str, Any]) -> None:
    """CANCEL: the phone stops to ring, and what was recorded of the ringing is delivered."""
    alice, carol = phones["alice"], phones["carol"]
    carol.events.clear()
    here.dial(alice, "201")
    carol.wait_for("CALL_INCOMING")
    time.sleep(0.5)
    call = str(alice.wait_for("CALL_PROGRESS")["id"])
    alice.command("hangup")
    carol.wait_for("CALL_CLOSED")
    here.assert_whole(call, 0.5)


def test_a_device_without_a_phone_is_not_registered(here: Town, phones: dict[str, Any]) -> None:
    alice = phones["alice"]
    call = here.call(alice, "202")
    here.plays(call)
    time.sleep(0.5)
    alice.command("hangup")
    _, right = sides(here.delivered(call))
    assert right.levels(PLAYED).max() == pytest.approx(LOUD, rel=0.1)
    right.assert_never(1800, DAVE)
