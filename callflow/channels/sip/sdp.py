"""Layer 2: session descriptions (RFC 8866, 4566), read leniently and within bounds, and written.

Read is what an audio call needs; every other line is passed over. What would lead sound astray (an ``m=``
or ``c=`` line that cannot be understood) is an error, an attribute that cannot be understood is as absent.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from callflow.errors import BadDescription
from callflow.log import one_line
from callflow.media.rtp.srtp import KEY_BYTES

MOST_BYTES = 16_384
MOST_LINES = 400
MOST_MEDIA = 16
MOST_FORMATS = 64
MOST_CRYPTO = 8

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
UNSPECIFIED = ("0.0.0.0", "::")
"""Addresses that say: send me nothing (the hold of RFC 2543)."""

_NUMBER = re.compile(r"[0-9]{1,10}")
_HOST = re.compile(r"[0-9A-Za-z.:_%-]{1,255}")
_WORD = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What a payload type stands for: the encoding's name in capitals, its clock in Hz, its channels."""

    name: str
    clock: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Crypto:
    """One ``a=crypto`` (RFC 4568) with a single key without MKI; others are passed over. ``key``: master key
    and salt.
    """

    tag: int
    suite: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Media:
    """An ``m=`` line and what stands under it. ``host``: of its own ``c=``, else the session's; ``direction``
    likewise. ``ptime_ms`` and ``maxptime_ms`` 0: not said. ``rtcp_port`` 0: the port after ``port``.
    ``silence``: packets of silence are asked for (``a=silenceSupp:off``, RFC 3108 5.6.2.2; only read).
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str = ""
    direction: str = "sendrecv"
    maps: tuple[tuple[int, RtpMap], ...] = ()
    fmtp: tuple[tuple[int, str], ...] = ()
    ptime_ms: int = 0
    maxptime_ms: int = 0
    crypto: tuple[Crypto, ...] = ()
    rtcp_port: int = 0
    rtcp_mux: bool = False
    silence: bool = False

    def refused(self) -> Media:
        """The line as an answer refuses it: port 0 (RFC 3264 6)."""
        return Media(self.kind, 0, self.protocol, self.formats)


@dataclass(frozen=True, slots=True)
class Description:
    """A session description. ``session_id``, ``version`` and ``origin_host`` are those of ``o=``."""

    media: tuple[Media, ...]
    session_id: int = 0
    version: int = 0
    origin_host: str = "127.0.0.1"

    def to_bytes(self) -> bytes:
        """The text, for ``application/sdp``."""
        host = next((media.host for media in self.media if media.host), self.origin_host)
        lines = [
            "v=0",
            f"o=callflow {self.session_id} {self.version} IN {_family(self.origin_host)} {self.origin_host}",
            "s=callflow",
            f"c=IN {_family(host)} {host}",
            "t=0 0",
        ]
        for media in self.media:
            lines += _media_lines(media, host)
        return "".join(f"{line}\r\n" for line in lines).encode()


# ---- writing ---------------------------------------------------------------------------------


def _family(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def _media_lines(media: Media, session_host: str) -> Iterator[str]:
    yield f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}"
    if not media.port:
        return
    if media.host and media.host != session_host:
        yield f"c=IN {_family(media.host)} {media.host}"
    for payload, one in media.maps:
        channels = f"/{one.channels}" if one.channels != 1 else ""
        name = one.name.lower() if one.name == "TELEPHONE-EVENT" else one.name
        yield f"a=rtpmap:{payload} {name}/{one.clock}{channels}"
    for payload, text in media.fmtp:
        yield f"a=fmtp:{payload} {text}"
    if media.ptime_ms:
        yield f"a=ptime:{media.ptime_ms}"
    if media.maxptime_ms:
        yield f"a=maxptime:{media.maxptime_ms}"
    for crypto in media.crypto:
        yield f"a=crypto:{crypto.tag} {crypto.suite} inline:{base64.b64encode(crypto.key).decode()}"
    if media.rtcp_mux:
        yield "a=rtcp-mux"
    if media.rtcp_port:
        yield f"a=rtcp:{media.rtcp_port}"
    yield f"a={media.direction}"


# ---- reading ---------------------------------------------------------------------------------


def read_sdp(data: bytes) -> Description:
    """Read a description. Raises ``BadDescription``, and nothing else, whatever the bytes are."""
    if len(data) > MOST_BYTES:
        raise BadDescription(f"an SDP of {len(data)} bytes: more than {MOST_BYTES}")
    lines = [line for line in re.split("\r\n|\r|\n", data.decode("utf-8", "replace")) if line.strip()]
    if not lines:
        raise BadDescription("an empty SDP", hint="An offer or answer needs v=, o=, s=, c=, t= and m= lines.")
    if len(lines) > MOST_LINES:
        raise BadDescription(f"an SDP of {len(lines)} lines: more than {MOST_LINES}")
    if lines[0].strip() != "v=0":
        raise BadDescription(f"an SDP that begins with {_shown(lines[0])}, not v=0")
    return _Reader().read(lines)


class _Reader:
    """The lines of one description, top to bottom."""

    def __init__(self) -> None:
        self._host = ""
        self._direction = "sendrecv"
        self._origin = (0, 0, "127.0.0.1")
        self._media: list[Media] = []

    def read(self, lines: list[str]) -> Description:
        for line in lines:
            kind, equals, value = line.partition("=")
            value = value.strip()
            if not equals:
                continue
            match kind.strip():
                case "o":
                    self._read_origin(value)
                case "c":
                    self._read_connection(value)
                case "m":
                    self._read_media(value)
                case "a":
                    self._read_attribute(value)
        return Description(tuple(self._media), *self._origin)

    def _read_origin(self, value: str) -> None:
        parts = value.split()
        if len(parts) == 6 and parts[1].isascii() and parts[2].isascii():
            numbers = [int(part[:20]) if part.isdigit() else 0 for part in parts[1:3]]
            self._origin = (numbers[0], numbers[1], parts[5][:255])

    def _read_connection(self, value: str) -> None:
        parts = value.split()
        host = parts[2].partition("/")[0] if len(parts) == 3 else ""
        if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6") or not _HOST.fullmatch(host):
            raise BadDescription(f"c={_shown(value)} is no address", hint="Such as: c=IN IP4 192.0.2.1")
        if not self._media:
            self._host = host
        else:
            self._media[-1] = replace(self._media[-1], host=host)

    def _read_media(self, value: str) -> None:
        kind, *rest = value.split() or [""]
        port = rest[0].partition("/")[0] if rest else ""
        if len(rest) < 3 or not _NUMBER.fullmatch(port) or int(port) > 65535:
            raise BadDescription(
                f"m={_shown(value)} is no media line", hint="Such as: m=audio 4000 RTP/AVP 0"
            )
        if len(self._media) == MOST_MEDIA:
            raise BadDescription(f"an SDP of more than {MOST_MEDIA} m= lines")
        formats = tuple(rest[2:])
        if len(formats) > MOST_FORMATS:
            raise BadDescription(f"an m= line of {len(formats)} formats: more than {MOST_FORMATS}")
        words = (kind, rest[1], *formats)
        if not all(_WORD.fullmatch(word) for word in words):
            raise BadDescription(f"m={_shown(value)} has words that no media line can have")
        self._media.append(
            Media(kind.lower(), int(port), rest[1], formats, self._host, direction=self._direction)
        )

    def _read_attribute(self, value: str) -> None:
        name, _, text = value.partition(":")
        name, text = name.strip().lower(), text.strip()
        if name in DIRECTIONS and not text:
            if self._media:
                self._media[-1] = replace(self._media[-1], direction=name)
            else:
                self._direction = name
        elif self._media:
            self._media[-1] = _with_attribute(self._media[-1], name, text)


def _with_attribute(media: Media, name: str, text: str) -> Media:
    match name:
        case "rtpmap":
            one = _read_map(text)
            if one is not None and len(media.maps) < MOST_FORMATS:
                return replace(media, maps=(*media.maps, one))
        case "fmtp":
            payload, _, parameters = text.partition(" ")
            if _NUMBER.fullmatch(payload) and len(media.fmtp) < MOST_FORMATS:
                return replace(media, fmtp=(*media.fmtp, (int(payload), parameters.strip())))
        case "ptime" | "maxptime":
            # Some phones write 20.0, some 0: what cannot be a packet's time is as absent.
            whole = text.partition(".")[0]
            if _NUMBER.fullmatch(whole) and 0 < int(whole) <= 1000:
                milliseconds = int(whole)
                if name == "ptime":
                    return replace(media, ptime_ms=milliseconds)
                return replace(media, maxptime_ms=milliseconds)
        case "crypto":
            crypto = _read_crypto(text)
            if crypto is not None and len(media.crypto) < MOST_CRYPTO:
                return replace(media, crypto=(*media.crypto, crypto))
        case "rtcp":
            port = text.partition(" ")[0]
            if _NUMBER.fullmatch(port) and 0 < int(port) <= 65535:
                return replace(media, rtcp_port=int(port))
        case "rtcp-mux":
            return replace(media, rtcp_mux=True)
        case "silencesupp":
            return replace(media, silence=text.partition(" ")[0].lower() == "off")
    return media


def _read_map(text: str) -> tuple[int, RtpMap] | None:
    found = re.fullmatch(r"([0-9]{1,3})\s+([!-.0-~]{1,32})/([0-9]{1,6})(?:/([0-9]{1,2}))?", text)
    if found is None:
        return None
    payload, name, clock, channels = found.groups()
    return int(payload), RtpMap(name.upper(), int(clock), int(channels or 1))


def _read_crypto(text: str) -> Crypto | None:
    """``1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20``; None: one that we do not use (several keys, an MKI, a
    session parameter that changes the packets).
    """
    found = re.fullmatch(
        r"([0-9]{1,9})\s+([A-Z0-9_]{1,64})\s+inline:([A-Za-z0-9+/]+=*)(\|(?:2\^)?[0-9]+)?(\s+WSH=[0-9]+)?\s*",
        text,
        re.ASCII,
    )
    if found is None:
        return None
    try:
        key = base64.b64decode(found[3], validate=True)
    except binascii.Error:
        return None
    return Crypto(int(found[1]), found[2], key) if len(key) == KEY_BYTES else None


def is_address(host: str) -> bool:
    """True for a numeric address that one party has (no multicast)."""
    try:
        return not ip_address(host).is_multicast
    except ValueError:
        return False


def _shown(text: str) -> str:
    return one_line(text, 80)
