"""missed_call_alert, notification: mails about calls, taken by a real SMTP server (aiosmtpd) on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from callflow.channels.sim.scenario import Callee, Scenario
from callflow.delivery import mail
from callflow.documents.settings import load_settings
from callflow.errors import MailError
from callflow.events import MailAboutCall
from tests.modules.stage import LOW, NEVER, Ran, Stage, answers, caller, node, tone
from tests.ports import free_ports


class Post:
    """What the server takes; ``replies`` are given to the first mails instead."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.mails: list[EmailMessage | Message] = []
        self.to: list[list[str]] = []
        self.users: list[Any] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.replies:
            return self.replies.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.to.append(list(envelope.rcpt_tos))
        return "250 OK"

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.users.append((data.login, data.password))
        return AuthResult(success=data.password == b"right")


@contextmanager
def post_office(post: Post, *, log_in: bool = False) -> Iterator[dict[str, object]]:
    """A server that is up, and the settings that lead to it."""
    more: dict[str, Any] = {"authenticator": post.log_in, "auth_require_tls": False} if log_in else {}
    port = free_ports(1)
    server = Controller(post, hostname="127.0.0.1", port=port, **more)
    server.start()
    try:
        yield {
            "smtp_client__relay": "127.0.0.1",
            "smtp_client__port": port,
            "smtp_client__sender": "Phones <phones@example.com>",
            "smtp_client__hostname": "pbx.example.com",
        }
    finally:
        server.stop()


ALERT = {
    "recipients": [{"type": "user", "id": ["alice", "ghost"]}, {"type": "email", "id": "boss@example.com"}]
}
ZOE = {"from_number": "+15550100", "from_name": "Zoë\nMiller"}


def _call(stage: Stage, flow: Any, callee: Callee = NEVER, **more: Any) -> Ran:
    stage.has("user", "alice", {"email": "alice@example.com"})
    stage.has("device", "desk", {"owner_id": "alice"})
    party = caller(says=[tone(LOW, 20)], leaves=30.0)
    return stage.run(flow, Scenario(**{**ZOE, **more}, caller=party, callee=callee))


def _told(ran: Ran) -> list[tuple[str, tuple[str, ...]]]:
    return [(event.state, event.recipients) for event in ran.of(MailAboutCall)]


ADDRESSES = ("alice@example.com", "boss@example.com")


def test_missed_call_alert_mails_at_the_end_of_an_unanswered_call(stage: Stage) -> None:
    post = Post()
    with post_office(post) as settings:
        stage.set(**settings)
        ran = _call(stage, node("missed_call_alert", ALERT, then=node("user", {"id": "alice", "timeout": 5})))
    ((message,), (to,)) = post.mails, post.to
    assert to == list(ADDRESSES) and message["From"] == "Phones <phones@example.com>"
    assert message["Subject"] == "Missed call from Zoë Miller (+15550100)"
    assert message["Auto-Submitted"] == "auto-generated"
    assert isinstance(message, EmailMessage)
    text = message.get_content()
    assert "was missed" in text and ran.report.call_id in text and "call_bridged      false" in text
    assert _told(ran) == [("sent", ADDRESSES)]
    assert [notice.code for notice in ran.notices()] == ["CF-RUN-MAIL"], "of the user who is not there"


def test_missed_call_alert_is_silent_where_somebody_talked_or_left_a_message(stage: Stage) -> None:
    ring = node("user", {"id": "alice", "timeout": 5})
    talked = _call(stage, node("missed_call_alert", ALERT, then=ring), answers(1.0, leaves=3.0))
    assert _told(talked) == []
    stage.has("vmbox", "box", {"mailbox": "1", "skip_greeting": True, "skip_instructions": True})
    box = node("voicemail", {"action": "compose", "id": "box"})
    assert _told(_call(stage, node("missed_call_alert", ALERT, then=box))) == []
    inside = _call(stage, node("missed_call_alert", ALERT, then=node("sleep")), device_id="desk")
    assert _told(inside) == []
    wanted = node("missed_call_alert", {**ALERT, "alert_on_internal_calls": True}, then=node("sleep"))
    assert [state for state, _ in _told(_call(stage, wanted, device_id="desk"))] == ["off"]


