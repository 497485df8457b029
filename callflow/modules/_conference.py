"""Layer 4: what ``conference`` and ``conference_feature`` share: which conference, in what role, its rules.

The way in is that of Kazoo's conference application: welcome, number, pin, room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import HardStop, Outcome
from callflow.engine.pins import PinDoor, pins_of
from callflow.engine.rooms import Out, RoomRules
from callflow.engine.roomseat import ACTIONS, KEYS, Entry
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, ToneClip

ENTRY_TONE = ToneClip("v=-7;%(300,0,523,659);v=-7;%(800,0,659,783)")
EXIT_TONE = ToneClip("v=-7;%(300,0,523,440);v=-7;%(800,0,349,440)")
"""Kazoo's tones (``conferences.entry_tone``, ``exit_tone``), without their fading."""

ATTEMPTS = 3
LONGEST = 16
WAIT_S = 5.0
"""For the number and the pin: how often they are asked for, their digits, and the wait for each digit."""

SOUNDS: Mapping[str, str] = {
    "muted": "conf-muted",
    "unmuted": "conf-unmuted",
    "deaf": "conf-deaf",
    "undeaf": "conf-undeaf",
    "alone": "conf-alone",
}
"""What a member hears when something changes for it, as prompts."""

TOLD = {Out.FULL: "conf-max_participants", Out.LOCKED: "conf-max_participants"}


@dataclass(frozen=True, slots=True)
class Found:
    """A conference: its id, its document, and what is known of the caller's role (None: nothing). ``door``:
    the name under which wrong pins are counted; a conference without a name is another one each time.
    """

    id: str
    document: Mapping[str, Any]
    moderator: bool | None = None
    named: bool = True

    @property
    def door(self) -> str:
        return self.id if self.named else "of a node"


async def confer(id: str, data: Mapping[str, Any], call: Call) -> Outcome:
    """Bring the caller into the conference ``id`` (empty: it asks) and wait until it has left."""
    await call.answer()
    found = _known(id, data, call)
    if found is None or found.document.get("play_welcome", True) is not False:
        await _welcome(data, call)
    found = found or await _asked(call)
    if found is None:
        return HardStop(did="found no conference")
    role = await _admit(found, call)
    if role is None:
        return HardStop(did=f"was not let into conference {found.id}")
    moderator = data["moderator"] if data.get("moderator") is not None else role
    if _of(found.document, "moderator" if moderator else "member").get("play_entry_prompt") is True:
        await call.prompt("conf-joining_conference")
    call.flush_digits()
    out = await call.rooms.join(
        f"conference {found.id}",
        await _rules(found.document, data, call),
        await _entry(found.document, call, moderator=moderator),
    )
    if out in TOLD:
        await _tell_why(out, found.document, call)
        return HardStop(did=f"could not join conference {found.id}: {out}")
    return HardStop(did=f"was in conference {found.id} until {_UNTIL[out]}")


_UNTIL = {
    Out.LEFT: "it left",
    Out.KEY: "the caller pressed the key to leave",
    Out.ENDED: "its last moderator left",
    Out.REMOVED: "the caller was put out",
}


# ---- the door --------------------------------------------------------------------------------


async def _welcome(data: Mapping[str, Any], call: Call) -> None:
    welcome = data.get("welcome_prompt") or {}
    if welcome.get("play", True) is False:
        return
    if media := welcome.get("media_id"):
        await _play(str(media), call)
    else:
        await call.prompt("conf-welcome")


def _known(id: str, data: Mapping[str, Any], call: Call) -> Found | None:
    """The conference that the node, or the number dialled, names."""
    config = data.get("config")
    if isinstance(config, Mapping):
        name = str(config.get("name") or call.services.ids.short())
        said = config.get("moderator")
        return Found(name, config, said if isinstance(said, bool) else None, bool(config.get("name")))
    if id:
        document = call.account.get("conference", id)
        if document is not None:
            return Found(id, document)
        found = _by_number(id, call)
        if found is not None:
            return found
        call.notice(
            "warning",
            "CF-RUN-CONFERENCE",
            f"there is no conference {id!r}; the caller is asked for its number",
            "The id is a file's name in the account's conferences folder, without .json.",
        )
    return None


async def _asked(call: Call) -> Found | None:
    """The conference whose number the caller enters."""
    for _ in range(ATTEMPTS):
        found = _by_number(await _ask("conf-enter_conf_number", call), call)
        if found is not None:
            return found
        await call.prompt("conf-bad_conf")
    await call.prompt("conf-too_many_attempts")
    return None


def _by_number(number: str, call: Call) -> Found | None:
    """The conference that has the number; one of moderators makes its caller one."""
    if not number:
        return None
    for id, document in sorted(call.account.all("conference").items()):
        member, moderator = _of(document, "member"), _of(document, "moderator")
        as_member, as_moderator = number in _texts(member, "numbers"), number in _texts(moderator, "numbers")
        if as_member or as_moderator or number in _texts(document, "conference_numbers"):
            return Found(id, document, as_moderator if as_member != as_moderator else None)
    return None


