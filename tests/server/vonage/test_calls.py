"""``/v1/calls``: calls are made, listed, looked at, and refused."""

from __future__ import annotations

from tests.server.vonage.house import NUMBER, House

WAIT = [{"action": "wait", "timeout": 60}]


def test_a_call_is_made_and_ends(vonage: House) -> None:
    id = vonage.call(WAIT)
    shown = vonage.until_status(id, "answered")
    assert shown["to"] == {"type": "sip", "uri": vonage.phone.contact}
    assert shown["from"] == {"type": "phone", "number": NUMBER}
    answer = vonage.ask("PUT", f"/v1/calls/{id}", {"action": "hangup"})
    assert (answer.status_code, answer.content) == (204, b"")
    vonage.until_status(id, "completed")
