"""The main job, whole: a flow is walked, both parties are recorded, the file arrives at a real receiver."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import soundfile

from callflow.delivery.receiver_faults import Fault, Faults
from callflow.documents.shipped import examples_dir
from callflow.events import CallBridged, CallEnded, DeliveryChanged, Noticed
from callflow.state.database import Database
from callflow.state.records import list_recordings
from tests.app.harness import Stage, chain, loudness, node, silence, told, tone, with_receiver
from tests.media.listening import offset_of

AUDIO = examples_dir() / "audio"

DOCUMENTED = {
    "module": "record_call",
    "data": {
        "action": "start",
        "format": "mp3",
        "url": "{RECEIVER}/{ACCOUNT_ID}/{USER_ID}",
        "time_limit": 360,
    },
    "children": {
        "_": {
            "module": "user",
            "data": {"id": "{USER_ID}"},
            "children": {
                "_": {
                    "module": "record_call",
                    "data": {"action": "stop"},
                    # The documentation leaves the branch key out here.
                    "children": {"module": "voicemail", "data": {"id": "{VMBOX_ID}"}, "children": {}},
                }
            },
        }
    },
}
"""The shape of the documentation's "Sample Recording Per User"."""

VARIABLES = {"USER_ID": "u 1", "VMBOX_ID": "box"}
TALK = {
    "caller": {"audio": [silence(3), tone(440, 2)], "hangup_after": 8},
    "callee": {"answer_after": 2, "audio": [silence(3), tone(1000, 2)]},
}


def test_the_documented_example_runs_and_its_file_arrives(tmp_path: Path) -> None:
    def use(url: str) -> tuple[str, list[DeliveryChanged]]:
        stage = Stage(tmp_path / "state", variables={**VARIABLES, "RECEIVER": url}, deliver=True)
        played = stage.play(DOCUMENTED, TALK)
        assert played.modules() == ["record_call", "user"]
        assert played.changes() == [("started", ""), ("finishing", "hangup"), ("ready", "hangup")]
        return played.report.call_id, played.of(DeliveryChanged)

    (call_id, deliveries), received = with_receiver(tmp_path / "received", use)
    assert [event.change for event in deliveries] == ["queued", "sending", "delivered"]
    (upload,) = received
    assert (upload.method, upload.target) == ("PUT", f"/account/u%201/call_recording_{call_id}.mp3")
    assert upload.header("Content-Type") == "audio/mpeg"
    assert upload.digest_ok
    assert upload.file is not None
    samples, rate = soundfile.read(upload.file, dtype="int16", always_2d=True)
    assert rate == 8000
    assert len(samples) == pytest.approx(8 * rate, abs=1152)
    left, right = samples[:, 0], samples[:, 1]
    assert loudness(left, rate, 3.2, 4.8, 440) > 0.05
    assert loudness(right, rate, 5.2, 6.8, 1000) > 0.05
    assert loudness(left, rate, 3.2, 4.8, 1000) < 0.005
    assert loudness(right, rate, 3.2, 4.8, 440) < 0.005


def test_the_documented_example_stops_recording_before_voicemail(tmp_path: Path) -> None:
    """Nobody answers: the stop runs (kazoo.md 2.4), then voicemail, read as if ``_`` were written."""

    def use(url: str) -> None:
        stage = Stage(tmp_path / "state", variables={**VARIABLES, "RECEIVER": url}, deliver=True)
        played = stage.play(
            DOCUMENTED, {**TALK, "callee": {"answer_after": None}, "caller": {"hangup_after": 30}}
        )
        assert played.modules() == ["record_call", "user", "record_call", "voicemail"]
        assert ("finishing", "stopped") in played.changes()
        assert any("branch key" in notice.message for notice in played.of(Noticed))

    _, received = with_receiver(tmp_path / "received", use)
    assert [upload.seconds for upload in received] == [pytest.approx(20.0, abs=0.15)]


