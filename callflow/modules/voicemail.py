"""Layer 4, module ``voicemail``: take a message for a mailbox (``compose``), or hear them (``check``).

``_voicemail_box.py`` the mailbox · ``_voicemail_compose.py`` taking a message · ``_voicemail_login.py`` who
may check · ``_voicemail_menu.py`` messages · ``_voicemail_setup.py`` greetings and PIN. A message is a
recording like any other (same recorder, spool, media store), of the caller's side only. It has no part in
what ``record_call`` does on the same call: those recordings go on undisturbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._voicemail_box import Box, box_of_number
from callflow.modules._voicemail_compose import compose
from callflow.modules._voicemail_login import check, find_and_check, knows_caller

COMPOSE, CHECK = "compose", "check"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Do ``action``; then ``_``, or the operator's flow if the caller presses the operator key."""
    action = data["action"]
    if action not in (COMPOSE, CHECK):
        # The error note of the data says so.
        return Continue(did=f"passed over: there is no action {action!r}")
    await call.answer()
    id = str(data.get("id") or "") or box_of_number(call.capture_group, call)
    if not id and action == CHECK and not call.capture_group:
        return await find_and_check(data, call)
    if call.account.get("vmbox", id) is None:
        return await _no_such(id or call.capture_group, call)
    box = Box(call, id, data["interdigit_timeout"] / 1000)
    if action == CHECK or (box.document.get("check_if_owner", True) is not False and box.is_owners):
        return await check(box, known=knows_caller(data, box))
    return await compose(box, data)


async def _no_such(box_id: str, call: Call) -> Outcome:
    call.notice(
        "error",
        "CF-RUN-MAILBOX",
        f"voicemail: there is no mailbox {box_id!r}",
        "The id is a file's name in the account's vmboxes folder, without .json.",
    )
    await call.prompt("vm-no_mailbox")
    return Continue(did="found no such mailbox")
