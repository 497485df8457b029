"""Layer 2: offer and answer of a leg's sound (RFC 3264), as pure functions.

A ``Terms`` is what we can do on a leg and where; a ``Description`` comes in and goes out; what both ends
agreed on is an ``Agreed``, whose ``stream`` the media understands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from callflow.channels.sip.sdp import UNSPECIFIED, Crypto, Description, Media, RtpMap, is_address
from callflow.errors import BadDescription
from callflow.media.messages import RtpStream, SrtpKey

KNOWN = {"PCMU": 0, "PCMA": 8, "G722": 9}
"""Codecs and their static payload types (RFC 3551 6); the clock of all in SDP is 8000, also G.722's."""

MOST_PAYLOAD = 128
"""Payload types are below: a packet has seven bits for them (RFC 3550 5.1)."""

NO_SUCH_ADDRESS, NO_SUCH_TRANSPORT, NO_SUCH_MEDIA, NO_SUCH_FORMAT = 301, 302, 304, 305
"""Codes of Warning headers (RFC 3261 20.43); any other fault of an SDP is 399."""

_CLOCK = 8000
_FASTEST_CLOCK = 48_000
_NOISE = 13
_EVENT = 101
_EVENTS = "0-16"
_STATIC = {0: RtpMap("PCMU", _CLOCK), 8: RtpMap("PCMA", _CLOCK), 9: RtpMap("G722", _CLOCK)}
_STATIC[_NOISE] = RtpMap("CN", _CLOCK)
_PLAIN = ("RTP/AVP", "RTP/AVPF")
_SECURE = ("RTP/SAVP", "RTP/SAVPF")
_TURNED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What we can do on a leg. ``codecs``: of ``PCMU``, ``PCMA``, ``G722``, the best first. ``srtp``:
    ``off``, ``optional`` (offered as RFC 8643 does: RTP/AVP with ``a=crypto``) or ``required`` (RTP/SAVP
    only). ``keys``: ours, one a suite, needed unless ``srtp`` is off. ``host`` and ``port``: our RTP.
    ``session_id``: the number in ``o=``, the same for the life of the leg. ``listens``: False while we hold
    the far end.
    """

    host: str
    port: int
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722")
    ptime_ms: int = 20
    srtp: str = "off"
    keys: tuple[SrtpKey, ...] = ()
    session_id: int = 1
    listens: bool = True


@dataclass(frozen=True, slots=True)
class Agreed:
    """``local``: our description, ``line``: which of its media lines carries the sound, ``stream``: for the
    media; its ``transmit_silence``: the peer has asked for that. ``held``: the peer does not listen to us (a
    hold, RFC 3264 8.4).
    """

    local: Description
    line: int
    stream: RtpStream
    held: bool


# ---- answering -------------------------------------------------------------------------------


def answer_offer(offer: Description, terms: Terms, version: int = 1) -> Agreed:
    """Our answer to ``offer``: one audio line is taken, every other is refused. Raises ``BadDescription``
    when none can be.

    The codec is the best of ours that is offered; whatever else of ours was offered may come too.
    """
    lines = [index for index, media in enumerate(offer.media) if media.kind == "audio" and media.port]
    # SRTP first, if it is offered on a line of its own (RFC 8643 does without).
    lines.sort(key=lambda index: offer.media[index].protocol not in _SECURE)
    reasons = ["no audio line"] if not lines else []
    codes = {NO_SUCH_MEDIA} if not lines else set[int]()
    for index in lines:
        try:
            line, stream = _answer_line(offer.media[index], terms)
        except BadDescription as error:
            reasons.append(error.message)
            codes.add(error.warning)
            continue
        media = tuple(line if at == index else other.refused() for at, other in enumerate(offer.media))
        local = Description(media, terms.session_id, version, terms.host)
        return Agreed(local, index, stream, held=not stream.sends)
    code = codes.pop() if len(codes) == 1 else BadDescription.warning
    raise _bad(code, f"the offer has nothing that we can take: {'; '.join(reasons)}")


def _answer_line(offered: Media, terms: Terms) -> tuple[Media, RtpStream]:
    chosen = _chosen(offered, terms.codecs)
    codec, payload = chosen[0]
    event = _event(offered)
    noise = _payload(offered, "CN")
    key_in, key_out, crypto = _answer_keys(offered, terms)
    direction = _deaf(_TURNED[_direction(offered)], terms.listens)
    ptime = _ptime(offered, terms.ptime_ms)
    formats = [payload, *([noise] if noise >= 0 else ()), *([event[0]] if event else ())]
    line = Media(
        "audio",
        terms.port,
        offered.protocol,
        tuple(map(str, formats)),
        terms.host,
        direction,
        maps=tuple((number, _map(offered, number)) for number in formats),
        fmtp=((event[0], _EVENTS),) if event else (),
        ptime_ms=ptime,
        crypto=crypto,
        rtcp_mux=offered.rtcp_mux,
    )
    stream = RtpStream(
        codec,
        payload,
        tuple((number, name) for name, number in chosen),
        *_where(offered),
        ptime_ms=ptime,
        event_payload=event[0] if event else -1,
        event_rate=event[1] if event else _CLOCK,
        noise_payload=noise,
        sends=direction in ("sendrecv", "sendonly"),
        receives=direction in ("sendrecv", "recvonly"),
        rtcp_port=offered.rtcp_port,
        rtcp_mux=offered.rtcp_mux,
        transmit_silence=offered.silence,
        key_in=key_in,
        key_out=key_out,
    )
    return line, stream


def _answer_keys(offered: Media, terms: Terms) -> tuple[SrtpKey | None, SrtpKey | None, tuple[Crypto, ...]]:
    """The key that comes, ours, and our ``a=crypto``; all empty: plain RTP."""
    secure = offered.protocol in _SECURE
    if not secure and offered.protocol not in _PLAIN:
        raise _bad(NO_SUCH_TRANSPORT, f"the transport {offered.protocol} is none of ours")
    if terms.srtp == "off":
        if secure:
            raise _bad(NO_SUCH_TRANSPORT, "SRTP is offered, and is off here", "Set sip.srtp to optional.")
        return None, None, ()
    for theirs in offered.crypto:
        ours = next((key for key in terms.keys if key.suite == theirs.suite), None)
        if ours is not None:
            crypto = Crypto(theirs.tag, theirs.suite, ours.key)
            return SrtpKey(theirs.suite, theirs.key), ours, (crypto,)
    if secure:
        raise BadDescription("SRTP is offered without an a=crypto that we can use")
    if terms.srtp == "required":
        raise _bad(NO_SUCH_TRANSPORT, "SRTP is required here, and not offered")
    return None, None, ()


# ---- offering --------------------------------------------------------------------------------


def make_offer(terms: Terms, version: int = 1) -> Description:
    """Our first offer on a leg."""
    numbers = [KNOWN[codec] for codec in terms.codecs]
    maps = [(number, _STATIC[number]) for number in numbers]
    maps.append((_EVENT, RtpMap("TELEPHONE-EVENT", _CLOCK)))
    # Optional: one suite will do, and the INVITE should fit into a datagram (RFC 3261 18.1.1).
    crypto = {"off": (), "optional": terms.keys[:1]}.get(terms.srtp, terms.keys)
    line = Media(
        "audio",
        terms.port,
        "RTP/SAVP" if terms.srtp == "required" else "RTP/AVP",
        tuple(str(number) for number, _ in maps),
        terms.host,
        _deaf("sendrecv", terms.listens),
        maps=tuple(maps),
        fmtp=((_EVENT, _EVENTS),),
        ptime_ms=terms.ptime_ms,
        crypto=tuple(Crypto(tag, key.suite, key.key) for tag, key in enumerate(crypto, 1)),
        rtcp_mux=False,
    )
    return Description((line,), terms.session_id, version, terms.host)


def offer_again(agreed: Agreed, version: int, *, listens: bool = True) -> Description:
    """An offer of what is agreed already, as a refresh or in answer to an INVITE without one: the same lines,
    codecs and numbers (RFC 3264 8). We are ready to send, and to receive if we listen.
    """
    media = list(agreed.local.media)
    media[agreed.line] = replace(media[agreed.line], direction=_deaf("sendrecv", listens))
    return replace(agreed.local, media=tuple(media), version=version)


def take_answer(offer: Description, answer: Description, terms: Terms) -> Agreed:
    """What ``answer`` makes of our ``offer``. Raises ``BadDescription``."""
    index = next(at for at, media in enumerate(offer.media) if media.port)
    ours = offer.media[index]
    if len(answer.media) <= index or not answer.media[index].port:
        raise BadDescription("the answer refuses the audio that we offered")
    theirs = answer.media[index]
    if theirs.kind != "audio" or theirs.protocol not in (*_PLAIN, *_SECURE):
        raise BadDescription(f"the answer has {theirs.kind} by {theirs.protocol} where we offered audio")
    codec, payload = _chosen(theirs, terms.codecs)[0]
    event = _event(theirs)
    key_in, key_out = _taken_keys(ours, theirs, terms)
    back = _TURNED[_direction(theirs)]
    may_send, may_receive = (
        ours.direction in ("sendrecv", "sendonly"),
        ours.direction in ("sendrecv", "recvonly"),
    )
    stream = RtpStream(
        codec,
        payload,
        # What comes has the numbers of our offer, or, from phones that know no better, of their answer.
        tuple(dict.fromkeys((*_accepted(ours, terms.codecs), *_accepted(theirs, terms.codecs)))),
        *_where(theirs),
        ptime_ms=_ptime(theirs, terms.ptime_ms),
        event_payload=event[0] if event else -1,
        event_rate=event[1] if event else _CLOCK,
        noise_payload=_payload(theirs, "CN"),
        sends=may_send and back in ("sendrecv", "sendonly"),
        receives=may_receive and back in ("sendrecv", "recvonly"),
        rtcp_port=theirs.rtcp_port,
        rtcp_mux=ours.rtcp_mux and theirs.rtcp_mux,
        transmit_silence=theirs.silence,
        key_in=key_in,
        key_out=key_out,
    )
    return Agreed(offer, index, stream, held=back not in ("sendrecv", "sendonly"))


def _taken_keys(ours: Media, theirs: Media, terms: Terms) -> tuple[SrtpKey | None, SrtpKey | None]:
    for crypto in theirs.crypto:
        mine = next((one for one in ours.crypto if (one.tag, one.suite) == (crypto.tag, crypto.suite)), None)
        if mine is not None:
            return SrtpKey(crypto.suite, crypto.key), SrtpKey(mine.suite, mine.key)
    if theirs.protocol in _SECURE or terms.srtp == "required":
        raise BadDescription("the answer has no a=crypto of those that we offered")
    return None, None


# ---- what a line says ------------------------------------------------------------------------


def _map(media: Media, payload: int) -> RtpMap:
    """What a payload type of the line stands for; one without a map is what RFC 3551 says."""
    given = next((one for number, one in media.maps if number == payload), None)
    return given or _STATIC.get(payload, RtpMap("", 0))


def _numbers(media: Media) -> list[int]:
    found = (int(one) for one in media.formats if one.isascii() and one.isdigit() and len(one) <= 3)
    return [number for number in found if number < MOST_PAYLOAD]


def _payload(media: Media, name: str) -> int:
    """The first payload type with that name and a clock of 8000; -1: none."""
    maps = ((number, _map(media, number)) for number in _numbers(media))
    return next((number for number, one in maps if one == RtpMap(name, _CLOCK)), -1)


def _accepted(media: Media, codecs: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    both = ((_payload(media, codec), codec) for codec in codecs)
    return tuple((number, codec) for number, codec in both if number >= 0)


def _chosen(media: Media, codecs: tuple[str, ...]) -> list[tuple[str, int]]:
    """Our codecs that the line has, the best first, with their numbers there. Raises ``BadDescription``."""
    chosen = [(codec, number) for number, codec in _accepted(media, codecs)]
    if not chosen:
        offered = ", ".join(_map(media, number).name or str(number) for number in _numbers(media)) or "none"
        raise _bad(NO_SUCH_FORMAT, f"no codec in common (theirs: {offered}; ours: {', '.join(codecs)})")
    return chosen


def _event(media: Media) -> tuple[int, int] | None:
    """Payload type and clock of telephone-events; 8000 is preferred, as the sound's clock is."""
    maps = [(number, _map(media, number)) for number in _numbers(media)]
    events = [
        (number, one.clock)
        for number, one in maps
        if one.name == "TELEPHONE-EVENT" and _CLOCK <= one.clock <= _FASTEST_CLOCK
    ]
    return min(events, key=lambda event: event[1] != _CLOCK, default=None)