def test_a_receiver_that_fails_first_gets_it_in_the_end(tmp_path: Path) -> None:
    flow = chain(
        node("record_call", action="start", format="wav", url="{RECEIVER}"), node("sleep", duration=1)
    )

    def use(url: str) -> list[str]:
        stage = Stage(tmp_path / "state", variables={"RECEIVER": url}, deliver=True, delivery_wait_s=15)
        return [event.change for event in stage.play(flow, {}).of(DeliveryChanged)]

    changes, received = with_receiver(tmp_path / "received", use, Faults([Fault(status=503, retry_after=1)]))
    assert changes == ["queued", "sending", "waiting", "sending", "delivered"]
    assert [upload.status for upload in received] == [503, 201]
    assert received[0].sha256 == received[1].sha256


def test_kazoos_query_comes_once_after_a_name_that_nobody_has(tmp_path: Path) -> None:
    settings = {"media.call_recording.url_metadata": True}

    def use(url: str) -> None:
        start = node("record_call", action="start", url=f"{url}/r", format="wav")
        wait, stop = node("sleep", duration=2), node("record_call", action="stop")
        flow = chain(start, start, wait, stop, node("sleep", duration=1))
        Stage(tmp_path / "state", settings=settings, deliver=True).play(flow, TALK)

    _, received = with_receiver(tmp_path / "received", use)
    targets = [urlsplit(upload.target) for upload in received]
    names = sorted(target.path.rpartition("call_recording_")[2] for target in targets)
    assert [name[36:] for name in names] == ["-2.wav", ".wav"]
    queries = [parse_qs(target.query) for target in targets]
    assert all(len(values) == 1 for query in queries for values in query.values())
    assert sorted(query["duration_ms"] for query in queries) == [["2000"], ["3000"]]


def test_without_a_url_the_file_is_kept_and_listed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    played = stage.play(chain(node("record_call", action="start", format="wav"), node("user", id="u")), TALK)
    samples, rate = played.sound()
    assert (len(samples), rate) == (8 * 8000, 8000)
    database = Database.open(tmp_path / "callflow.db")
    (row,) = database.run(list_recordings)
    database.close()
    assert (row.state, row.seconds, row.channels, row.target_kind) == ("READY", 8.0, 2, "local")
    assert row.bytes == (tmp_path / row.file).stat().st_size
    assert list((tmp_path / "spool").iterdir()) == []


