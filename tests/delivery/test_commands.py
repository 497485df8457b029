"""The commands receive, recordings and deliveries, as processes or through typer's runner."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import callflow.cli
from callflow.delivery.receiver import Receiver
from callflow.delivery.receiver_faults import Fault, Faults
from tests.delivery.support import State
from tests.peers import wait_for_port
from tests.ports import free_ports

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/receivers"


def command(*words: str) -> Result:
    app = callflow.cli.app_for(words[0])
    return CliRunner().invoke(app, list(words))


def answer(*words: str) -> Any:
    result = command(*words, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with one delivered recording, one dead and one blocked delivery."""
    made = State.make(tmp_path / "state")

    async def main() -> None:
        receiver = Receiver(tmp_path / "r", Faults([Fault(status=410)]))
        base = await receiver.start()
        url = base.replace("://", "://user:hunter2@")
        made.enqueue(f"{url}/dead.wav?token=hunter3", name="dead")
        await made.deliver()
        made.enqueue(f"{base}/good.wav", b"good audio", name="good", call_id="call-2")
        await made.deliver()
        made.enqueue("http://10.0.0.1/x.wav", name="blocked")
        await made.deliver()
        await receiver.close()

    asyncio.run(main())
    made.database.close()
    return tmp_path / "state"


@pytest.mark.parametrize("what", ["recordings", "deliveries"])
def test_a_list_in_a_pipe_has_its_titles_and_a_line_a_row(state: Path, what: str) -> None:
    titles, *rows = command(what, "list", "--state", str(state)).stdout.splitlines()
    assert titles.split()[0] == "id" and len(rows) == 3
    column = titles.index("state")
    assert {row[column:].split()[0] for row in rows} <= {"READY", "DEAD", "DELIVERED", "BLOCKED"}
    assert command(what, "list", "--state", str(state), "--only", "FAILED").stdout == f"no {what}\n"


def test_recordings(state: Path, tmp_path: Path) -> None:
    where = ("--state", str(state))
    rows = answer("recordings", "list", *where)
    assert {row["id"] for row in rows} == {"rec-dead", "rec-good", "rec-blocked"}
    assert [row["id"] for row in answer("recordings", "list", *where, "--call-id", "call-2")] == ["rec-good"]
    one = answer("recordings", "show", "rec-good", *where)
    assert one["seconds"] == 2.0
    assert one["deliveries"][0]["state"] == "DELIVERED"
    assert Path(one["file"]).read_bytes() == b"good audio"
    target = tmp_path / "copy.wav"
    assert answer("recordings", "export", "rec-good", str(target), *where)["bytes"] == 10
    assert target.read_bytes() == b"good audio"
    assert command("recordings", "export", "rec-good", str(target), *where).exit_code == 2, (
        "never overwritten"
    )
    assert answer("recordings", "delete", "rec-good", *where)["deleted"] is True
    assert not Path(one["file"]).exists()
    missing = command("recordings", "show", "rec-good", *where)
    assert missing.exit_code == 2
    assert "CF-REC-003" in missing.output


def test_deliveries(state: Path) -> None:
    where = ("--state", str(state))
    rows = {row["id"]: row["state"] for row in answer("deliveries", "list", *where)}
    assert rows == {"dlv-dead": "DEAD", "dlv-good": "DELIVERED", "dlv-blocked": "BLOCKED"}
    assert [row["id"] for row in answer("deliveries", "list", *where, "--only", "dead")] == ["dlv-dead"]
    shown = answer("deliveries", "show", "dlv-dead", *where)
    assert [each["status"] for each in shown["history"]] == [410]
    assert shown["history"][0]["answer"] == "as asked: 410\n"
    (again,) = answer("deliveries", "retry", "dlv-dead", *where)
    assert again["state"] == "QUEUED"
    (cancelled,) = answer("deliveries", "cancel", "dlv-dead", *where)
    assert cancelled["state"] == "CANCELLED"
    again = answer("deliveries", "retry", "--host", "10.0.0.1", *where)
    assert [row["id"] for row in again] == ["dlv-blocked"]
    assert answer("deliveries", "retry", "--all", *where) == []
    refused = command("deliveries", "cancel", "dlv-good", *where)
    assert refused.exit_code == 2
    assert "DELIVERED cannot cancel" in refused.output
    assert command("deliveries", "retry", *where).exit_code == 2
    assert command("deliveries", "retry", "--since", "yesterday", *where).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("recordings", "list"),
        ("recordings", "show", "rec-dead"),
        ("deliveries", "list"),
        ("deliveries", "show", "dlv-dead"),
    ],
)
@pytest.mark.parametrize("output", ["json", "text"])
def test_no_secrets_are_shown(state: Path, words: tuple[str, ...], output: str) -> None:
    result = command(*words, "--state", str(state), "-o", output)
    assert result.exit_code == 0
    assert "dead" in result.output
    assert "hunter" not in result.output


