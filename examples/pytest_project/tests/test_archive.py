"""The archive that takes recordings, with faults: nothing is lost, nothing comes twice."""

from __future__ import annotations

from callflow.testing import Callflow, RecordingReceiver, assert_heard, assert_uploaded, tone


def test_the_archive_is_down_twice_and_gets_the_recording(
    callflow: Callflow, receiver: RecordingReceiver
) -> None:
    receiver.fail(503).cut(0.5)
    call = callflow.call(to="301")
    call.say(tone(1000, 3))
    call.callee("emil").answer().hangup(after=4)
    call.ended()
    call.delivered()

    assert receiver.statuses == [503, 0, 201]
    assert_uploaded(call.recording, receiver)
    (upload,) = receiver.uploads
    assert upload.method == "PUT"
    assert upload.target == f"/archive/call_recording_{call.id}.mp3"
    assert_heard(call.recording.left, tone(1000, 3))
