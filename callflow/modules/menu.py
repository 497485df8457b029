"""Layer 4, module ``menu``: play a greeting, collect digits, pick a child or another flow by them.

The order of things is Kazoo's (kazoo.md 3, "Details worth copying"): digits → child of that name → hunt →
invalid prompt and one try less; no digits → child or flow ``timeout`` → one try less; no try left → exit
prompt, then child ``max_retries``, else ``_``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents.patterns import compile_pattern
from callflow.engine.call import Call
from callflow.engine.outcome import Attempt, Branch, Continue, Outcome
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip
from callflow.modules._children import has_child, wildcard_is_empty

TERMINATOR = "#"
TIMEOUT = "timeout"
MAX_RETRIES = "max_retries"

NO_GREETING = "menu-no_prompt"
INVALID = "menu-invalid_entry"
TRANSFER = "menu-transferring_call"
EXIT = "menu-exit"
GOODBYE = "vm-goodbye"


@dataclass(frozen=True, slots=True)
class _Menu:
    """What the menu's document and the node say; times in seconds."""

    document: Mapping[str, Any]
    interdigit_s: float

    @property
    def media(self) -> Mapping[str, Any]:
        media = self.document.get("media")
        return media if isinstance(media, Mapping) else {}

    def stock_or_own(self, key: str, stock: str) -> str:
        """What to play for ``media[key]``: ``true`` or nothing is the stock prompt, ``false`` is silence."""
        wanted = self.media.get(key, True)
        if wanted is False or self.document.get("suppress_media") is True:
            return ""
        return stock if wanted is True or not wanted else str(wanted)


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Run the menu whose id is ``id``; no such menu: go on to ``_``."""
    menu_id = str(data.get("id") or "")
    document = call.account.get("menu", menu_id)
    if document is None:
        call.notice(
            "error",
            "CF-RUN-MENU",
            f"menu: there is no menu {menu_id!r}",
            "The id is a file's name in the account's menus folder, without .json.",
        )
        return Continue(did="found no such menu")
    interdigit_ms = data.get("interdigit_timeout") or document["interdigit_timeout"]
    menu = _Menu(document, interdigit_ms / 1000)
    await call.answer()
    for _ in range(int(document["retries"])):
        outcome = await _one_try(menu, call)
        if outcome is not None:
            return outcome
    return await _give_up(menu, call)


async def _one_try(menu: _Menu, call: Call) -> Outcome | None:
    """Greet and collect once; None: it led nowhere."""
    digits = await call.collect_digits(
        max_digits=int(menu.document["max_extension_length"]),
        timeout_s=menu.document["timeout"] / 1000,
        interdigit_s=menu.interdigit_s,
        terminators=TERMINATOR,
        clips=await _greeting(menu, call),
    )
    # A child named "#" is what its author means by that key, so it is one although "#" ends an entry.
    entered = digits.digits or (digits.terminator if has_child(call, digits.terminator) else "")
    if not entered:
        return await _match(TIMEOUT, menu, call)
    outcome = await _match(entered, menu, call)
    if outcome is not None:
        return outcome
    if entered == menu.document.get("record_pin"):
        call.notice(
            "warning",
            "CF-RUN-MENU-PIN",
            "menu: the greeting cannot be recorded by phone",
            "Put the audio into the account's media folder and name it in media.greeting.",
        )
    await _say(menu.stock_or_own("invalid_media", INVALID), call)
    return None


async def _match(entered: str, menu: _Menu, call: Call) -> Outcome | None:
    """The child of this name, else the flow that has it as its number."""
    if has_child(call, entered):
        return Attempt(keys=(entered,), otherwise=Continue(), did=f"entered {entered}")
    if not may_hunt(entered, menu.document):
        return None
    flow = call.route(entered)
    if flow is None:
        return None
    await _say(menu.stock_or_own("transfer_media", TRANSFER), call)
    return Branch(flow=flow, did=f"entered {entered}, the number of another callflow")


async def _give_up(menu: _Menu, call: Call) -> Outcome:
    call.flush_digits()
    await _say(menu.stock_or_own("exit_media", EXIT), call)
    if not has_child(call, MAX_RETRIES) and wildcard_is_empty(call):
        await _say(GOODBYE, call)
    return Attempt(keys=(MAX_RETRIES,), otherwise=Continue(), did="gave up after the last try")


async def _greeting(menu: _Menu, call: Call) -> tuple[Clip, ...]:
    greeting = str(menu.media.get("greeting") or NO_GREETING)
    try:
        return await call.clips_for(greeting)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("error", error.code, f"menu: the greeting was not played: {error}", error.hint)
        return await call.clips_for(NO_GREETING)


async def _say(media: str, call: Call) -> None:
    """Play a prompt or media id; one that cannot be played does not keep the caller from going on."""
    if not media:
        return
    try:
        await call.play_media(media)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("error", error.code, f"menu: {media} was not played: {error}", error.hint)


def may_hunt(entered: str, document: Mapping[str, Any]) -> bool:
    """May ``entered`` be looked up among the account's numbers? Both patterns are searched, not anchored;
    an invalid ``hunt_allow`` allows nothing, an invalid ``hunt_deny`` denies nothing (kazoo.md 3).
    """
    if document.get("hunt") is False:
        return False
    allow, deny = str(document.get("hunt_allow") or ""), str(document.get("hunt_deny") or "")
    return _found(allow, entered) and not (deny and _found(deny, entered, too_slow=True))


def _found(pattern: str, text: str, *, too_slow: bool = False) -> bool:
    """Does ``pattern`` occur in ``text``? An invalid one occurs nowhere; of one that takes too long nobody
    knows: ``too_slow``.
    """
    try:
        compiled = compile_pattern(pattern)
    except re.error:
        return False
    try:
        return compiled.search(text) is not None
    except re.error:
        return too_slow
