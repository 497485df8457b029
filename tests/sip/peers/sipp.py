"""sipp runs for tests: each in a folder of its own, with ports of its own; scenarios written short.

A scenario (``scenarios/NAME.xml``) is sipp's XML in which ``{{...}}`` stands for a message that all of them
would repeat. ``|`` parts it: first which message, then more headers, last ``@NAME`` of a body.

* ``{{call INVITE 1 | @offer}}`` a request that begins something (its user: sipp's ``-s``);
* ``{{in BYE 2 | Reason: ...}}`` a request of the caller in its dialog; ``{{ack 1}}`` the ACK of a 2xx;
* ``{{refused 1}}`` the ACK of a refusal, ``{{unwanted 2}}`` of a re-INVITE's; ``{{cancel 1}}``;
* ``{{reply 200 OK | @offer}}`` an answer to what came last; ``{{first 180 Ringing}}`` with a To tag of ours;
* ``{{back BYE 2}}`` a request of the called one in its dialog, after ``{{invited}}``, which takes the INVITE.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from tests.peers import prompt
from tests.ports import free_ports

SCENARIOS = Path(__file__).parent / "scenarios"
UDP_TABLE = Path("/proc/net/udp")
MEDIA_PORTS = 40
"""Ports of one run: the last is its SIP port, the others are for the sound of some 15 calls."""

BODIES = {
    "offer": "c=IN IP4 [local_ip]\nt=0 0\nm=audio [rtpstream_audio_port] RTP/AVP 0 101",
    "answer": "c=IN IP4 [local_ip]\nt=0 0\nm=audio [rtpstream_audio_port] RTP/AVP 0 101",
    "hold": "c=IN IP4 [local_ip]\nt=0 0\na=sendonly\nm=audio [rtpstream_audio_port] RTP/AVP 0 101",
    "hidden": "c=IN IP4 192.168.77.7\nt=0 0\nm=audio 4000 RTP/AVP 0 101",
    "here": "c=IN IP4 [local_ip]\nt=0 0\nm=audio [here] RTP/AVP 0 101",
    "there": "c=IN IP4 [local_ip]\nt=0 0\nm=audio [there] RTP/AVP 0 101",
    "g729": "c=IN IP4 [local_ip]\nt=0 0\nm=audio 4000 RTP/AVP 18",
    "junk": "m=this is no SDP",
}
_OURS = "<sip:[me]@[local_ip]:[local_port]>;tag=[pid]u[call_number]"
_PEER = "<sip:[service]@[remote_ip]:[remote_port]>"
_CONTACT = "Contact: <sip:[me]@[local_ip]:[local_port];transport=[transport]>"
_INVITED = """<recv request="INVITE" rrs="true"><action>
    <ereg regexp="[^ ].*" search_in="hdr" header="From:" assign_to="them"/>
    <ereg regexp="[^ ].*" search_in="hdr" header="To:" assign_to="us"/>
    <ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="target"/>
  </action></recv>
  <Reference variables="them,us,target"/>"""


def expand(text: str, keys: Mapping[str, str]) -> str:
    """The XML that sipp reads. ``keys``: what ``[NAME]`` stands for, besides sipp's own words."""
    text = _filled(text, {name: value for name, value in keys.items() if "{{" in value})
    parts, end = [], 0
    for found in re.finditer(r"\{\{(.*?)\}\}", text, re.DOTALL):
        message = _message(_filled(found[1], keys))
        if found[1].startswith(("cancel", "refused", "unwanted")):  # they have the branch of their INVITE
            message = message.replace("[branch]", f"[branch-{_back(text, found)}]")
        parts += [text[end : found.start()], message]
        end = found.end()
    return _filled("".join(parts) + text[end:], keys)


def _back(text: str, found: re.Match[str]) -> int:
    """How many steps of the scenario lie between an INVITE and its CANCEL or ACK."""
    number = found[1].split()[1]
    start = max(
        text.rfind(f"INVITE {number}", 0, found.start()), text.rfind(f"[method] {number}", 0, found.start())
    )
    return len(re.findall(r"<(?:send|recv|pause|nop)\b", text[start : found.start()]))


def _filled(text: str, keys: Mapping[str, str]) -> str:
    for name, value in keys.items():
        text = text.replace(f"[{name}]", value)
    return text


def _message(text: str) -> str:
    first, *more = [part.strip() for part in text.split("|")]
    kind, _, rest = first.partition(" ")
    if kind == "invited":
        return _INVITED
    body = more.pop()[1:] if more and more[-1].startswith("@") else ""
    more = [line for line in more if line]
    lines = [*_head(kind, rest, more), *more]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append("Content-Length: [len]")
    sdp = f"v=0\no=- 7 {_version(rest)} IN IP4 [local_ip]\ns=-\n{BODIES[body]}\n" if body else ""
    return "<![CDATA[\n" + "\n".join(lines) + "\n\n" + sdp + "]]>"


def _version(rest: str) -> str:
    number = rest.split()[-1]
    return number if number.isdigit() else "1"


