"""Layer 6: how the options of ``callflow call`` are written. What cannot be read ends with exit code 2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from callflow.cli._output import fail

CODECS = ("PCMU", "PCMA", "G722")
_OURS = {"via", "from", "to", "call-id", "cseq", "contact", "content-length", "content-type", "max-forwards"}
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+"
_Words = Sequence[str] | None


def address(text: str) -> tuple[str, int]:
    """``HOST[:PORT]``, IPv6 in brackets; empty: no wish."""
    if not text:
        return "", 0
    found = re.fullmatch(rf"({_HOST})(?::(\d{{1,5}}))?", text)
    if found is None or int(found[2] or 0) > 65535:
        fail(f"--bind {text} is not HOST or HOST:PORT")
    return found[1].strip("[]"), int(found[2] or 0)


def transport(tcp: bool, tls: bool) -> str:
    """``udp``, ``tcp`` or ``tls``."""
    if tcp and tls:
        fail("--tcp and --tls exclude each other")
    return "tls" if tls else "tcp" if tcp else "udp"


def mode(srtp: str) -> str:
    """``off``, ``optional`` or ``required``."""
    if srtp not in ("off", "optional", "required"):
        fail(f"--srtp {srtp} is not off, optional or required")
    return srtp


def name(text: str) -> str:
    """A user part, or a SIP URI."""
    from callflow.channels.sip.uri import SipUri
    from callflow.errors import MalformedMessage

    if text.startswith(("sip:", "sips:")):
        try:
            SipUri.parse(text)
        except MalformedMessage as error:
            fail(f"--from {text!r} is not a SIP URI: {error.message}")
    elif re.search(r"[\s<>\"@]", text):
        fail(f"--from {text!r} is not a number or name", "or a whole SIP URI: sip:USER@HOST")
    return text


def file(path: Path | None, option: str) -> Path | None:
    """One that is there."""
    if path is not None and not path.is_file():
        fail(f"{option} {path} is not a file")
    return path


def codecs(names: _Words) -> tuple[str, ...]:
    """Codec names, also with commas between; all where none is said."""
    found = tuple(part.strip().upper() for each in names or () for part in each.split(","))
    for codec in found:
        if codec not in CODECS:
            fail(f"--codec {codec} is not known", f"it is one of {', '.join(CODECS)}")
    return found or CODECS


def digits(given: _Words) -> tuple[tuple[str, float], ...]:
    """``DIGITS@S``; without a time: half a second after the answer."""
    found = []
    for word in given or ():
        match = re.fullmatch(r"([0-9A-Da-d*#]+)(?:@([0-9.]+))?", word)
        if match is None or not _is_number(match[2] or "0.5"):
            fail(f"--dtmf {word} is not DIGITS@SECONDS", "such as 1234#@3")
        found.append((match[1].upper(), float(match[2] or 0.5)))
    return tuple(found)


def holds(given: _Words) -> tuple[tuple[float, float], ...]:
    """``FROM-TO`` seconds."""
    found = []
    for word in given or ():
        start, _, end = word.partition("-")
        if not (_is_number(start) and _is_number(end) and float(start) < float(end)):
            fail(f"--hold {word} is not FROM-TO", "in seconds after the answer, such as 3-5")
        found.append((float(start), float(end)))
    return tuple(found)


def referred(word: str | None) -> tuple[str, float] | None:
    """``TARGET@S``: a number or SIP URI, and when."""
    if word is None:
        return None
    target, _, at = word.rpartition("@")
    if not target or not _is_number(at) or re.search(r"[\s<>\"]", target):
        fail(f"--refer {word} is not TARGET@SECONDS", "such as 2001@5 or sip:2001@127.0.0.1@5")
    return target, float(at)


def headers(given: _Words) -> tuple[tuple[str, str], ...]:
    """``NAME:VALUE``."""
    found = []
    for word in given or ():
        match = re.fullmatch(r"([A-Za-z0-9.!%*_+`'~-]+)\s*:\s*([^\x00-\x1f\x7f]*)", word)
        if match is None:
            fail(f"--header {word!r} is not NAME:VALUE")
        if match[1].lower() in _OURS:
            fail(f"--header {match[1]} is the call's own", "see --from and the SIP-URI")
        found.append((match[1], match[2]))
    return tuple(found)


def target(uri: str) -> None:
    """Whom to call: one that cannot be read is said before anything else. Empty: nobody."""
    from callflow.caller.way import read_target
    from callflow.errors import MalformedMessage

    try:
        if uri:
            read_target(uri, "udp")
    except MalformedMessage as error:
        fail(error.message, error.hint)


def host_of(uri: str) -> str:
    """The host of a URI, to find the way to it; loopback without one. No judgement: that comes later."""
    rest = re.sub(r"^sips?:", "", uri.partition("?")[0], flags=re.IGNORECASE)
    found = re.match(_HOST, rest.rpartition("@")[2])
    return found[0] if found else "127.0.0.1"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text) is not None
