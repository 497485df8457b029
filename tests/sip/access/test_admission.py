"""Who may call, and as whom; and that nobody learns anything who may not."""

from __future__ import annotations

import logging
import re

import pytest

from callflow.channels.sip.admission import Admitted, Challenged, Ignored
from callflow.channels.sip.message import Response
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.trunks import Trunks
from callflow.documents.accounts import Account
from tests.sip.access.support import (
    ACME,
    HERE,
    PHONE,
    Door,
    account,
    accounts,
    device,
    register,
    request,
    settings,
    with_headers,
)

CARRIER = {
    "name": "Carrier",
    "rules": ["."],
    "gateways": [{"server": "192.0.2.1", "inbound_ips": ["192.0.2.16/28"]}],
}


def admitted(door: Door, *args: object, **more: object) -> Admitted:
    verdict = door.admission.judge(*args, **more)  # type: ignore[arg-type]
    assert isinstance(verdict, Admitted), verdict
    return verdict


def shape(response: Response) -> str:
    """The answer's bytes, but for what is different in every challenge."""
    return re.sub(r'nonce="[^"]+"', 'nonce=""', response.to_bytes().decode())


def test_a_device_calls_as_itself_whatever_the_from_says() -> None:
    door = Door()
    who = admitted(door, door.answered("desk7", "correct-horse"), PHONE)
    assert (who.account_id, who.realm, who.trunk, who.username) == ("acme", "acme.example", "", "desk7")
    party = who.party
    assert (party.device_id, party.user_id, party.from_number, party.from_name) == (
        "desk",
        "alice",
        "1001",
        "Alice",
    )
    assert (party.to_number, party.from_realm, party.to_realm) == ("2001", "acme.example", "acme.example")


def test_a_device_says_codecs_and_encryption_of_the_calls_it_makes() -> None:
    media = {"audio": {"codecs": ["G722", 7]}, "encryption": {"enforce_security": True}}
    door = Door(accounts(account(device={"desk": device(media=media), "plain": device("desk8")})))
    who = admitted(door, door.answered("desk7", "correct-horse"), PHONE)
    assert (who.codecs, who.srtp) == (("G722",), "required")
    who = admitted(door, door.answered("desk8", "correct-horse"), PHONE)
    assert (who.codecs, who.srtp) == ((), "")


@pytest.mark.parametrize(("digest", "algorithms"), [("SHA-256", ["SHA-256"]), ("both", ["SHA-256", "MD5"])])
def test_the_challenge_asks_for_the_accounts_realm_by_what_is_set(digest: str, algorithms: list[str]) -> None:
    door = Door(settings=settings(digest=digest))
    response = door.challenge(request(uri="sip:2001@127.0.0.1:5060"))
    values = response.all("WWW-Authenticate")
    assert response.status == 401
    assert all('realm="acme.example"' in value and 'qop="auth"' in value for value in values)
    assert [value.rpartition("algorithm=")[2] for value in values] == algorithms


def test_phones_that_know_no_sha_256_are_not_asked_for_it() -> None:
    """baresip before 3.11 and others give up when they are, even if MD5 is offered, too."""
    (value,) = Door().challenge(request()).all("WWW-Authenticate")
    assert value.endswith("algorithm=MD5")


