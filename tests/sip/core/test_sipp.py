"""sipp, an implementation that is not ours, calls the stack: with loss over UDP, and over TCP."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest

from callflow.channels.sip.stack import SipStack
from callflow.clock import SystemClock
from tests.peers import require
from tests.sip.core.network import LOOPBACK
from tests.sip.core.uas import Uas

pytestmark = pytest.mark.peer
CALLS = 40


async def _calls(
    sipp: str, folder: Path, transport: str, options: tuple[str, ...]
) -> tuple[Uas, dict[str, str], str]:
    """Let sipp make calls; its last row of statistics, and what it printed."""
    stack = SipStack(SystemClock())
    uas = Uas(stack)
    hop = await stack.listen(transport, LOOPBACK, 0)
    words = [
        "-sn",
        "uac",
        f"{hop.host}:{hop.port}",
        "-i",
        LOOPBACK,
        "-m",
        str(CALLS),
        "-r",
        "40",
        "-d",
        "100",
    ]
    process = await asyncio.create_subprocess_exec(
        *(sipp, *words, *options, "-nostdin", "-trace_stat", "-stf", "stat.csv"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await stack.close()
    with (folder / "stat.csv").open(newline="") as rows:
        return uas, list(csv.DictReader(rows, delimiter=";"))[-1], output.decode(errors="replace")[-1500:]


@pytest.mark.parametrize(
    ("transport", "options"), [("udp", ("-lost", "10")), ("tcp", ("-t", "t1"))], ids=["lossy udp", "tcp"]
)
def test_no_call_of_sipp_fails(transport: str, options: tuple[str, ...], tmp_path: Path) -> None:
    uas, row, output = asyncio.run(_calls(require("sipp"), tmp_path, transport, options))
    assert (row["SuccessfulCall(C)"], row["FailedCall(C)"]) == (str(CALLS), "0"), output
    invites = [request.call_id for request in uas.requests if request.method == "INVITE"]
    assert len(invites) == len(set(invites)) == CALLS, "a repeated INVITE is no second call"
    acknowledged = {request.call_id for request in uas.acks}
    assert acknowledged <= set(invites) and (transport == "udp" or len(acknowledged) == CALLS)
    assert not uas.stack.counted["malformed"]
