"""``callflow call`` as it is typed: the table, the JSON, exit codes, and what is said about mistakes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from callflow.cli import _call_words as words
from callflow.cli import app_for
from callflow.cli._network import ports
from tests.call.voices import voice

CALLER = voice(1)
CALLEE = voice(2)


def callflow(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "callflow", "call", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def answering(*options: str) -> Iterator[str]:
    """A phone that takes calls; its URI."""
    command = [sys.executable, "-m", "callflow", "call", "--answer", "--media-ports", "37000-39000", *options]
    with subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"sip:\S+\d", line)
        assert found, line
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield found[0]
        finally:
            process.terminate()
            process.wait(20)
            drain.join(20)


def test_one_call_is_made_recorded_and_told(tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    with answering("--audio", CALLEE, "--dtmf", "5@0.3") as uri:
        done = callflow(
            *(uri, "--audio", CALLER, "--hangup-after", "2", "--record-to", str(heard), "--record-both"),
            *("--expect", CALLEE),
        )
    assert done.returncode == 0, (done.stdout, done.stderr)
    table = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in done.stdout.splitlines())
    assert table["answered"] == "1 of 1" and table["failed"] == "0"
    assert table["ended by"] == "us (NORMAL_CLEARING)" and table["digits heard"] == "5"
    assert re.fullmatch(r"\d+ ms", table["setup"])
    assert re.fullmatch(r"sent \d+, received \d+, lost \d+.*", table["packets"])
    assert re.match(r"(0\.[789]|1\.0)", table["correlation"]), table
    samples, rate = soundfile.read(str(heard), dtype="int16")
    assert rate == 8000 and samples.shape[1] == 2 and len(samples) > 1.8 * rate
    assert np.abs(samples[:, 0]).max() > 1000 and np.abs(samples[:, 1]).max() > 1000


def test_several_calls_as_json() -> None:
    with answering("--calls", "20") as uri:
        done = callflow(uri, "--calls", "20", "--rate", "20", "--hangup-after", "0.3", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["good"] and found["answered"] == found["calls"] == 20
    assert found["failed"] == [] and len(found["each"]) == 20 and found["correlation"] is None
    assert 0 < found["setup_ms"]["p50"] <= found["setup_ms"]["p99"]


def test_what_was_expected_and_not_heard_is_a_failure() -> None:
    with answering("--audio", CALLER) as uri:
        done = callflow(uri, "--hangup-after", "1.5", "--expect", CALLEE)
    assert done.returncode == 1 and "not heard" in done.stdout and "1 of 1" in done.stdout


def test_nobody_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    done = callflow(f"sip:x@127.0.0.1:{port}", "--calls", "3", "--rate", "50")
    assert done.returncode == 1
    assert re.search(r"answered\s+0 of 3", done.stdout) and "setup" not in done.stdout
    assert "3 x udp:127.0.0.1" in done.stderr and "nobody listens there" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "whom to call"),
        (("--register", "--answer"), "whom to call"),
        (("sip:x@127.0.0.1", "--dtmf", "hello@1"), "--dtmf hello@1"),
        (("sip:x@127.0.0.1", "--audio", "nowhere.wav"), "nowhere.wav"),
        (("sip:x@127.0.0.1", "--expect", "nowhere.wav"), "nowhere.wav"),
        (("sip:x@nowhere.invalid",), "no such host: nowhere.invalid"),
        (("2100",), "'2100' says no host (such as sip:2100@127.0.0.1:5060)"),
        (("sip:+15550100",), "says no host (such as sip:+15550100@127.0.0.1:5060)"),
        (("http://127.0.0.1",), "is not a SIP URI: its scheme is http"),
        (
            ("sip:x@127.0.0.1", "--record-to", "nowhere/x.wav"),
            "nowhere/x.wav cannot be written: No such",
        ),
    ],
)
def test_wrong_use(options: Sequence[str], said: str) -> None:
    done = CliRunner().invoke(app_for("call"), ["call", *options])
    assert done.exit_code == 2 and said in done.stderr, done.stderr
    assert isinstance(done.exception, SystemExit) and "Traceback" not in done.stderr


def test_a_connection_that_is_refused_is_said_in_words(tmp_path: Path) -> None:
    """And a file that could be written is not made before there is something to write."""
    heard = tmp_path / "heard.wav"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # has the port, but does not listen
        uri = f"sip:x@127.0.0.1:{taken.getsockname()[1]}"
        done = callflow(uri, "--tcp", "--record-to", str(heard))
    assert done.returncode == 1 and "no connection: Connection refused (is it up" in done.stderr
    assert not heard.exists()


# ---- words ---------------------------------------------------------------------------------------


def test_words_that_are_read() -> None:
    assert words.digits(["12*#@3.5", "9"]) == (("12*#", 3.5), ("9", 0.5))
    assert words.holds(["3-5", "6.5-7"]) == ((3.0, 5.0), (6.5, 7.0))
    assert words.referred("sip:2001@127.0.0.1@5") == ("sip:2001@127.0.0.1", 5.0)
    assert words.headers(["X-Test: a b", "Subject:x"]) == (("X-Test", "a b"), ("Subject", "x"))
    assert words.codecs(["pcma, G722"]) == ("PCMA", "G722")
    assert words.codecs(None) == words.CODECS
    assert words.address("[::1]:5070") == ("::1", 5070)
    assert words.address("127.0.0.1") == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:1000@192.0.2.1:5060;transport=tcp", "192.0.2.1"),
        ("sips:a@[2001:db8::1]", "[2001:db8::1]"),
        ("alice@pbx.example", "pbx.example"),
        ("sip:pbx.example:5080?x=y@z", "pbx.example"),
        ("", "127.0.0.1"),
    ],
)
def test_the_host_of_a_uri(uri: str, host: str) -> None:
    assert words.host_of(uri) == host


@pytest.mark.parametrize(
    ("read", "word"),
    [
        (words.digits, ["12@"]),
        (words.digits, ["12@1e9"]),
        (words.holds, ["5-3"]),
        (words.holds, ["5"]),
        (words.headers, ["Via: x"]),
        (words.headers, ["X-A: b\r\nEvil: c"]),
        (words.headers, ["no colon"]),
        (words.referred, "2001"),
        (words.codecs, ["OPUS"]),
        (partial(ports, example="1-9"), "9-1"),
        (words.address, "a:b:c"),
        (words.mode, "maybe"),
        (words.name, "a b"),
    ],
)
def test_words_that_are_not(read: object, word: object, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with pytest.raises(typer.Exit) as ended:
        read(word)  # type: ignore[operator]
    assert ended.value.exit_code == 2 and "callflow:" in capsys.readouterr().err
