"""Layer 1: tones by TGML, FreeSWITCH's tone language, as Kazoo's ``tone_stream://`` urls carry it; and DTMF.

The language: ``%(on_ms,off_ms,f1,f2,...)`` plays up to 18 frequencies together, then is silent. ``v=-7``:
level of each frequency in dBm0, from here on. ``l=2``: each tone from here on twice. ``L=3``: the whole three
times (-1: for ever; so says ``;loops=-1`` too, the url's form). Digits ``0-9*#A-D`` are DTMF, each ``d=250``
ms long with ``w=250`` ms of silence after it. ``r=``, ``c=`` are read and not needed; ``>=``, ``<=``, ``+=``
(fading) are read and not applied. Separators are ``;``, ``,`` and spaces. A name of ``NAMED`` is a tone, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from callflow.errors import ToneError
from callflow.media.taps import Samples

URL_PREFIX = "tone_stream://"

NAMED: Mapping[str, str] = {
    "ringback": "%(2000,4000,440,480);loops=-1",
    "busy": "%(500,500,480,620);loops=-1",
    "congestion": "%(250,250,480,620);loops=-1",
    "dialtone": "%(10000,0,350,440);loops=-1",
    "beep": "%(500,100,440)",
    "sit": "%(274,0,913.8);%(274,0,1370.6);%(380,0,1776.7)",
    "uk-ringback": "%(400,200,400,450);%(400,2000,400,450);loops=-1",
    "eu-ringback": "%(1000,4000,425);loops=-1",
}
"""Usual tones (ITU-T E.180 annex: North America unless named; ``beep`` as Kazoo's voicemail plays it)."""

DTMF_HZ: Mapping[str, tuple[int, int]] = {
    digit: (low, high)
    for low, line in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, digit in zip((1209, 1336, 1477, 1633), line, strict=True)
}
"""The two frequencies of each digit (ITU-T Q.23)."""

DEFAULT_DBM0 = -7.0
# G.711 (table 2): a sine that just fits 16 bits is +3.14 dBm0.
_FULL_SCALE_DBM0 = 3.14
_LONGEST_S = 3600.0
_NAME = re.compile(r"[a-z]+(?:-[a-z]+)*")
_TOKEN = re.compile(
    r"%\(\s*(?P<tone>[^()]*)\)|(?P<key>loops|[A-Za-z><+])\s*=\s*(?P<value>-?[0-9.]+)|(?P<digit>[0-9*#A-Da-d])|[;,\s]+"
)


@dataclass(frozen=True, slots=True)
class Tone:
    """Samples of a tone; ``endless``: they repeat for ever."""

    pcm: Samples
    endless: bool


@dataclass(frozen=True, slots=True)
class _State:
    """What the settings of a TGML text are at some point of it."""

    dbm0: float = DEFAULT_DBM0
    each: int = 1
    whole: int = 1
    digit_ms: float = 250.0
    wait_ms: float = 250.0


def make_tone(spec: str, rate: int) -> Tone:
    """Samples at ``rate`` of TGML, a ``tone_stream://`` url or a name of ``NAMED``. Raises ToneError."""
    text = spec.strip().removeprefix(URL_PREFIX)
    if _NAME.fullmatch(text):
        if text not in NAMED:
            raise _bad(spec, f"no tone is called {text!r}", f"Names are {', '.join(NAMED)}.")
        text = NAMED[text]
    state, pieces, at = _State(), [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _bad(spec, f"{text[at : at + 12]!r} at character {at + 1} is no tone")
        at = token.end()
        if token["tone"] is not None:
            pieces += _tone(spec, token["tone"], state, rate)
        elif token["key"] is not None:
            state = _set(spec, state, token["key"], token["value"])
        elif token["digit"] is not None:
            pieces.append(dtmf(token["digit"], state.digit_ms / 1000, rate, state.dbm0))
            pieces.append(np.zeros(_samples(spec, state.wait_ms, rate), np.int16))
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    if not len(pcm):
        raise _bad(spec, "it makes no sound")
    repeats = max(state.whole, 1)
    if len(pcm) * repeats > _LONGEST_S * rate:
        raise _bad(spec, f"it is longer than {_LONGEST_S:.0f} s", "Use loops=-1 for an endless tone.")
    return Tone(np.tile(pcm, repeats), endless=state.whole < 0)


def dtmf(digit: str, seconds: float, rate: int, dbm0: float = DEFAULT_DBM0) -> Samples:
    """A digit (``0-9*#A-D``) as sound; ``dbm0``: the level of each frequency. Raises ToneError."""
    pair = DTMF_HZ.get(digit.upper())
    if pair is None:
        raise ToneError(f"{digit!r} is no DTMF digit", hint="Digits are 0-9, *, # and A-D.")
    return sines(pair, round(seconds * rate), rate, dbm0)


def sines(frequencies: tuple[float, ...], n: int, rate: int, dbm0: float = DEFAULT_DBM0) -> Samples:
    """``n`` samples of sines added up, each at ``dbm0``; held at the ends of 16 bits."""
    amplitude = 32767 * 10 ** ((dbm0 - _FULL_SCALE_DBM0) / 20)
    time = np.arange(n) / rate
    total = np.zeros(n)
    for frequency in frequencies:
        total += np.sin(2 * np.pi * frequency * time)
    return np.clip(np.rint(amplitude * total), -32768, 32767).astype(np.int16)


def _tone(spec: str, body: str, state: _State, rate: int) -> list[Samples]:
    try:
        numbers = [float(number) for number in body.split(",") if number.strip()]
    except ValueError:
        raise _bad(spec, f"%({body}) holds something that is no number") from None
    if len(numbers) < 2 or len(numbers) > 20 or min(numbers) < 0 or not all(map(np.isfinite, numbers)):
        raise _bad(spec, f"%({body}) must be %(on_ms,off_ms,hertz,...)")
    on, off = (_samples(spec, ms, rate) for ms in numbers[:2])
    heard = tuple(hertz for hertz in numbers[2:] if hertz > 0)
    if any(hertz >= rate / 2 for hertz in heard):
        raise _bad(spec, f"%({body}) is too high for {rate} samples a second")
    if (on + off) * state.each > _LONGEST_S * rate:
        raise _bad(spec, f"it is longer than {_LONGEST_S:.0f} s", "Use loops=-1 for an endless tone.")
    return [sines(heard, on, rate, state.dbm0), np.zeros(off, np.int16)] * state.each


def _set(spec: str, state: _State, key: str, value: str) -> _State:
    try:
        number = float(value)
    except ValueError:
        raise _bad(spec, f"{key}={value} is no number") from None
    match key:
        case "v":
            return replace(state, dbm0=min(0.0, max(-63.0, number)))
        case "l":
            return replace(state, each=max(1, int(number)))
        case "L" | "loops":
            return replace(state, whole=int(number))
        case "d":
            return replace(state, digit_ms=number)
        case "w":
            return replace(state, wait_ms=number)
        case "r" | "c" | ">" | "<" | "+":
            return state
    raise _bad(spec, f"{key}= is not known", "Known are v, l, L, d, w, r, c, >, <, + and loops.")


def _samples(spec: str, ms: float, rate: int) -> int:
    if not 0 <= ms <= _LONGEST_S * 1000:
        raise _bad(spec, f"{ms:g} ms is no length of a tone")
    return round(ms * rate / 1000)


def _bad(spec: str, why: str, hint: str = "A tone is written %(on_ms,off_ms,hertz,hertz).") -> ToneError:
    return ToneError(f"the tone {spec!r} cannot be played: {why}", hint=hint)
