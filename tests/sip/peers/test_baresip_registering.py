"""Real softphones register: with their password, over UDP, TCP and TLS; come, go, vanish, and are rung."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.sip.peers.house import answer, node, record
from tests.sip.peers.listening import sides
from tests.sip.peers.town import HERTZ, PLAYED, Town, play, ring, town

pytestmark = pytest.mark.peer

ALICE, BOB, CAROL = (HERTZ[name] for name in ("alice", "bob", "carol"))

FLOWS = {
    "100": answer(record(node("wait_for_hangup"))),
    "200": record(ring("bob", 15, USER_NOT_REGISTERED=play())),
    "300": record(ring("carol")),
}


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("registering"), FLOWS, sip={"rtp_timeout_s": 2}) as found:
        yield found


@pytest.fixture
def here(everywhere: Town) -> Iterator[Town]:
    """Each test has phones of its own."""
    yield everywhere
    everywhere.close_phones()


def test_who_registers_is_rung_and_who_has_left_is_not(here: Town) -> None:
    mallory = here.phone("bob", password="not-the-secret")
    assert "401" in mallory.wait_for("REGISTER_FAIL")["param"]
    alice = here.phone("alice")
    bob = here.phone("bob")
    call = here.call(alice, "200")
    bob.wait_for("CALL_ESTABLISHED")
    time.sleep(0.8)
    alice.command("hangup")
    assert sides(here.delivered(call))[1].span(BOB)[1] > 0.6

    bob.command("uadel", bob.phone.account.partition("@")[0].removeprefix("<") + f"@{here.house.at}")
    bob.wait_for("UNREGISTERING")
    time.sleep(0.3)
    call = here.call(alice, "200")
    here.plays(call)
    time.sleep(0.4)
    alice.command("hangup")
    assert sides(here.delivered(call))[1].span(PLAYED)[1] > 0.3

    bob.command("uanew", bob.phone.account)
    bob.wait_for("REGISTER_OK")
    bob.events.clear()
    call = here.call(alice, "200")
    bob.wait_for("CALL_ESTABLISHED")
    assert not mallory.of("CALL_INCOMING")
    alice.command("hangup")


def test_a_server_that_starts_again_knows_its_phones(here: Town) -> None:
    """Also the one whose connection is gone: it is called where its contact says."""
    alice, bob, carol = here.phone("alice"), here.phone("bob"), here.phone("carol", transport="tcp")
    here.restart()
    for number, phone, hertz in (("200", bob, BOB), ("300", carol, CAROL)):
        phone.events.clear()
        call = here.call(alice, number)
        phone.wait_for("CALL_ESTABLISHED")
        time.sleep(0.8)
        phone.command("hangup")
        assert sides(here.delivered(call))[1].span(hertz)[1] > 0.6


def test_phones_that_vanish_end_their_calls_and_no_recording_is_lost(here: Town) -> None:
    """Three calls at once: the caller is gone, the called one is, and the phone of a flow that only waits."""
    alice, bob, carol = here.phone("alice"), here.phone("bob"), here.phone("carol")
    alone = here.call(carol, "100")
    bridged = here.call(alice, "200")
    bob.wait_for("CALL_ESTABLISHED")
    time.sleep(1.2)
    bob.kill()
    carol.kill()
    began = time.monotonic()
    alice.wait_for("CALL_CLOSED")
    assert time.monotonic() - began > 1.5, "the silence of rtp_timeout_s"
    left, right = sides(here.delivered(bridged))
    left.assert_speaks(ALICE, left.seconds - 0.3)
    right.assert_speaks(BOB, 1.0)
    right.assert_quiet(right.span(BOB)[1] + 0.3)
    assert 2.8 < left.seconds < 6
    left, _ = sides(here.delivered(alone))
    left.assert_speaks(CAROL, 1.0)
    assert 2.8 < left.seconds < 6
    for call in (alone, bridged):
        here.until(f"call.end            call={call}")
    assert "cause=MEDIA_TIMEOUT" in here.lines("call.end ", alone)[0]
