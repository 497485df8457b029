"""Layer 4, module ``dynamic_cid``: the caller chooses which number is shown for this call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from callflow.documents.patterns import compile_pattern
from callflow.documents.restrictions import is_restricted
from callflow.engine.call import Call
from callflow.engine.outcome import Branch, Continue, HardStop, Outcome, Stop
from callflow.engine.restricting import restricting
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, ToneClip
from callflow.modules._feature import ASK_S, dial, interdigit_s

ENTER, REFUSED = "dynamic-cid-enter_cid", "dynamic-cid-invalid_using_default"
ACCEPTED = ToneClip("%(250,50,440)")

KEY_DIGITS = 2
"""So many of the captured digits name an entry, where the list says nothing."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """``manual``: keyed in; ``static``: the node's; both go on to ``_``. ``list``, ``lists``: the first of
    the captured digits name an entry, the others are dialled: their flow comes next.
    """
    action = str(data["action"])
    if action == "static":
        said = data.get("caller_id")
        await _show(said if isinstance(said, Mapping) else {}, call)
        return Continue(did=f"shows {call.identity.shown().from_number}")
    if action in ("list", "lists") and call.capture_group:
        return await _from_list(action, data, call)
    await _by_hand(data, call)
    return Continue(did=f"shows {call.identity.shown().from_number}")


async def _show(said: Mapping[str, Any], call: Call) -> None:
    """Show ``{number, name}``; without a number the caller's own, and it is told so."""
    number, name = str(said.get("number") or ""), str(said.get("name") or "")
    if not number:
        await call.answer()
        await call.prompt(REFUSED)
    call.identity.choose(number or call.identity.number, name or call.identity.name)


# ---- keyed in -----------------------------------------------------------------------------------


async def _by_hand(data: Mapping[str, Any], call: Call) -> None:
    await call.answer()
    entered = await call.collect_digits(
        max_digits=int(data["max_digits"]),
        timeout_s=ASK_S,
        interdigit_s=interdigit_s(data),
        terminators="#",
        clips=await _question(data, call),
    )
    long_enough = len(entered.digits) >= int(data["min_digits"])
    if entered.digits and long_enough and _allowed(str(data["whitelist_regex"]), entered.digits, call):
        await call.play((ACCEPTED,))
        call.identity.choose(entered.digits)
    else:
        await call.prompt(REFUSED)
    call.flush_digits()


def _allowed(pattern: str, number: str, call: Call) -> bool:
    try:
        return compile_pattern(pattern).search(number) is not None
    except re.error as error:
        call.notice(
            "warning",
            "CF-RUN-REGEX",
            f"dynamic_cid: whitelist_regex {pattern!r} is no regular expression: {error}",
            "No number fits it, and the caller's own is shown.",
        )
        return False


async def _question(data: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    try:
        return await call.clips_for(str(data.get("media_id") or ENTER))
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("error", error.code, f"dynamic_cid: {error}", error.hint)
        return call.clips.prompt(ENTER, call.language)


# ---- from a list --------------------------------------------------------------------------------


async def _from_list(action: str, data: Mapping[str, Any], call: Call) -> Outcome:
    list_id = str(data.get("id") or "")
    document = call.account.get("list", list_id)
    if document is None:
        call.notice(
            "error",
            "CF-DOC-003",
            f"dynamic_cid: there is no list {list_id!r}",
            "The id is a file's name in the account's lists folder, without .json.",
        )
        await call.answer()
        await call.prompt("fault-can_not_be_completed_at_this_time")
        return HardStop(did="found no such list")
    key, number = _split(data, document, call)
    await _show(_entry(action, key, document), call)
    flow = dial(call, number)
    if flow is None:
        await call.prompt("disa-invalid_extension")
        return Stop(did=f"found no callflow for {number}")
    if data["enforce_call_restriction"] and is_restricted(number, restricting(call)):
        await call.answer()
        await call.prompt("cf-unauthorized_call")
        return HardStop(did=f"may not call {number}")
    return Branch(flow=flow, did=f"shows {call.identity.shown().from_number}, calls {number}")


def _split(data: Mapping[str, Any], document: Mapping[str, Any], call: Call) -> tuple[str, str]:
    """The entry's key and the number to call: by a named group, or the first digits and the rest."""
    captured = call.capture_group
    named = str(data.get("idx_name") or "")
    if named:
        return str(call.capture_groups.get(named) or ""), captured
    said = document.get("length")
    length = said if isinstance(said, int) and not isinstance(said, bool) else KEY_DIGITS
    return captured[:length], captured[length:]


def _entry(action: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """``list``: the entry of that id; ``lists``: the one whose ``cid_key`` it is."""
    entries = document.get("entries")
    if not isinstance(entries, Mapping):
        return {}
    if action == "list":
        found = entries.get(key)
        return found if isinstance(found, Mapping) else {}
    for entry in entries.values():
        if isinstance(entry, Mapping) and str(entry.get("cid_key") or "") == key:
            return {"number": entry.get("cid_number"), "name": entry.get("cid_name")}
    return {}