def test_missed_call_alert_without_a_server_is_an_event_and_a_warning(stage: Stage) -> None:
    ran = _call(stage, node("missed_call_alert", {"recipients": [{"type": "email", "id": "x@example.com"}]}))
    (event,) = ran.of(MailAboutCall)
    assert event.state == "off" and "smtp_client.relay" in event.message
    assert event.facts["caller_id_number"] == "+15550100"
    assert [(notice.level, notice.code) for notice in ran.notices()] == [("warning", "CF-RUN-MAIL")]


def test_a_mail_that_may_still_pass_is_tried_again_and_one_that_cannot_is_not(stage: Stage) -> None:
    flow = node("missed_call_alert", ALERT)
    post = Post("451 try later", "421 busy")
    with post_office(post) as settings:
        stage.set(**settings)
        assert [state for state, _ in _told(_call(stage, flow))] == ["sent"] and len(post.mails) == 1
        post.replies = ["554 we do not like it"]
        ran = _call(stage, flow)
    assert [state for state, _ in _told(ran)] == ["failed"] and len(post.mails) == 1
    (error,) = ran.notices("error")
    assert error.code == "CF-DLV-007" and "554 we do not like it" in error.message
    assert error.module == "missed_call_alert"
    gone = _call(stage, flow)
    assert [state for state, _ in _told(gone)] == ["failed"], "nobody listens there any more"


def test_notification_goes_out_at_once_or_at_the_end(stage: Stage) -> None:
    post = Post()
    data = {
        "recipients": [{"type": "email", "id": "boss@example.com"}],
        "template_id": "vip",
        "comments": "Hurry.",
    }
    with post_office(post, log_in=True) as settings:
        stage.set(**settings, smtp_client__username="me", smtp_client__password="right")
        _call(stage, node("notification", {**data, "custom_data": {"order": 7}}, then=node("answer")))
        _call(stage, node("notification", {**data, "send_at": "callflow_exec"}, then=node("answer")))
    first, second = (message.get_content() for message in post.mails if isinstance(message, EmailMessage))
    assert first.startswith("Hurry.") and '{"order": 7}' in first and "hangup_cause" in first
    assert (
        "hangup_cause" not in second and post.mails[1]["Subject"] == "vip: call from Zoë Miller (+15550100)"
    )
    assert post.users == [(b"me", b"right")] * 2
    none = _call(stage, node("notification", {"recipients": [], "notification_media": ["sms"]}))
    assert [notice.code for notice in none.notices()] == ["CF-RUN-MAIL", "CF-RUN-TEMPLATE"]


def test_refused_recipients_and_a_server_without_tls() -> None:
    post = Post()
    with post_office(post) as settings:
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        client = load_settings(overrides=dotted).smtp_client
        message = mail.compose(client.sender, ["nobody@example.com", "a@example.com"], "x\ny", "text", 0.0)
        assert mail.send(client, message) == ("nobody@example.com",)
        with pytest.raises(MailError, match="550"):
            mail.send(client, mail.compose(client.sender, ["nobody@example.com"], "x", "text", 0.0))
        strict = load_settings(overrides={**dotted, "smtp_client.tls": "always"}).smtp_client
        with pytest.raises(MailError, match="STARTTLS"):
            mail.send(strict, message)
    assert post.mails[0]["Subject"] == "x y"


def test_what_is_no_address_gets_no_mail() -> None:
    said = [
        "a@example.com",
        "a@example.com",
        "x",
        "",
        "b@",
        "c@example.com\nBcc: d@example.com",
        7,
        "Z <z@e.com>",
    ]
    for evil in ("a\x00b@e.com", "a@e.com\rBcc: b@e.com", "a@e.com\nBcc: b@e.com"):
        assert mail.sound_addresses([evil]) == []
    assert mail.sound_addresses(said) == ["a@example.com", "z@e.com"]
    assert len(mail.sound_addresses([f"u{n}@example.com" for n in range(99)])) == mail.MAX_RECIPIENTS


def test_the_password_is_not_shown() -> None:
    assert "hush" not in repr(load_settings(overrides={"smtp_client.password": "hush"}).smtp_client)