def test_no_state_folder_is_made_by_looking(tmp_path: Path) -> None:
    for words in (("recordings", "list"), ("deliveries", "list"), ("deliveries", "run")):
        result = command(*words, "--state", str(tmp_path / "none"))
        assert result.exit_code == 2
        assert "no state folder" in result.output
    assert not (tmp_path / "none").exists()


def test_run_until_empty_delivers_what_is_left(tmp_path: Path) -> None:
    made = State.make(tmp_path / "state")

    async def main() -> None:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        made.enqueue(f"{base}/call_recording_1.wav", b"audio")
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callflow", "deliveries", "run", "--until-empty", "--allow-loopback"),
            *("--state", str(tmp_path / "state"), "-o", "json"),
            stdout=subprocess.PIPE,
        )
        told, _ = await asyncio.wait_for(child.communicate(), 20)
        assert child.returncode == 0
        assert [json.loads(line)["change"] for line in told.splitlines()] == ["sending", "delivered"]
        await receiver.close()

    asyncio.run(main())
    made.database.close()
    assert (tmp_path / "r" / "call_recording_1.wav").read_bytes() == b"audio"


def test_receive_shows_what_comes_and_ends_after_a_count(tmp_path: Path) -> None:
    made = State.make(tmp_path / "state")

    async def main() -> list[Any]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callflow", "receive", str(tmp_path / "r"), "--port", "0"),
            *("--refuse", "1", "--fail", "503x1", "--count", "3", "-o", "json"),
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        base = json.loads(await child.stdout.readline())["url"].replace("://", "://user:hunter2@")
        for number in range(3):
            name = str(number)
            delivery = made.enqueue(f"{base}/call_recording_{name}.wav", name=name)
            await made.deliver_until(
                lambda it=delivery: bool({"waiting", "delivered"} & set(made.changes(it)))  # type: ignore[misc]
            )
        told, _ = await asyncio.wait_for(child.communicate(), 20)
        assert child.returncode == 0
        assert b"hunter2" not in told
        return [json.loads(line) for line in told.splitlines()]

    told = asyncio.run(main())
    made.database.close()
    assert [(each["status"], each["digest_ok"] or False) for each in told][1:] == [(503, True), (201, True)]
    assert told[0]["status"] == 0
    assert told[2]["headers"]["Authorization"] == "***"
    assert (tmp_path / "r" / "call_recording_2.wav").read_bytes() == b"RIFF some audio"


def test_many_to_a_receiver_that_answers_at_the_very_end_of_the_body(tmp_path: Path) -> None:
    """In another process the answer may come while the body's last step is still being taken: one attempt."""
    made = State.make(tmp_path / "state")

    async def main() -> None:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(EXAMPLES / "python_aiohttp.py"), str(port), str(tmp_path / "r")),
            stdout=subprocess.DEVNULL,
        )
        try:
            await asyncio.to_thread(wait_for_port, port)
            for number in range(150):
                url = f"http://127.0.0.1:{port}/recordings/call_recording_{number}.wav"
                made.enqueue(url, bytes(200_000), name=str(number))
            await made.deliver(seconds=30)
        finally:
            child.terminate()
            await child.wait()

    port = free_ports(1)
    asyncio.run(main())
    assert {made.row(f"dlv-{number}").attempts for number in range(150)} == {1}
    made.database.close()


def test_receive_ends_on_ctrl_c(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "callflow", "receive", str(tmp_path / "r"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "http://127.0.0.1:" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0
    child.stdout.close()


def test_receive_on_a_taken_port(tmp_path: Path) -> None:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        result = command("receive", str(tmp_path / "r"), "--port", port)
    assert result.exit_code == 2
    assert "cannot listen" in result.output
