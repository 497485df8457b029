"""Layer 2: the sound of one SIP leg: its RTP port, its offers and answers, what the media is told of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isinf

from callflow.channels.sip.offer import (
    KNOWN,
    Agreed,
    Terms,
    answer_offer,
    make_offer,
    offer_again,
    take_answer,
)
from callflow.channels.sip.sdp import UNSPECIFIED, Description, read_sdp
from callflow.channels.sip.session_ground import Alarms, Ground
from callflow.channels.sip.transport import Hop
from callflow.errors import BadDescription
from callflow.log import logger, one_line
from callflow.media.messages import (
    AddLeg,
    RemoveLeg,
    RtpBegan,
    RtpLost,
    RtpPlace,
    RtpSource,
    RtpStream,
    SetStream,
    SrtpKey,
)
from callflow.media.rtp.srtp import KEY_BYTES, SUITES

GAP_S = 2.0
"""Silences that are told so close after each other are one."""


class LegSound:
    """In the pump from ``add`` on. ``on_heard`` is told when the far end's first packet has come (again after
    each latching), ``on_held`` when it holds or resumes, ``on_dead`` when nothing has come for too long.

    One offer is open at a time, ours (``offer``, then ``take`` or ``withdraw``) or theirs (``answer``).
    """

    def __init__(self, ground: Ground, leg: str, rate: int, terms: Terms, place: RtpPlace) -> None:
        self.leg = leg
        self.rate = rate
        self.on_held: Callable[[bool], None] = _nothing
        self.on_heard: Callable[[], None] = lambda: None
        self.on_dead: Callable[[], None] = lambda: None
        self._ground = ground
        self._place = place
        self._terms = terms
        self._alarms = Alarms()
        self._version = 0
        self._last: Description | None = None
        self._offered: Description | None = None
        self._agreed: Agreed | None = None
        self._told: RtpStream | None = None
        self._held: bool | None = None
        self._latest: Description | None = None
        self._added = self._closed = self._live = False
        self._silent_s = 0.0
        self._lost_at = -GAP_S
        self._unsubscribe: Callable[[], None] = lambda: None

    # ---- its life ----------------------------------------------------------------------------

    def add(self) -> None:
        """Put the leg into the pump; nothing is sent or taken yet."""
        settings = self._ground.settings
        source = RtpSource(self._place, jitter_ms=settings.jitter_ms, timeout_s=float(settings.rtp_timeout_s))
        self._unsubscribe = self._ground.media.subscribe(self._on_media, leg=self.leg)
        self._ground.media.send(AddLeg(self.leg, self.rate, source))
        self._added = True

    def close(self) -> None:
        """The leg goes; its port with it."""
        if self._closed:
            return
        self._closed = True
        self._alarms.clear()
        self._unsubscribe()
        if self._added:
            self._ground.media.send(RemoveLeg(self.leg))
        else:
            self._ground.ports.give_back(self._place)

    def reach(self, hop: Hop) -> bool:
        """Ports that are bound to all addresses are announced with the one at which ``hop`` reaches us. True:
        an offer that was made before has to be made anew.
        """
        if self._terms.host not in UNSPECIFIED:
            return False
        host, _ = self._ground.stack.local(hop)
        self._terms = replace(self._terms, host=host.strip("[]"))
        return True

    # ---- offers and answers ------------------------------------------------------------------

    @property
    def offering(self) -> bool:
        """An offer of ours waits for its answer."""
        return self._offered is not None

    @property
    def agreed(self) -> bool:
        """Both ends have agreed on something."""
        return self._agreed is not None

    def offer(self) -> bytes:
        """An offer of ours: of all we can at first, then of what is agreed."""
        if self._agreed is None:
            description = make_offer(self._terms, self._version + 1)
        else:
            description = offer_again(self._agreed, self._version + 1, listens=self._terms.listens)
        self._offered = self._latest = self._numbered(description)
        return self._offered.to_bytes()

    def take(self, body: bytes, near: tuple[str, ...] = ()) -> None:
        """The answer to our offer, which stays open (other forks answer too) until ``settle``. ``near``: see
        ``signalled_from``. Raises ``BadDescription``.
        """
        if self._offered is None:
            raise BadDescription("an answer, but nothing was offered")
        self._agreed = self._listening(take_answer(self._offered, read_sdp(body), self._terms), near)

    def settle(self) -> None:
        """Our offer has its last answer, or is withdrawn."""
        self._offered = None

    def reopen(self) -> None:
        """Our last offer has another answer after all: another fork's."""
        self._offered = self._latest

    def answer(self, body: bytes, near: tuple[str, ...] = ()) -> bytes:
        """Our answer to their offer; ``near``: see ``signalled_from``. Raises ``BadDescription``; then all is
        as it was.
        """
        agreed = answer_offer(read_sdp(body), self._terms, self._version + 1)
        self._agreed = replace(self._listening(agreed, near), local=self._numbered(agreed.local))
        return self._agreed.local.to_bytes()

    def describe(self) -> bytes:
        """Our side of what is agreed, once more."""
        return self._agreed.local.to_bytes() if self._agreed else b""

    def listen(self, listens: bool) -> None:
        """Whether our next offers and answers want the far end's sound (False: we hold it)."""
        self._terms = replace(self._terms, listens=listens)

    def answered(self) -> None:
        """The call is answered: from now on it may die of silence (before, a phone need not send)."""
        if not self._live:
            self._live = True
            self._watch_again()

    def start(self) -> None:
        """Let the media do what is agreed now."""
        if self._agreed is None or self._closed:
            return
        stream = self._agreed.stream
        if stream != self._told:
            self._told = stream
            self._ground.media.send(SetStream(self.leg, stream))
        held, before = self._agreed.held, self._held
        self._held = held
        if held != bool(before):  # a call may be held from its first offer on
            self._watch_hold()
        if before is not None and held != before:
            self.on_held(held)

    def _listening(self, agreed: Agreed, near: tuple[str, ...]) -> Agreed:
        """Whose packets are taken besides those of the negotiated address, as ``sip.rtp_latch`` says; and
        whether silence is sent.
        """
        settings = self._ground.settings
        wanted = settings.rtp_latch
        stream = replace(
            agreed.stream,
            latch=wanted != "off",
            near=None if wanted == "any" else near,
            transmit_silence=settings.transmit_silence or agreed.stream.transmit_silence,
        )
        return replace(agreed, stream=stream)

    def _numbered(self, description: Description) -> Description:
        """With the version that ``o=`` must have: one more if anything has changed (RFC 3264 8)."""
        if self._last is not None and self._last.media == description.media:
            return self._last
        self._version += 1
        self._last = replace(description, version=self._version)
        return self._last

    # ---- silence -----------------------------------------------------------------------------

    def _watch_hold(self) -> None:
        """A held call may be silent, but not for ever."""
        self._alarms.cancel("silence")
        self._silent_s = 0.0
        longest = self._ground.settings.rtp_hold_timeout_s
        if self._held and longest and self._told is not None and not self._told.receives:
            self._alarms.set("silence", longest, self.on_dead)

    def _on_media(self, event: object) -> None:
        if isinstance(event, RtpBegan) and not self._closed:
            self.on_heard()
        if not isinstance(event, RtpLost) or self._closed:
            return
        if (self._live and not self._held) or isinf(event.silent_s):  # its media process has died
            self._explain(event)
            self.on_dead()
            return
        # Told once a silence: one after the other without a gap is one long silence.
        gapless = event.time - self._lost_at <= event.silent_s + GAP_S
        self._silent_s = event.silent_s + (self._silent_s if gapless else 0.0)
        self._lost_at = event.time
        longest = self._ground.settings.rtp_hold_timeout_s
        if self._live and longest and self._silent_s >= longest:
            self.on_dead()
        else:
            self._watch_again()

    def _explain(self, event: RtpLost) -> None:
        """Why a call is deaf, where somebody has sent and was not believed."""
        if event.strangers and self._told is not None:
            text = "%s: nothing from %s:%d for %.0f s, but %d RTP packets from elsewhere; see sip.rtp_latch"
            where = self._told.host, self._told.port
            logger.warning(text, one_line(self.leg), *where, event.silent_s, event.strangers)

    def _watch_again(self) -> None:
        """The same stream once more: the media counts the silence from now."""
        if self._told is not None:
            self._ground.media.send(SetStream(self.leg, self._told))


def new_terms(ground: Ground, place: RtpPlace, *, codecs: Sequence[str] = (), srtp: str = "") -> Terms:
    """What we can do on a leg, with fresh keys; ``codecs`` and ``srtp`` empty: as the settings say."""
    settings = ground.settings
    srtp = srtp or settings.srtp
    known = tuple(codec for codec in codecs if codec in KNOWN) or settings.codecs
    keys = () if srtp == "off" else tuple(SrtpKey(suite, secrets.token_bytes(KEY_BYTES)) for suite in SUITES)
    session_id = secrets.randbits(31) | 1
    return Terms(place.host, place.port, known, settings.ptime_ms, srtp, keys, session_id)


def _nothing(held: bool) -> None:
    """Nobody has asked to be told."""