def _head(kind: str, rest: str, more: list[str]) -> list[str]:
    if kind in ("reply", "first"):
        tag = ";tag=[pid]d[call_number]" if kind == "first" else ""
        lines = [f"SIP/2.0 {rest}", "[last_Via:]", "[last_Record-Route:]", "[last_From:]"]
        return [*lines, f"[last_To:]{tag}", "[last_Call-ID:]", "[last_CSeq:]", *_unless("Contact", more)]
    alone = {"ack": "ACK", "cancel": "CANCEL", "refused": "ACK", "unwanted": "ACK"}
    method, number = (alone[kind], rest) if kind in alone else rest.split()
    start = {"call": _PEER[1:-1], "cancel": _PEER[1:-1], "refused": _PEER[1:-1], "back": "[$target]"}
    via = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport"
    if kind == "back":
        people = ["From: [$us];tag=[pid]d[call_number]", "To: [$them]"]
    else:
        people = [f"From: {_OURS}", f"To: {_PEER}{'' if kind in ('call', 'cancel') else '[peer_tag_param]'}"]
    lines = [
        f"{method} {start.get(kind, '[next_url]')} SIP/2.0",
        *([] if any(line.startswith("Via:") for line in more) else [via]),
        *(["[routes]"] if kind in ("in", "ack", "unwanted") else []),
        *people,
        "Call-ID: [call_id]",
        f"CSeq: {number} {method}",
        "Max-Forwards: 70",
    ]
    return lines + (_unless("Contact", more) if kind in ("call", "in", "back") else [])


def _unless(name: str, more: list[str]) -> list[str]:
    return [] if any(line.startswith(f"{name}:") for line in more) else [_CONTACT]


class Sipp:
    """One run. ``host``: who it is (an address of loopback); ``name``: begins all its Call-IDs."""

    def __init__(self, folder: Path, name: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.folder = folder / f"sipp-{name}"
        self.name = name
        self.host = host
        self.media = free_ports(MEDIA_PORTS, host)
        self.port = port or self.media + MEDIA_PORTS - 1
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Future[tuple[bytes, bytes]] | None = None
        self.folder.mkdir()

    async def start(
        self,
        scenario: str,
        *words: str,
        at: str = "",
        number: str = "",
        calls: int = 1,
        keys: Mapping[str, str] | None = None,
        seconds: int = 20,
    ) -> Sipp:
        """``scenario``: a file's name, or ``sn:uac`` one of sipp's own. ``at``: whom it calls; without it it
        waits for calls, and is listening when this returns. ``keys``: what ``[NAME]`` stands for.
        """
        given = {
            "me": "100",
            "more": "",
            "also": "SIP/2.0",
            "status": "",
            "here": str(self.media + 30),
            "there": str(self.media + 34),
            **(keys or {}),
        }
        await tone(self.folder)
        self._process = await asyncio.create_subprocess_exec(
            *prompt("sipp"), *(self._scenario(scenario, given)), *words, *("-m", str(calls)),
            *("-i", self.host, "-mi", self.host, "-p", str(self.port), "-mp", str(self.media)),
            *("-cid_str", f"{self.name}-%u", "-nostdin", "-trace_err", "-error_file", "errors.log"),
            *("-timeout", str(seconds), "-timeout_error", "-bind_local"),
            *(("-s", number) if number else ()), *((at,) if at else ()),
            cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env={"TERM": "dumb", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        self._output = asyncio.ensure_future(self._process.communicate())
        if not at:
            await self._listens("t1" in words)
        return self

    async def finished(self, code: int = 0) -> None:
        """It has ended, and every call went as its scenario says (or ``code`` 1: some did not)."""
        assert self._process is not None and self._output is not None
        output, _ = await self._output
        errors = self.folder / "errors.log"
        told = errors.read_text(errors="replace")[-3000:] if errors.exists() else ""
        assert self._process.returncode == code, self.name + told + output.decode(errors="replace")[-2500:]

    async def run(self, scenario: str, *words: str, **more: object) -> Sipp:
        """Start, and wait until it has finished."""
        await self.start(scenario, *words, **more)  # type: ignore[arg-type]
        await self.finished()
        return self

    async def stop(self) -> None:
        """End it, if it is still there."""
        if self._process is not None and self._output is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._output

    def _scenario(self, name: str, keys: Mapping[str, str]) -> tuple[str, str]:
        if name.startswith("sn:"):
            return "-sn", name[3:]
        path = self.folder / f"{name}.xml"
        path.write_text(expand((SCENARIOS / f"{name}.xml").read_text(), keys))
        return "-sf", path.name

    async def _listens(self, tcp: bool) -> None:
        table = Path("/proc/net/tcp") if tcp else UDP_TABLE
        for _ in range(500):
            if f":{self.port:04X} " in table.read_text():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"sipp {self.name} does not listen")


HERTZ = {"caller": 400, "callee": 600}
LOUD = 8000.0
"""The amplitude of the tones that sipp sends."""


async def tone(folder: Path) -> None:
    """``caller.ul`` and ``callee.ul``: a second of tone, as ``rtp_stream`` wants it."""
    for name, hertz in HERTZ.items():
        samples = np.rint(LOUD * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)).astype(np.int16)
        (folder / f"{name}.ul").write_bytes(ulaw(samples))


def ulaw(samples: np.ndarray) -> bytes:
    """G.711 mu-law (ITU-T G.711), written down once more: the tests do not believe the product's."""
    sign = np.where(samples < 0, 0x80, 0)
    size = np.minimum(np.abs(samples.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    return bytes((~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8))