async def _admit(found: Found, call: Call) -> bool | None:
    """Ask for the pin, if there is one. True: comes in as a moderator; None: does not come in."""
    members = pins_of(_of(found.document, "member").get("pins"))
    moderators = pins_of(_of(found.document, "moderator").get("pins"))
    if found.moderator is None:
        wanted = [*members, *moderators]
    else:
        wanted = moderators if found.moderator else members
    if not wanted:
        return bool(found.moderator)
    open_to_members = not members and found.moderator is None
    door = PinDoor(call, f"conference {found.door}", shared=True)

    async def asking() -> str:
        return await _ask("conf-enter_conf_pin", call)

    pin = await door.enter(asking, wanted, tries=ATTEMPTS, wrong="conf-bad_pin", may_skip=open_to_members)
    if pin is None:
        await call.prompt("conf-too_many_attempts")
        return None
    if not pin:
        return False
    return found.moderator if found.moderator is not None else pin not in members


async def _ask(prompt: str, call: Call) -> str:
    digits = await call.collect_digits(
        max_digits=LONGEST,
        timeout_s=WAIT_S,
        interdigit_s=WAIT_S,
        terminators="#",
        clips=await _sound(f"prompt://system_media/{prompt}", call),
    )
    return digits.digits


async def _tell_why(out: Out, document: Mapping[str, Any], call: Call) -> None:
    media = document.get("max_members_media")
    if out is Out.FULL and media:
        await _play(str(media), call)
    else:
        await call.prompt(TOLD[out])


# ---- the room --------------------------------------------------------------------------------


async def _rules(document: Mapping[str, Any], data: Mapping[str, Any], call: Call) -> RoomRules:
    most = document.get("max_participants")
    return RoomRules(
        most=most if isinstance(most, int) and most > 0 else 0,
        wait=document.get("wait_for_moderator") is True or document.get("require_moderator") is True,
        end=document.get("endconf") is True,
        entry=await _tone("play_entry_tone", ENTRY_TONE, document, data, call),
        exit=await _tone("play_exit_tone", EXIT_TONE, document, data, call),
        music=await _music(call),
    )


async def _entry(document: Mapping[str, Any], call: Call, *, moderator: bool) -> Entry:
    role = _of(document, "moderator" if moderator else "member")
    sounds = {what: await _sound(f"prompt://system_media/{name}", call) for what, name in SOUNDS.items()}
    name = await _name(document, call)
    return Entry(
        moderator=moderator,
        muted=role.get("join_muted") is True,
        deaf=role.get("join_deaf") is True,
        keys=_keys(document, "moderator_controls" if moderator else "caller_controls", call),
        sounds=sounds,
        joins=(*name, *await _sound("prompt://system_media/conf-has_joined", call)) if name else (),
        leaves=(*name, *await _sound("prompt://system_media/conf-has_left", call)) if name else (),
    )


async def _name(document: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    """The caller's name as its user document has it recorded, if names are to be said."""
    if document.get("play_name") is not True:
        return ()
    media = _of(call.account.get("user", call.party.user_id) or {}, "pronounced_name").get("media_id")
    return await _sound(str(media), call) if media else ()


def _keys(document: Mapping[str, Any], group: str, call: Call) -> Mapping[str, str]:
    """The group of controls that the document names; the usual keys if it has none of that name."""
    rows = _of(document, "controls").get(str(document.get(group) or "default"))
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return KEYS
    keys: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        digits, action = str(row.get("digits") or ""), str(row.get("action") or "")
        if digits and action in ACTIONS:
            keys[digits] = action
        elif digits:
            call.notice(
                "warning",
                "CF-RUN-CONFERENCE",
                f"the key {digits} of a conference does nothing: {action!r} is not known here",
                f"What keys can do: {', '.join(sorted(ACTIONS))}.",
            )
    return keys


async def _tone(
    key: str, usual: Clip, document: Mapping[str, Any], data: Mapping[str, Any], call: Call
) -> tuple[Clip, ...]:
    """What all hear when somebody comes or goes: the node says it, else the document; without both a tone."""
    said = data.get(key) if data.get(key) is not None else document.get(key, True)
    if said is False:
        return ()
    if isinstance(said, str) and said:
        return await _sound(said, call)
    return (usual,)


async def _music(call: Call) -> tuple[Clip, ...]:
    media = _of(call.account.document, "music_on_hold").get("media_id")
    return await _sound(str(media), call) if media else ()


async def _play(media: str, call: Call) -> None:
    if clips := await _sound(media, call):
        await call.play(clips)


async def _sound(media: str, call: Call) -> tuple[Clip, ...]:
    """What is to be played; what cannot be found is a notice and silence."""
    try:
        return await call.clips_for(media)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice("warning", error.code, f"conference: {error}", error.hint)
        return ()


def _of(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _texts(document: Mapping[str, Any], key: str) -> list[str]:
    found = document.get(key)
    return (
        [str(value) for value in found] if isinstance(found, Sequence) and not isinstance(found, str) else []
    )