def test_both_sides_are_found_on_their_channel_at_their_time_to_the_sample(tmp_path: Path) -> None:
    """Correlation with the very tone: what the caller says is left from its sample on, the callee right."""
    played = Stage(tmp_path).play(
        chain(node("record_call", action="start", format="wav"), node("user", id="u")), TALK
    )
    samples, rate = played.sound()
    for channel, hz, at in ((0, 440, 3.0), (1, 1000, 5.0)):
        loud = np.flatnonzero(np.abs(samples[:, channel].astype(int)) > 200)
        in_talk = loud[loud >= 2.5 * rate]  # the caller hears ringback on the right until 2 s
        assert in_talk[0] == pytest.approx(at * rate, abs=rate // hz)
        assert in_talk[-1] == pytest.approx((at + 2) * rate, abs=rate // hz)


@pytest.mark.parametrize(
    "network",
    [
        {"loss": "0010000110"},
        {"jitter_ms": [0, 25, 39, 40, 41, 3], "delay_s": 0.04},
        {"loss": "00000001", "jitter_ms": [15, 0, 70, 20, 40], "delay_s": 0.04},
    ],
    ids=["loss", "jitter", "both"],
)
def test_speech_is_found_again_in_the_file_through_a_bad_network(
    tmp_path: Path, network: dict[str, Any]
) -> None:
    """By correlation with what was said: on its channel only, and its lag is right to the sample."""
    talk = {
        "caller": {"audio": [silence(0.5), str(AUDIO / "caller.wav")], "hangup_after": 16, **network},
        "callee": {"audio": [silence(1.5), str(AUDIO / "callee.wav")], **network},
    }
    flow = chain(node("record_call", action="start", format="wav"), node("user", id="u"))
    samples, rate = Stage(tmp_path).play(flow, talk).sound()
    assert (len(samples), rate) == (16 * 8000, 8000)
    for channel, (name, said_at) in enumerate((("caller", 0.5), ("callee", 1.5))):
        said, _ = soundfile.read(AUDIO / f"{name}.wav", dtype="int16")
        lag, likeness = offset_of(said, samples[:, channel])
        assert lag == round((said_at + network.get("delay_s", 0)) * rate)
        assert 0.7 < likeness < 0.99, "some of it is lost, the rest is there"
        assert offset_of(said, samples[:, 1 - channel])[1] < 0.3


def test_lost_packets_are_silence_of_their_length_on_their_side(tmp_path: Path) -> None:
    lossy = {
        "caller": {"audio": tone(440, 4), "loss": "0001", "hangup_after": 4},
        "callee": {"audio": tone(1000, 4)},
    }
    played = Stage(tmp_path).play(
        chain(node("record_call", action="start", format="wav"), node("user", id="u")), lossy
    )
    samples, rate = played.sound()
    packets = samples[: 4 * rate].reshape(-1, 160, 2)
    left = np.abs(packets[:, :, 0].astype(int)).max(axis=1)
    right = np.abs(packets[:, :, 1].astype(int)).max(axis=1)
    assert np.all(left[3::4] < 5)
    assert np.all(np.delete(left, np.arange(3, len(left), 4)) > 200)
    assert np.all(right > 200)


def test_the_same_seed_repeats_events_and_samples(tmp_path: Path) -> None:
    flow = chain(
        node("record_call", action="start", format="wav"),
        node("record_call", action="start", format="wav", record_on_bridge=True, label="second"),
        node("user", id="u"),
    )
    first, again, other = (
        Stage(tmp_path / str(number), seed=seed).play(flow, TALK) for number, seed in enumerate((7, 7, 8))
    )
    assert told(first.events) == told(again.events)
    assert len(first.recordings) == 2
    for one, two in zip(first.recordings, again.recordings, strict=True):
        assert one.file is not None
        assert two.file is not None
        assert (first.state / one.file).read_bytes() == (again.state / two.file).read_bytes()
    assert first.report.call_id != other.report.call_id


def test_the_same_seed_repeats_many_calls_that_run_at_once(tmp_path: Path) -> None:
    """However the threads race that write, finish and commit."""
    flow = chain(node("record_call", action="start", format="mp3"), node("user", id="u"))
    calls = [(flow, {"callee": {"answer_after": 1, "hangup_after": 1 + number % 3}}) for number in range(12)]
    one, two = (Stage(tmp_path / name).play_all(calls)[0] for name in ("one", "two"))
    assert told(one.events) == told(two.events)
    assert len(one.of(CallEnded)) == 12


def test_a_hundred_calls_at_once_do_not_mix(tmp_path: Path) -> None:
    flow = chain(node("record_call", action="start", format="wav"), node("user", id="u"))
    calls = [
        (
            flow,
            {
                "from": str(1000 + number),
                "caller": {"audio": tone(300 + 20 * number, 1), "hangup_after": 2 + number / 50},
                "callee": {"answer_after": 0.5, "audio": tone(2400 + 10 * number, 1)},
            },
        )
        for number in range(100)
    ]
    played = Stage(tmp_path).play_all(calls)
    for number, one in enumerate(played):
        samples, rate = one.sound()
        assert len(samples) == round((2 + number / 50) * rate)
        assert loudness(samples[:, 0], rate, 0.1, 0.9, 300 + 20 * number) > 0.05
        assert loudness(samples[:, 1], rate, 0.6, 1.4, 2400 + 10 * number) > 0.05
    assert len({one.report.call_id for one in played}) == 100
    assert len(played[0].of(CallEnded)) == 100


def test_an_engine_in_real_time_does_the_same(tmp_path: Path) -> None:
    scenario = {
        "caller": {"audio": tone(440, 0.5), "hangup_after": 1.0},
        "callee": {"answer_after": 0.2, "audio": tone(1000, 0.5)},
    }
    flow = chain(node("record_call", action="start", format="wav"), node("user", id="u"))
    played = Stage(tmp_path).play_live(flow, scenario)
    samples, rate = played.sound()
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)
    assert loudness(samples[:, 0], rate, 0.1, 0.4, 440) > 0.05
    assert loudness(samples[:, 1], rate, 0.35, 0.6, 1000) > 0.05
    assert len(played.of(CallBridged)) == 1
