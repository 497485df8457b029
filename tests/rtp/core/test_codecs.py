"""G.711 to the bit, G.722 both ways, and other rates inside a leg."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.rtp.codecs import (
    BYTES_A_TICK,
    CODEC_RATE,
    Doubler,
    Halver,
    decode_g711,
    decoder,
    encode_g711,
    encoder,
)
from callflow.media.rtp.halfband import DELAY
from callflow.media.taps import Samples
from tests.rtp.core.line import tone

CODES = np.arange(256, dtype=np.uint8)
EVERY = np.arange(-32768, 32768).astype(np.int16)


def decoded(codec: str) -> Samples:
    sound = np.empty(256, np.int16)
    decode_g711(codec, CODES, sound)
    return sound


def test_values_of_the_recommendation() -> None:
    ulaw, alaw = decoded("PCMU"), decoded("PCMA")
    # G.711 tables 2a and 1a (value column), at 16 bits: ends, middle and first steps.
    assert [int(ulaw[code]) for code in (0x00, 0x80, 0x7F, 0xFF, 0xFE, 0xEF, 0x8F)] == [
        -32124, 32124, 0, 0, 8, 132, 16764,
    ]  # fmt: skip
    assert [int(alaw[code]) for code in (0x2A, 0xAA, 0xD5, 0x55, 0xD4, 0xC5)] == [
        -32256, 32256, 8, -8, 24, 264,
    ]  # fmt: skip


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_each_code_is_the_code_of_its_value_and_each_sample_goes_to_a_near_one(codec: str) -> None:
    values = decoded(codec)
    again = np.empty(256, np.uint8)
    encode_g711(codec, values, again)
    same = again == CODES
    assert same.sum() >= 255  # µ-law has two zeros
    assert (values[again] == values).all()
    codes = np.empty(65536, np.uint8)
    encode_g711(codec, EVERY, codes)
    error = np.abs(values[codes].astype(int) - EVERY)
    assert (error <= np.maximum(np.abs(EVERY.astype(int)) / 16, 16) + 1).all()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone")
@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_every_sample_as_another_implementation_has_it(codec: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # type: ignore[import-not-found,unused-ignore]
    name = {"PCMU": "ulaw", "PCMA": "alaw"}[codec]
    codes = np.empty(65536, np.uint8)
    encode_g711(codec, EVERY, codes)
    assert codes.tobytes() == getattr(audioop, f"lin2{name}")(EVERY.tobytes(), 2)
    assert decoded(codec).tobytes() == getattr(audioop, f"{name}2lin")(CODES.tobytes(), 2)


@pytest.mark.parametrize("codec", list(CODEC_RATE))
@pytest.mark.parametrize("sent", [8000, 16000])
@pytest.mark.parametrize("taken", [8000, 16000])
def test_any_codec_between_any_rates(codec: str, sent: int, taken: int) -> None:
    encode, decode = encoder(codec, sent), decoder(codec, taken)
    sound = tone(1000, 0.5, sent)
    pieces = []
    for at in range(0, len(sound), sent // 50):
        payload = encode(sound[at : at + sent // 50]).tobytes()
        assert len(payload) == 2 * BYTES_A_TICK[codec] == {"L16/8000": 320, "L16/16000": 640}.get(codec, 160)
        pieces.append(decode(payload))
    heard = np.concatenate(pieces)[taken // 10 :].astype(float)
    assert len(heard) == taken * 4 // 10
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    peak = int(power.argmax())
    assert peak * taken / len(heard) == pytest.approx(1000, abs=5)
    assert heard.std() * 2**0.5 == pytest.approx(8000, rel=0.03)
    rest = power.sum() - power[peak - 4 : peak + 5].sum()
    assert rest < power.sum() / 1000


@pytest.mark.parametrize("rate", [8000, 16000])
def test_linear_sound_is_kept_to_the_bit(rate: int) -> None:
    payload = encoder(f"L16/{rate}", rate)(EVERY)
    assert payload[:2].tobytes() == int(EVERY[0]).to_bytes(2, "big", signed=True)
    assert (decoder(f"L16/{rate}", rate)(payload.tobytes()) == EVERY).all()


def test_what_is_no_codec_or_rate_is_an_error() -> None:
    with pytest.raises(MediaError):
        encoder("G729", 8000)
    with pytest.raises(MediaError):
        decoder("PCMU", 48000)


def test_doubling_keeps_the_samples_and_halving_gives_them_back() -> None:
    random = np.random.default_rng(1)
    rows = np.array([4, 900])
    noise = random.integers(-9000, 9000, (2, 4000)).astype(np.int16)
    smooth = np.stack([tone(700, 0.5), tone(2900, 0.5)])
    for sound in (noise, smooth):
        double = Doubler()
        pieces = [double(rows, sound[:, at : at + 80]) for at in range(0, 4000, 80)]
        wide = np.concatenate(pieces, axis=1)
        assert (wide[:, 2 * DELAY :: 2] == sound[:, : 4000 - DELAY]).all()
        # In other pieces it is the same.
        assert (Doubler()(rows, sound) == wide).all()
    halve = Halver()
    back = np.concatenate([halve(rows, wide[:, at : at + 160]) for at in range(0, 8000, 160)], axis=1)
    delay = 2 * DELAY - 1
    assert np.abs(back[:, 200:].astype(int) - smooth[:, 200 - delay : 4000 - delay]).max() < 30


def test_halving_lets_nothing_fold_over() -> None:
    for hertz in (4700, 5500, 7000):
        assert np.abs(Halver()(np.array([0]), tone(hertz, 0.2, 16000)[None])[0, 100:]).max() < 16


def test_a_reset_row_has_no_past() -> None:
    double, rows = Doubler(), np.array([1])
    double(rows, tone(400, 0.1)[None])
    double.reset(1)
    assert not double(rows, np.zeros((1, 80), np.int16)).any()