def _deaf(direction: str, listens: bool) -> str:
    """Our direction when we may not listen."""
    if listens:
        return direction
    return {"sendrecv": "sendonly", "recvonly": "inactive"}.get(direction, direction)


def _direction(media: Media) -> str:
    return _deaf(media.direction, media.host not in UNSPECIFIED)


def _where(media: Media) -> tuple[str, int]:
    if not is_address(media.host):
        raise _bad(
            NO_SUCH_ADDRESS,
            f"c= has {media.host or 'no address'}: nobody can send there",
            "Give a numeric address in c=.",
        )
    return media.host, media.port


def _bad(code: int, message: str, hint: str = "") -> BadDescription:
    error = BadDescription(message, hint=hint)
    error.warning = code
    return error


def _ptime(media: Media, ours: int) -> int:
    """What we send: as the peer asks, in steps of 10 ms from 10 to 60."""
    wanted = media.ptime_ms or ours
    if media.maxptime_ms:
        wanted = min(wanted, media.maxptime_ms)
    return max(10, min(60, wanted // 10 * 10))


def rate_of(offer: Description | None, codecs: tuple[str, ...]) -> int:
    """The rate, in Hz, at which a leg runs: 16,000 when G.722 is what we would choose of ``offer`` (None:
    what we would offer first), else 8,000.
    """
    chosen = codecs[0] if offer is None and codecs else ""
    for media in offer.media if offer is not None else ():
        if media.kind == "audio" and media.port and (accepted := _accepted(media, codecs)):
            chosen = accepted[0][1]
            break
    return 16_000 if chosen == "G722" else 8_000
