"""Layer 3: what a module may do to a call. A small front; each concern has a file of its own.

Every method that waits raises ``CallGone`` once the caller has gone (or was transferred away), except
where it says otherwise. A module lets it pass: the walker ends the walk.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import Channel, DialTarget
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings
from callflow.engine.background import Background
from callflow.engine.changing import change_document
from callflow.engine.dialling.bridging import Bridging
from callflow.engine.dialling.endpoints import (
    MemberTargets,
    device_target,
    member_targets,
    number_targets,
    user_targets,
)
from callflow.engine.dialling.identity import Identity
from callflow.engine.endings import Endings
from callflow.engine.flow import Flow, Node
from callflow.engine.line import Leg, Line
from callflow.engine.mailing import Mailing
from callflow.engine.meeting.joining import Joins
from callflow.engine.metaflows import Metaflows
from callflow.engine.recording_rules import RuleRecordings
from callflow.engine.recordings import RecordingHandle, RecordingsDesk
from callflow.engine.results import BridgeResult, Digits
from callflow.engine.roomseat import RoomSeat
from callflow.engine.routing import Router
from callflow.engine.services import HttpResponse, Services
from callflow.engine.sound.announcing import Announcing
from callflow.engine.sound.clips import ClipFinder
from callflow.engine.sound.listening import Listening
from callflow.engine.sound.speaking import Speaking
from callflow.engine.variables import CallVariables, interaction_id, placeholders_of
from callflow.events import Noticed
from callflow.media.messages import Clip, TapPoint
from callflow.recording.messages import Target

if TYPE_CHECKING:
    from callflow.documents.record_settings import RecordSettings

__all__ = ["BridgeResult", "Call", "Digits", "RecordingHandle"]


class Call:
    """A call on its way through a flow: the caller's leg, and what was done to it so far."""

    def __init__(self, services: Services, channel: Channel, *, flow_name: str = "") -> None:
        self.services = services
        self.node = Node.nowhere()
        self.flow_id = ""
        self.flow_name = flow_name
        self.capture_group = ""
        self.capture_groups: Mapping[str, str] = {}
        self.no_match = False
        self.collections: dict[str, str] = {}
        self.language = "en-us"
        self.interaction_id = interaction_id(services)
        self.party = channel.party
        self.identity = Identity(services.account, channel.party)
        self.line = Line(services, channel, self.notice)
        self.variables = CallVariables(services.account, channel.party)
        self.background = Background(self.notice)
        self.recordings = RecordingsDesk(self)
        self.announcing = Announcing(self)
        self.rules = RuleRecordings(self)
        self.metaflows = Metaflows(self)
        self._router = Router(services)
        self.clips = ClipFinder(services)
        self.listening = Listening(services, self.line)
        self.bridging = Bridging(self)
        self.endings = Endings(self)
        self.mailing = Mailing(self)
        self.speaking = Speaking(self)
        self.joins = Joins(self)
        self.rooms = RoomSeat(self)

    def start(self) -> None:
        """Begin to hear the caller. ``callflow.engine.session`` does it, and ``close``."""
        self.services.calls.add(self.line.channel.call_id, self)
        self.listening.start()
        self.line.start()

    async def begin(self, flow: Flow) -> None:
        """Before the first node of ``flow``: what settings want. Raises ``CallGone``."""
        self.metaflows.begin(flow)
        await self.rules.begin(flow)

    async def meets(self, leg: Leg) -> None:
        """``leg`` has answered and is about to talk with the line. Raises ``CallGone``."""
        await self.announcing.meet(leg.name)
        await self.rules.meet(leg)
        self.metaflows.meet(leg)

    async def close(self) -> None:
        """Hear nothing any more; the run of the call is over."""
        self.services.calls.remove(self.line.channel.call_id)
        self.listening.close()
        self.metaflows.close()
        await self.background.cancel()
        await self.line.close()

    # ---- what is known -----------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The call id: of the leg that the call came in on, for the whole of the call."""
        return self.line.call_id

    @property
    def leg(self) -> str:
        """The name, in media commands and taps, of the leg that is on the line."""
        return self.line.name

    @property
    def account(self) -> Account:
        """The account whose flow this is."""
        return self.services.account

    @property
    def settings(self) -> Settings:
        """The effective ``system_config``."""
        return self.services.settings

    @property
    def answered(self) -> bool:
        """True from the answer on."""
        return self.line.answered

    @property
    def bridged(self) -> bool:
        """True while two parties hear each other."""
        return self.bridging.bridged or self.joins.bridged

    @property
    def gone(self) -> bool:
        """True once the caller has hung up, or was hung up."""
        return self.line.gone

    def placeholders(self) -> Mapping[str, str]:
        """What ``{NAME}`` in a node's data stands for: ``--var`` over call over account."""
        return placeholders_of(self)

    def notice(
        self, level: str, code: str, message: str, hint: str = "", *, node: Node | None = None
    ) -> None:
        """Tell author and operator something: ``level`` is info (a document's ``note`` is one), warning or
        error. ``node`` None: it is about the node that the walk is at.
        """
        about = node or self.node
        self.services.bus.publish(
            Noticed(
                time=self.services.clock.now(),
                call_id=self.id,
                level="info" if level == "note" else level,
                code=code,
                message=message,
                hint=hint,
                path=about.path,
                module=about.module,
            )
        )

    # ---- the line ----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Answer; nothing happens if it has been."""
        await self.line.answer()

    async def progress(self) -> None:
        """Open the way for sound before the answer (183); nothing happens on an answered call."""
        await self.line.progress()

    async def hangup(self, cause: str = "NORMAL_CLEARING", code: int = 0) -> None:
        """End the call; ``code``: a SIP status that goes with ``cause``. Does not raise ``CallGone``."""
        await self.line.hangup(cause, code)

    async def respond(self, code: int, message: str = "") -> None:
        """End the call with a SIP status (a plain hangup once answered). Does not raise ``CallGone``."""
        await self.line.respond(code, message)

    # ---- sound and digits --------------------------------------------------------------------

    async def play(self, clips: Sequence[Clip], *, terminators: str = "", loops: int = 1) -> str:
        """Play ``clips`` to the caller, ``loops`` times (0: for ever); give the digit that ended it, or
        an empty string. A clip that cannot be played is an ``AudioFileError`` or ``ToneError``.
        """
        return await self.listening.play(clips, terminators=terminators, loops=loops)

    async def clips_for(self, media_id: str) -> tuple[Clip, ...]:
        """The sound that a flow names: a url (fetched), ``prompt://``, ``tone_stream://``,
        ``silence_stream://``, a media id of the account, a system prompt. Raises ``MissingDocument``,
        ``FetchError``, ``BlockedAddress``, ``BadUrl``.
        """
        return await self.line.guard(self.clips.find(media_id, self.language))

    async def play_media(self, media_id: str, *, terminators: str = "", loops: int = 1) -> str:
        """``play(clips_for(media_id))``."""
        clips = await self.clips_for(media_id)
        return await self.play(clips, terminators=terminators, loops=loops)

    async def prompt(self, name: str, *, terminators: str = "") -> str:
        """Play a prompt by name (``vm-person``): the account's media of that id, else the system's. One
        that is not there is a warning notice and silence.
        """
        clips = self.clips.prompt(name, self.language)
        if clips:
            return await self.play(clips, terminators=terminators)
        self.notice("warning", "CF-RUN-PROMPT", f"there is no prompt {name!r}; nothing is played")
        return ""

    async def sleep(self, seconds: float) -> None:
        """Let time of the call go by."""
        await self.line.guard(self.services.clock.sleep(seconds))

    async def wait_for_hangup(self) -> None:
        """Wait until the caller has gone. Does not raise ``CallGone``."""
        await self.line.until_gone()

    async def collect_digits(
        self,
        *,
        max_digits: int,
        timeout_s: float,
        interdigit_s: float,
        terminators: str = "",
        clips: Sequence[Clip] = (),
    ) -> Digits:
        """Gather up to ``max_digits`` digits; those pressed before count. ``clips`` are played first and
        cut short by any digit; ``timeout_s`` runs from their end to the first digit, ``interdigit_s``
        from each digit to the next.
        """
        return await self.listening.collect(
            max_digits=max_digits,
            timeout_s=timeout_s,
            interdigit_s=interdigit_s,
            terminators=terminators,
            clips=clips,
        )

    def flush_digits(self) -> None:
        """Forget the digits that nobody has asked for yet."""
        self.listening.flush()

    # ---- other parties -----------------------------------------------------------------------

    def endpoints_of_user(self, user_id: str) -> list[DialTarget]:
        """A target for each device that the user owns. Raises ``MissingDocument`` for an unknown user."""
        return user_targets(self.services, user_id)

    def endpoint_of_device(self, device_id: str) -> DialTarget:
        """The device as a target. Raises ``MissingDocument`` for an unknown one."""
        return device_target(self.services, device_id)

    def endpoints_of_members(self, members: Sequence[Mapping[str, Any]]) -> MemberTargets:
        """The devices behind a ring group's ``endpoints``, or a group's, each once, in their order."""
        return member_targets(self.services, members)

    def endpoints_of_number(self, number: str, flags: Sequence[str] = ()) -> list[DialTarget]:
        """The gateways that take ``number``, in the order to try them; none: no way out."""
        return number_targets(self.services, number, flags)

    async def bridge(
        self,
        targets: Sequence[DialTarget],
        *,
        timeout_s: float,
        ringback: Clip | None = None,
        fail_on_single_reject: bool = False,
        ignore_early_media: bool = False,
        follow_forwards: bool = True,
    ) -> BridgeResult:
        """Ring ``targets`` (each after its ``delay_s``) for at most ``timeout_s`` seconds (or their own); the
        first to answer talks with the caller, the others lose the race. Comes back when nobody answered or
        when the talk is over. ``ringback`` None: the usual one. ``fail_on_single_reject``: one that rejects
        (``CALL_REJECTED``) ends it for all. ``ignore_early_media``: what a target sends before it answers is
        not heard. ``follow_forwards``: when nobody answers and one has said that it can be reached at another
        number of the account, the caller is sent there (``transferred``).
        """
        return await self.bridging.run(
            targets,
            timeout_s=timeout_s,
            ringback=ringback,
            fail_on_single_reject=fail_on_single_reject,
            ignore_early_media=ignore_early_media,
            follow_forwards=follow_forwards,
        )

    async def transfer(self, target: str) -> None:
        """Send the caller to a number, whatever flow was to go on (return ``HandOver``): to the account's
        callflow for it (``no_match`` only for callers who are the account's), else to the number itself.
        Raises ``CallGone``.
        """
        await self.bridging.send_to(target)

    # ---- recordings --------------------------------------------------------------------------

    async def record(
        self,
        settings: RecordSettings,
        *,
        origin: str,
        taps: Sequence[TapPoint] | None = None,
        target: Target | None = None,
        dtmf_stop: str = "",
        document: Mapping[str, Any] | None = None,
    ) -> RecordingHandle | None:
        """Start a recording (or let it wait for answer or bridge, as ``settings`` say) and come back at
        once. ``taps`` None: both sides of the caller's leg, in stereo or mixed as ``media.record_stereo``
        says. ``target`` None: as DESIGN's storage row decides. ``dtmf_stop``: digits of the first tap's
        leg that end it. ``document``: facts for the recording's document beside those of every recording
        (a voicemail's mailbox). None: nothing is recorded, and a notice has said why.
        """
        return await self.recordings.start(
            settings, origin=origin, taps=taps, target=target, dtmf_stop=dtmf_stop, document=document
        )

    async def stop_recording(
        self, *, media_id: str = "", media_name: str = "", label: str = "", reason: str = "stopped"
    ) -> list[str]:
        """End the latest recording that this flow started and that fits what is given (a waiting one is
        cancelled); give its id, or an empty list if there is none.
        """
        return self.recordings.stop(media_id=media_id, media_name=media_name, label=label, reason=reason)

    async def mask(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Record silence instead of sound from now on; picked as by ``stop_recording``."""
        return self.recordings.mask(media_id=media_id, media_name=media_name, label=label)

    async def unmask(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Record sound again; picked as by ``stop_recording``."""
        return self.recordings.unmask(media_id=media_id, media_name=media_name, label=label)

    async def pause(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Record nothing from now on; picked as by ``stop_recording``."""
        return self.recordings.pause(media_id=media_id, media_name=media_name, label=label)

    async def resume(self, *, media_id: str = "", media_name: str = "", label: str = "") -> list[str]:
        """Record again; picked as by ``stop_recording``."""
        return self.recordings.resume(media_id=media_id, media_name=media_name, label=label)

    # ---- flows -------------------------------------------------------------------------------

    def find_callflow(self, flow_id: str) -> Flow | None:
        """The account's callflow of that id; None if there is none. Raises ``FlowTooDeep``."""
        return self._router.by_id(flow_id)

    def route(self, number: str, *, allow_no_match: bool = False) -> Flow | None:
        """The account's callflow for a number (kazoo.md 2.5), with capture groups set on the call."""
        match = self._router.by_number(number, allow_no_match=allow_no_match, notice=self.notice)
        if match is None:
            return None
        self.capture_group = match.capture_group
        self.capture_groups = match.capture_groups
        self.no_match = match.no_match
        return Flow.parse(match.document, flow_id=match.flow_id)

    # ---- the account -------------------------------------------------------------------------

    async def change(self, kind: str, id: str, patch: Mapping[str, Any]) -> None:
        """Change a document of the account for good: ``patch`` is merged into it (RFC 7396: null removes a
        key). When this returns it is on disk, and every call sees it in ``account.get``; the file of the
        document is never touched. A kind without a folder (``presence``) needs no document. Does not raise
        ``CallGone``. Raises ``MissingDocument``, ``StorageError``.
        """
        await change_document(self.services, self.id, kind, id, patch)

    # ---- the outside world -------------------------------------------------------------------

    async def http(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: object = None,
    ) -> HttpResponse:
        """Send a request through the guarded client. Does not raise ``CallGone``: a notice about a call
        may outlive it. Raises ``FetchError``, ``BlockedAddress``, ``BadUrl``.
        """
        return await self.background.http(
            self.services.http, method, url, headers=headers, body=body, json_body=json
        )

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Let ``work`` go on beside the walk; the call's run ends only after it. What it raises becomes an
        error notice.
        """
        self.background.spawn(work)
