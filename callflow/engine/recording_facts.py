"""Layer 3: what a call knows about its recordings: their channels and documents. No input or output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import Direction, Party
from callflow.clock import month
from callflow.documents.record_settings import RecordSettings, SilenceSettings
from callflow.documents.settings import MediaSettings, Settings
from callflow.media.messages import Side, TapPoint
from callflow.recording.messages import RecordingSpec, SilenceRule, StartOn, content_type

if TYPE_CHECKING:
    from callflow.engine.call import Call


@dataclass(frozen=True, slots=True)
class Subject:
    """The leg that a recording is of, where that is not the caller's: a B-leg. Its ``call_id`` is that of the
    recording's document and upload url (kazoo.md 1.14). ``owner_id``, ``endpoint_id``: whose phone it is.
    """

    leg: str
    call_id: str
    party: Party
    owner_id: str = ""
    endpoint_id: str = ""


def tap_points(leg: str, settings: Settings) -> tuple[TapPoint, ...]:
    """The channels of a recording of ``leg``: what its party says on the left and hears on the right, or
    both in one (``media.record_stereo``).
    """
    if settings.media.record_stereo:
        return (TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE))
    return (TapPoint(leg, Side.MIX),)


def moved_taps(taps: tuple[TapPoint, ...], left: str, remains: str) -> tuple[TapPoint, ...]:
    """Where ``taps`` listen once the leg ``left`` is gone from its talk with ``remains``.

    What the one said is what the other heard: so each party, and whoever takes the place of the one that
    left, stays on its channel.
    """
    other = {Side.READ: Side.WRITE, Side.WRITE: Side.READ, Side.MIX: Side.MIX}
    return tuple(_with(tap, left, lambda place: TapPoint(remains, other[place.side])) for tap in taps)


def replaced_taps(taps: tuple[TapPoint, ...], left: str, by: str) -> tuple[TapPoint, ...]:
    """Where ``taps`` listen once the leg ``by`` is in the place of the leg ``left``."""
    return tuple(_with(tap, left, lambda place: TapPoint(by, place.side)) for tap in taps)


def _with(tap: TapPoint, left: str, other: Callable[[TapPoint], TapPoint]) -> TapPoint:
    """``tap`` with another place for each that is on the leg ``left``."""
    first, *more = (other(place) if place.leg == left else place for place in tap.places)
    return replace(first, more=tuple(replace(place, more=()) for place in more))


def document_of(
    call: Call,
    media_name: str,
    settings: RecordSettings,
    origin: str,
    extra: Mapping[str, Any] | None,
    subject: Subject | None = None,
) -> dict[str, Any]:
    """The facts of kazoo.md 1.12 that are known at the start; the finish adds duration, start and file."""
    party = call.party if subject is None else subject.party
    call_id = call.id if subject is None else subject.call_id
    facts: dict[str, Any] = {
        "name": media_name,
        "description": f"recording {media_name}",
        "content_type": content_type(settings.format),
        "media_type": settings.format,
        "media_source": "recorded",
        "source_type": "callflow",
        "call_id": call_id,
        "other_leg_call_id": "" if subject is None else call.id,
        "cdr_id": f"{month(call.services.clock.wall())}-{call_id}",
        "interaction_id": call.interaction_id,
        "from": f"{party.from_number}@{party.from_realm}",
        "to": f"{party.to_number}@{party.to_realm}",
        "request": f"{party.to_number}@{party.to_realm}",
        "direction": str(Direction.INBOUND if subject is None else Direction.OUTBOUND),
        "caller_id_number": call.identity.number,
        "caller_id_name": call.identity.name or call.identity.number,
        "callee_id_number": party.to_number,
        "callee_id_name": party.to_number,
        "owner_id": call.variables.owner_id if subject is None else subject.owner_id,
        "endpoint_id": "" if subject is None else subject.endpoint_id,
        "account_id": call.account.id,
        "callflow_id": call.flow_id,
        "origin": origin,
        "custom_channel_vars": dict(call.variables.custom_channel_vars),
        **(extra or {}),
    }
    return {name: value for name, value in facts.items() if value not in ("", None)}


def with_url(spec: RecordingSpec, url: str) -> RecordingSpec:
    """``spec`` with its final upload url."""
    return replace(spec, target=replace(spec.target, url=url))


def start_on(settings: RecordSettings) -> StartOn:
    """When it begins; with both flags the bridge decides."""
    if settings.record_on_bridge:
        return StartOn.BRIDGE
    return StartOn.ANSWER if settings.record_on_answer else StartOn.NOW


def silence_rule(wanted: SilenceSettings | None, media: MediaSettings) -> SilenceRule | None:
    """When silence ends it, and how silence is told from speech."""
    if wanted is None:
        return None
    return SilenceRule(
        wanted.initial_ms, wanted.final_ms, wanted.threshold, media.silence_detector, media.vad_mode
    )
