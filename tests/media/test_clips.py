"""Clips, tones, resampling, prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.errors import AudioFileError, MediaError, ToneError
from callflow.media.clips import ClipLoader
from callflow.media.messages import FileClip, PcmClip, SilenceClip, ToneClip
from callflow.media.prompts import prompt_names, prompt_path
from callflow.media.resample import StreamResampler, resample, resampled_length
from callflow.media.sound import ENDLESS, Part, Sound
from callflow.media.tones import DTMF_HZ, NAMED, dtmf, make_tone
from tests.media.listening import level, noise

REPOSITORY = Path(__file__).resolve().parents[2]


# ---- clips -----------------------------------------------------------------------------------


def test_files_are_averaged_resampled_read_once_and_read_again_when_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    stereo = np.stack([np.full(1600, 1000), np.full(1600, 2001)], axis=1).astype(np.int16)
    soundfile.write(path, stereo, 16000)
    loader = ClipLoader()
    first = loader.load(FileClip(str(path)), 16000)
    assert (first == 1500).all()
    assert not first.flags.writeable
    assert loader.load(FileClip(str(path)), 16000) is first
    assert len(loader.load(FileClip(str(path)), 8000)) == 800
    soundfile.write(path, noise(10), 16000)
    assert np.array_equal(loader.load(FileClip(str(path)), 16000), noise(10))


def test_only_so_much_is_kept(tmp_path: Path) -> None:
    loader = ClipLoader(cache_bytes=5000)
    clips = [FileClip(str(tmp_path / f"{number}.wav")) for number in range(3)]
    for number, clip in enumerate(clips):
        soundfile.write(clip.path, noise(1000, number), 8000)
    first = loader.load(clips[0], 8000)
    loader.load(clips[1], 8000)
    assert loader.load(clips[0], 8000) is first  # used last but one: the next to go is clips[1]
    loader.load(clips[2], 8000)
    assert loader.load(clips[0], 8000) is first
    loader.load(clips[1], 8000)
    loader.load(clips[2], 8000)
    assert loader.load(clips[0], 8000) is not first


def test_other_clips() -> None:
    loader = ClipLoader()
    assert np.array_equal(loader.load(PcmClip(noise(9).tobytes() + b"x", 8000), 8000), noise(9))
    assert len(loader.load(SilenceClip(0.25), 8000)) == 2000
    assert len(loader.load(ToneClip("beep"), 8000)) == 4800
    for wrong in (SilenceClip(-1), SilenceClip(float("nan")), PcmClip(b"", 0)):
        with pytest.raises(MediaError):
            loader.load(wrong, 8000)


def test_what_is_no_sound_file(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    for path in (tmp_path / "text.wav", tmp_path / "none.wav", tmp_path, Path("a\0b")):
        with pytest.raises(AudioFileError) as caught:
            ClipLoader().load(FileClip(str(path)), 8000)
        assert caught.value.hint


def test_a_sound_is_the_same_from_every_position() -> None:
    parts = [Part(5, noise(5)), Part(3), Part(0), Part(700, noise(700, 2))]
    whole = np.concatenate([noise(5), np.zeros(3, np.int16), noise(700, 2)])
    for loops, sound in ((2, Sound(parts, 2)), (1, Sound(parts)), (0, Sound(parts, 0))):
        assert sound.length == (len(whole) * loops or ENDLESS)
        wanted = np.tile(whole, 30 if loops == 0 else loops)
        for position in range(0, len(wanted) - 50, 49):
            out = np.empty(50, np.int16)
            sound.fill(out, position)
            assert np.array_equal(out, wanted[position : position + 50])


# ---- tones -----------------------------------------------------------------------------------


def test_tgml_has_its_frequencies_lengths_and_level() -> None:
    tone = make_tone("tone_stream://v=-13;%(200,100,440,480);%(50,0,1000)", 8000)
    pcm = tone.pcm
    assert (len(pcm), tone.endless) == (2800, False)
    amplitude = 32767 * 10 ** ((-13 - 3.14) / 20)
    assert level(pcm[:1600], 440) == pytest.approx(amplitude, rel=0.03)
    assert level(pcm[:1600], 480) == pytest.approx(amplitude, rel=0.03)
    assert not pcm[1600:2400].any()
    assert level(pcm[2400:], 1000) == pytest.approx(amplitude, rel=0.03)


@pytest.mark.parametrize(
    ("spec", "n", "endless"),
    [
        ("%(100,0,440)", 800, False),
        ("L=3;%(100,0,440)", 2400, False),
        ("%(100,0,440);loops=2", 1600, False),
        ("%(100,0,440);loops=-1", 800, True),
        ("l=2;%(100,50,440)", 2400, False),
        ("d=100;w=50;12", 2400, False),
        ("v=-7;%(100,0,941.0,1477.0);v=-7;>=2;+=.1;%(1400,0,350,440)", 12000, False),
        ("%(100, 0, 0)", 800, False),
    ],
)
def test_tgml_words(spec: str, n: int, endless: bool) -> None:
    tone = make_tone(spec, 8000)
    assert (len(tone.pcm), tone.endless) == (n, endless)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_named_tones_sound_and_do_not_clip(name: str, rate: int) -> None:
    pcm = make_tone(name, rate).pcm
    assert 5000 < np.abs(pcm.astype(np.int32)).max() < 32767


@pytest.mark.parametrize(
    "spec",
    (
        "",
        "nonsense",
        "%(",
        "%(100)",
        "%(a,b,c)",
        "%(-1,0,440)",
        "%(1e9,0,440)",
        "%(100,0,5000)",
        "x=1;%(1,0,440)",
        "%(1000,0,440);L=3601",
        "l=99;%(40000,0,440)",
        "L=5",
        "v=1.2.3;%(100,0,440)",
        "%(nan,0,440)",
        "%(100,0,440)!",
    ),
)
def test_what_is_no_tone(spec: str) -> None:
    with pytest.raises(ToneError) as caught:
        make_tone(spec, 8000)
    assert caught.value.hint


@pytest.mark.parametrize("digit", sorted(DTMF_HZ))
def test_dtmf_has_its_two_frequencies_and_no_other(digit: str) -> None:
    pcm = dtmf(digit, 0.1, 8000)
    assert len(pcm) == 800
    frequencies = {hertz for pair in DTMF_HZ.values() for hertz in pair}
    loud = {hertz for hertz in frequencies if level(pcm, hertz) > 5000}
    assert loud == set(DTMF_HZ[digit])


def test_no_digit() -> None:
    assert np.array_equal(dtmf("a", 0.1, 8000), dtmf("A", 0.1, 8000))
    for wrong in ("E", "", "12"):
        with pytest.raises(ToneError):
            dtmf(wrong, 0.1, 8000)


# ---- resampling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "to"), [(8000, 16000), (16000, 8000), (8000, 44100), (44100, 8000), (8000, 11025)]
)
@pytest.mark.parametrize("n", [0, 1, 1000, 12345])
def test_resampling_is_exact_in_length_and_the_same_in_pieces(rate: int, to: int, n: int) -> None:
    pcm = noise(2 * n).reshape(n, 2)
    stream = StreamResampler(rate, to, 2)
    pieces = [stream.push(pcm[first : first + 777]) for first in range(0, n, 777)]
    joined = np.concatenate([*pieces, stream.finish()])
    assert len(joined) == resampled_length(n, rate, to) == int(n * to / rate + 0.5)
    assert np.array_equal(resample(pcm, rate, to), joined)
    assert not resample(np.zeros_like(pcm), rate, to).any()


def test_resampling_keeps_time_and_level() -> None:
    time = np.arange(8000) / 8000
    pcm = (10000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    wide = resample(pcm, 8000, 48000)
    wanted = 10000 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    assert np.abs(wide - wanted)[2000:-2000].max() < 20
    assert np.array_equal(resample(pcm, 8000, 8000), pcm)
    same = StreamResampler(8000, 8000, 1)
    assert np.array_equal(same.push(pcm[:, None])[:, 0], pcm)
    assert len(same.finish()) == 0


# ---- prompts and examples --------------------------------------------------------------------


def test_every_prompt_is_short_narrow_speech() -> None:
    needed = "vm-person vm-not_available vm-no_mailbox vm-record_message vm-saved vm-goodbye menu-exit"
    needed += " menu-invalid_entry menu-no_prompt menu-transferring_call cf-unauthorized_call"
    assert set(needed.split()) <= set(prompt_names())
    for name in prompt_names():
        path = prompt_path(name)
        assert path is not None
        pcm, rate = soundfile.read(path, dtype="int16")
        assert (rate, pcm.ndim) == (8000, 1)
        assert 0.5 < len(pcm) / rate < 10
        assert 8000 < np.abs(pcm.astype(np.int32)).max() < 20000


def test_prompts_fall_back_to_the_default_language_and_are_never_a_path() -> None:
    assert prompt_path("vm-saved", "de-de") == prompt_path("vm-saved") == prompt_path("vm-saved", "EN-US")
    for wrong in ("vm-nothing", "../en-us/vm-saved", "/etc/passwd", "", "vm-saved.wav", "."):
        assert prompt_path(wrong) is None
    assert prompt_path("vm-saved", "../en-us") == prompt_path("vm-saved")


@pytest.mark.parametrize("name", ["caller", "callee"])
def test_the_example_parties_speak_in_turn(name: str) -> None:
    path = REPOSITORY / "examples" / "audio" / f"{name}.wav"
    pcm, rate = soundfile.read(path, dtype="int16")
    assert (rate, pcm.ndim) == (8000, 1)
    assert 8 <= len(pcm) / rate <= 15
    assert path.stat().st_size < 250_000
    speaking = np.abs(pcm[: len(pcm) // 160 * 160].astype(np.int32)).reshape(-1, 160).mean(axis=1) > 200
    assert 0.2 < speaking.mean() < 0.7
