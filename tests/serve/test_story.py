"""The server's lines: one an event, greppable, whatever the network put into them."""

from __future__ import annotations

import pytest

from callflow import events as ev
from callflow.cli._lines import LineWriter
from callflow.cli._serve_story import Chatter, ServeTeller
from callflow.clock import VirtualClock

BEGIN = ev.CallStarted(
    time=0, call_id="c1", from_number="1000", to_number="2000", account_id="demo", flow_name="Main line"
)
END = ev.CallEnded(time=4, call_id="c1", cause="NORMAL_CLEARING", by="party", duration=4.0)
READY = ev.RecordingChanged(
    time=4, call_id="c1", recording_id="r1", change="ready", state="READY", seconds=3.5, bytes=9, file="f.wav"
)
WAITING = ev.DeliveryChanged(
    time=5, call_id="c1", delivery_id="d1", recording_id="r1", change="waiting", method="PUT",
    url="http://h/x", attempt=1, status=503, next_attempt_in=5.2,
)  # fmt: skip
STEP = ev.StepStarted(time=1, call_id="c1", path="", module="menu", flow_id="main")
DIGIT = ev.DigitPressed(time=1, call_id="c1", leg="c1", digit="7")
WARNING = ev.Noticed(time=1, call_id="c1", level="warning", code="CF-X", message="m", hint="h", module="menu")
INFO = ev.Noticed(time=1, level="info", code="CF-RUN-RELOAD", message="documents read")


def told(chatter: Chatter, *events: ev.Event) -> list[str]:
    lines: list[str] = []
    teller = ServeTeller(VirtualClock(0.0), lines.append, chatter)
    for event in events:
        teller(event)
    assert all(line.startswith("00:00:00.000  ") for line in lines)
    return [line[14:] for line in lines]


def test_a_line_for_each_begin_and_end() -> None:
    assert told(Chatter.NORMAL, BEGIN, STEP, DIGIT, READY, END, WAITING, INFO) == [
        'call.begin          call=c1 account=demo from=1000 to=2000 flow="Main line"',
        "recording.ready     call=c1 recording=r1 seconds=3.50 file=f.wav bytes=9",
        "call.end            call=c1 seconds=4.00 cause=NORMAL_CLEARING by=party",
        'delivery.waiting    call=c1 delivery=d1 recording=r1 to="PUT http://h/x" '
        "status=503 attempt=1 next_in=5",
        "info     CF-RUN-RELOAD  documents read",
    ]


def test_quiet_tells_warnings_only_and_verbose_all_but_digits() -> None:
    everything = (BEGIN, STEP, DIGIT, READY, WARNING, INFO)
    assert told(Chatter.QUIET, *everything) == ["warning  CF-X  m  (h) call=c1 module=menu"]
    lines = told(Chatter.VERBOSE, *everything)
    assert len(lines) == len(everything)
    assert "step.started        call=c1 node=/ module=menu flow=main" in lines
    assert "call.digit          call=c1" in lines
    assert not any("7" in line for line in lines), "it may be somebody's PIN"


@pytest.mark.parametrize("text", ["a\r\nINJECTED b", "x" * 5000, 'q"uo=te', "\x1b[31mred", "%s%n{0}"])
def test_nothing_from_the_network_breaks_a_line(text: str) -> None:
    event = ev.CallStarted(time=0, call_id=text, from_number=text, to_number=text, account_id="demo")
    notice = ev.Noticed(time=0, level="error", code="CF-X", message=text, hint=text)
    for line in told(Chatter.VERBOSE, event, notice):
        assert line.isprintable()
        assert len(line) < 1500
    (line,) = told(Chatter.VERBOSE, event)
    assert line.count(" account=demo ") == 1


def test_a_fault_while_telling_is_nobody_elses(caplog: pytest.LogCaptureFixture) -> None:
    broken = ev.CallEnded(time=0, call_id="c", cause="x", by="y", duration="no number")  # type: ignore[arg-type]
    assert told(Chatter.NORMAL, broken, END) != []
    assert "an event cannot be told: call.ended" in caplog.text


def test_lines_come_out_in_order_and_all(capsys: pytest.CaptureFixture[str]) -> None:
    write = LineWriter()
    for number in range(500):
        write(str(number))
    write.close()
    assert capsys.readouterr().out.split() == [str(number) for number in range(500)]


def test_a_reader_that_stands_still_costs_lines_and_no_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callflow.cli._lines.ROOM", 10)
    monkeypatch.setattr(LineWriter, "_run", lambda self: None)  # nobody reads
    write = LineWriter()
    for number in range(30):
        write(str(number))
    kept = [write._lines.get_nowait() for _ in range(10)]
    write("later")
    assert kept == [str(number) for number in range(10)]
    assert write._lines.get_nowait() == "(20 lines were left out: nobody read them)"
    assert write._lines.get_nowait() == "later"