def test_unknown_realm_user_and_wrong_password_get_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    asked: list[str] = []
    judge = door.admission._digest.judge

    def watched(*args: object, **more: object) -> object:
        asked.append("judged")
        return judge(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(door.admission._digest, "judge", watched)
    answers = []
    for username, password in (
        ("desk7", "wrong-horse"),
        ("nobody", "wrong-horse"),
        ("gone", "correct-horse"),
    ):
        again = door.answered(username, password)
        verdict = door.admission.judge(again, PHONE)
        assert isinstance(verdict, Challenged)
        answers.append(shape(verdict.response))
    foreign = with_headers(request(), [("Authorization", again.get("Authorization").replace("acme", "evil"))])
    verdict = door.admission.judge(foreign, PHONE)
    assert isinstance(verdict, Challenged)
    answers.append(shape(verdict.response))
    answers.append(shape(door.challenge()))
    assert len(set(answers)) == 1, "not even how long they are tells anything"
    assert asked == ["judged"] * 4, "each of them took the same steps"


def test_any_domain_is_asked_for_where_there_are_several_accounts() -> None:
    door = Door(accounts(ACME, account("other", "other.example", device={"d": device("x1")})))
    for host in ("acme.example", "other.example", "nowhere.example"):
        response = door.challenge(request(uri=f"sip:2001@{host}"))
        assert f'realm="{host}"' in response.get("WWW-Authenticate")


def test_the_same_user_name_in_two_accounts_is_two_devices(caplog: pytest.LogCaptureFixture) -> None:
    other = account("other", "other.example", device={"d": device("desk7", "other-horse")})
    door = Door(accounts(ACME, other))
    for realm, password, id in (
        ("acme.example", "correct-horse", "acme"),
        ("other.example", "other-horse", "other"),
    ):
        asked = request(uri=f"sip:1@{realm}")
        assert admitted(door, door.answered("desk7", password, asked=asked), PHONE).account_id == id
    assert caplog.text == ""
    Door(accounts(ACME, account("third", "ACME.example", device={"d": device("desk7", "third-horse")})))
    assert "desk7@ACME.example is there more than once" in caplog.text and "horse" not in caplog.text


def test_a_device_may_have_a_realm_of_its_own() -> None:
    mine = device("lab1")
    mine["sip"]["realm"] = "lab.example"
    door = Door(accounts(account(device={"lab": mine})))
    asked = request(uri="sip:1@lab.example")
    assert admitted(door, door.answered("lab1", "correct-horse", asked=asked), PHONE).realm == "lab.example"


def test_a_trunk_is_known_by_its_address() -> None:
    door = Door(accounts(account(device={"desk": device()}, resource={"carrier": CARRIER})))
    asked = request(uri="sip:+14155550100@203.0.113.9", from_='"X" <sip:+4312345@carrier.example>;tag=1')
    for host in ("192.0.2.1", "192.0.2.18"):
        who = admitted(door, asked, Hop("udp", host, 5060))
        assert (who.trunk, who.account_id, who.party.device_id) == ("carrier", "acme", "")
        assert who.party.trunk == "carrier"
        assert (who.party.from_number, who.party.to_number, who.party.from_name) == (
            "+4312345",
            "+14155550100",
            "X",
        )
    said = with_headers(asked, [("P-Asserted-Identity", '"Real" <sip:+4399@carrier.example>')])
    assert admitted(door, said, Hop("udp", "192.0.2.1", 5060)).party.from_number == "+4399"
    door.challenge(asked, Hop("udp", "192.0.2.32", 5060))
    door.challenge(register("<sip:x@192.0.2.1>"), Hop("udp", "192.0.2.1", 5060))


def test_a_trunk_may_prove_itself_by_digest() -> None:
    gateway = {"server": "sip.carrier.example", "username": "acme", "password": "trunk-horse"}
    door = Door(accounts(account(resource={"carrier": {"name": "C", "gateways": [gateway]}})))
    who = admitted(door, door.answered("acme", "trunk-horse"), PHONE)
    assert who.trunk == "carrier" and who.party.device_id == ""


def test_carriers_of_several_accounts_go_by_the_realm_that_is_called() -> None:
    found = [account(id, f"{id}.example", resource={"carrier": CARRIER}) for id in ("one", "two")]
    door = Door(accounts(*found))
    source = Hop("udp", "192.0.2.1", 5060)
    assert admitted(door, request(uri="sip:1@two.example"), source).account_id == "two"
    assert admitted(door, request(uri="sip:1@203.0.113.9"), source).account_id == "one"


OPEN = account(
    device={"bob": {"sip": {"username": "bob7"}, "owner_id": "bob"}, "plain": {}}, user={"bob": {}}
)


def test_an_account_without_passwords_and_trunks_is_open_to_this_machine_only() -> None:
    door = Door(accounts(OPEN))
    asked = request(from_='"Zoe" <sip:zoe@x>;tag=1', uri="sip:2001@127.0.0.1:5060")
    for host in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert admitted(door, asked, Hop("udp", host, 5)).party.from_number == "zoe"
    for host in ("192.0.2.77", "10.0.0.1", "::2", "localhost"):
        door.challenge(asked, Hop("udp", host, 5))
    assert not door.admission.guarded and Door().admission.guarded


def test_a_guest_is_the_device_that_it_says_it_is() -> None:
    door = Door(accounts(OPEN))
    for said, id in (("bob7", "bob"), ("plain", "plain"), ("zoe", "")):
        who = admitted(door, request(from_=f"<sip:{said}@x>;tag=1"), HERE)
        assert who.party.device_id == id
    assert (
        admitted(door, register("<sip:bob7@127.0.0.1>", to="<sip:bob7@acme.example>"), HERE).username
        == "bob7"
    )


@pytest.mark.parametrize(
    "found",
    [
        account(device={"bare": {}, "desk": device()}),
        account(device={"bare": {}}, resource={"carrier": CARRIER}),
        account(device={"odd": {"sip": {"username": "odd", "password": 12345}}}),
    ],
    ids=["a password", "a trunk", "a password that is none"],
)
def test_one_password_or_trunk_closes_an_account(found: Account) -> None:
    door = Door(accounts(found))
    door.challenge(request(), HERE)
    assert door.admission.guarded


def test_open_accounts_can_be_forbidden() -> None:
    door = Door(accounts(OPEN), settings(open_on_loopback=False))
    door.challenge(request(), HERE)


def test_wrong_passwords_end_in_silence_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(settings=settings(failed_auth_per_minute=3, ban_s=30))
    right = door.answered("desk7", "correct-horse")
    for _ in range(3):
        assert isinstance(door.admission.judge(door.answered("desk7", "guess"), PHONE), Challenged)
    assert isinstance(door.admission.judge(right, PHONE), Ignored) and door.admission.ignored(PHONE)
    assert isinstance(door.admission.judge(request(), PHONE), Ignored)
    other = Hop("udp", "192.0.2.78", 1)
    admitted(door, door.answered("desk7", "correct-horse", source=other), other)
    door.clock.at += 30.0
    admitted(door, door.answered("desk7", "correct-horse"), PHONE)
    counts = door.admission.counts
    assert (counts.wrong, counts.banned, counts.ignored, counts.admitted) == (3, 1, 2, 2)
    assert caplog.record_tuples == [
        ("callflow", logging.WARNING, "192.0.2.77 is ignored for 30 s: wrong passwords")
    ]


def test_a_wrong_password_is_told_with_the_address_and_the_user(caplog: pytest.LogCaptureFixture) -> None:
    door = Door()
    with caplog.at_level(logging.INFO, "callflow"):
        door.admission.judge(door.answered("desk7", "guess"), PHONE)
        door.admission.judge(door.answered("desk7", "correct-horse"), PHONE)
    assert caplog.messages == ["192.0.2.77 has sent a wrong user name or password, as user 'desk7'"]


def test_forged_answers_ban_nobody() -> None:
    """Who never got our challenge may have forged the address: it is asked again, and counts for nothing."""
    door = Door(settings=settings(failed_auth_per_minute=3))
    guess = door.answered("desk7", "guess", source=Hop("udp", "192.0.2.99", 1))
    for _ in range(50):
        assert isinstance(door.admission.judge(guess, PHONE), Challenged)
    assert not door.admission.ignored(PHONE)


def test_a_scan_gets_no_more_challenges_but_a_phone_goes_on() -> None:
    door = Door(settings=settings(failed_auth_per_minute=2))
    right = door.answered("desk7", "correct-horse")
    for _ in range(15):
        door.challenge()
    door.clock.at += 6.0
    assert isinstance(door.admission.judge(request(), PHONE), Ignored)
    admitted(door, right, PHONE)


def test_a_restart_bans_no_phones() -> None:
    """After a restart every phone comes with a nonce that is not ours: stale, not wrong."""
    before = Door()
    answers = [before.answered("desk7", "correct-horse") for _ in range(50)]
    door = Door(settings=settings(failed_auth_per_minute=3))
    for answer in answers:
        verdict = door.admission.judge(answer, PHONE)
        assert isinstance(verdict, Challenged) and "stale=true" in verdict.response.get("WWW-Authenticate")
    assert door.admission.counts.stale == 50 and door.admission.counts.wrong == 0


def test_documents_can_change_while_running() -> None:
    door = Door()
    right = door.answered("desk7", "correct-horse")
    changed = accounts(account(device={"desk": device(password="other-horse")}))
    door.admission.load(changed, door.settings, Trunks(changed))
    assert isinstance(door.admission.judge(right, PHONE), Challenged)
    admitted(door, door.answered("desk7", "other-horse"), PHONE)


def test_what_comes_from_the_network_is_cleaned() -> None:
    door = Door(accounts(OPEN))
    asked = request(
        uri="sip:20%0a%0d01%20%2F..%2f@acme.example",
        from_='"Ev\\"il\t' + "n" * 400 + '" <sip:%0aadmin%25s' + "9" * 90 + "@x>;tag=1",
    )
    party = admitted(door, asked, HERE).party
    assert party.to_number == "2001.." and "\n" not in party.from_number and "%" not in party.from_number
    assert len(party.from_number) == 64 and len(party.from_name) == 128 and party.from_name.isprintable()
