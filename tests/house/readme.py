"""Runs what README and docs show, block by block; ``python -m tests.house.readme`` writes it anew."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
"""Where console blocks may be; each page is run from its top in a folder of its own."""
PORT = 8765
SIP_PORT = 5060
HTTP_PORT = 8080
"""The ports that the page names; a run takes free ones, so that two runs never meet."""
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A command of the page (further lines begin with ``>``) and the output printed under it."""

    command: str
    output: str


def shown(page: str) -> list[list[Shown]]:
    """The page's console blocks."""
    blocks = []
    for text in BLOCK.findall(page):
        parts = re.split(r"^\$ (.*(?:\n>.*)*)\n", text, flags=re.MULTILINE)
        blocks.append([Shown(parts[i], parts[i + 1]) for i in range(1, len(parts), 2)])
    return blocks


# What differs from run to run, and what the page has in its place.
CALL_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b")
RECORDING_ID = re.compile(r"\b\d{6}-[0-9a-f]{32}\b")
DELIVERY_ID = re.compile(r"\b[0-9a-f]{12}\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
REQUEST_ID = re.compile(r'(?<="request_id":")[0-9a-f]{32}\b')
NAMES = (
    (REQUEST_ID, "REQUEST_ID"),
    (CALL_ID, "CALL_ID"),
    (RECORDING_ID, "RECORDING_ID"),
    (DELIVERY_ID, "DELIVERY_ID"),
    (MOMENT, "TIME"),
)


_MEDIA_PORTS = 40


@dataclass(frozen=True)
class Ports:
    """Free ports in the place of those that the page names, the same for the whole page: later blocks name
    them again.
    """

    receiver: int
    sip: int
    http: int
    media: int

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody has, and that no other test is given."""
        return cls(free_ports(1), free_ports(1), free_ports(1), free_ports(_MEDIA_PORTS))

    def put_in(self, command: str) -> str:
        """A command of the page as it is run."""
        command = command.replace(str(PORT), str(self.receiver)).replace(str(SIP_PORT), str(self.sip))
        return command.replace(f":{HTTP_PORT}", f":{self.http}")

    def apart(self, words: list[str]) -> list[str]:
        """A server has ports for media too: those it takes by itself may be given to other tests."""
        if "serve" not in words or "--media-ports" in words:
            return words
        return [*words, "--media-ports", f"{self.media}-{self.media + _MEDIA_PORTS - 1}"]


# A real call's figures: the machine's, not the program's.
_FIGURES = (
    (re.compile(r"^(setup +)\d+ ms", re.MULTILINE), r"\1MS ms"),
    (re.compile(r"^(talked +)0:05\.\d", re.MULTILINE), r"\g<1>0:05.0"),
    (re.compile(r"sent \d+, received \d+, lost \d+.*"), "sent N, received N, lost 0"),
    (re.compile(r"^(correlation +)0\.\d+", re.MULTILINE), r"\g<1>0.NNN"),
    (re.compile(r"(storage[-_]test[-_])[0-9a-f]{16}"), r"\1ID"),
    (re.compile(r"(recovered\), )\d+\.\d\d s, wav, [\d,]+ bytes"), r"\g<1>3.00 s, wav, 96,044 bytes"),
    (re.compile(r"0:05\.[01](  RECORDING_ID\.wav +)\d+\.\d kB"), r"0:05.0\g<1>160.0 kB"),
)


def plain(output: str, ports: Ports) -> str:
    """Output without what differs from run to run."""
    port = ports.receiver
    output = output.replace(f"127.0.0.1:{ports.sip}", f"127.0.0.1:{SIP_PORT}")
    output = output.replace(f"127.0.0.1:{ports.http}", "127.0.0.1:HTTP_PORT")
    output = output.replace(f"{ROOT}/", "").replace(f"127.0.0.1:{port}", f"127.0.0.1:{PORT}")
    output = "".join(_named(line) for line in output.splitlines(keepends=True))
    output = re.sub(rf"127\.0\.0\.1:(?!{PORT}|{SIP_PORT})\d+", "127.0.0.1:PORT", output)
    output = output.replace("127.0.0.1:HTTP_PORT", f"127.0.0.1:{HTTP_PORT}")
    for pattern, instead in _FIGURES:
        output = pattern.sub(instead, output)
    output = re.sub(r"/\d{6}/RECORDING_ID", "/MONTH/RECORDING_ID", output)
    output = re.sub(r"next try in [4-6] s", "next try in 5 s", output)  # the schedule has jitter
    output = re.sub(r"\d+\.\d\d s(  (fault|success)  )", r"SECONDS s\1", output)
    output = re.sub(r"next try in (2[4-9]|3[0-6]) s", "next try in 30 s", output)
    return re.sub(r"\bin \d+\.\d\d s\b", "in SECONDS s", output)


def _named(line: str) -> str:
    """The line with names for ids and moments; a table's row (it begins with an id) keeps its columns."""
    row = RECORDING_ID.match(line) or DELIVERY_ID.match(line)
    for pattern, name in NAMES:
        if not row:
            line = pattern.sub(name, line)
            continue
        for found in reversed([*re.finditer(rf"(?:{pattern.pattern})(?P<rest>\S*)", line)]):
            cell = (name + found["rest"]).ljust(len(found[0]))
            line = line[: found.start()] + cell + line[found.end() :]
    return line.rstrip() + "\n" if line.endswith("\n") else line


def run_block(block: list[Shown], folder: Path, ports: Ports) -> list[Shown]:
    """Run a block's commands in ``folder``, as typed; what came out, in the form of the page."""
    # Without the variables of a test run or a terminal: the page shows what a pipe sees.
    env = {key: value for key, value in os.environ.items() if not key.startswith("CALLFLOW_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    # pytest-asyncio and schemathesis are here for other tests: a reader of the page does not have them.
    env["PYTEST_ADDOPTS"] = "-p no:asyncio -p no:schemathesis -p no:cacheprovider"
    background: list[subprocess.Popen[str]] = []
    ran = []
    try:
        for step in block:
            command = "callflow demo" if step.command == "make demo" else re.sub("\n> ?", "\n", step.command)
            command = ports.put_in(command)
            if command.endswith("&"):
                typed, _, log_name = (part.strip() for part in command.removesuffix("&").partition(">"))
                words = ports.apart(shlex.split(typed))
                with (folder / log_name).open("w") as log:
                    background.append(subprocess.Popen(words, cwd=folder, env=env, text=True, stdout=log))
                _wait_for_listener(folder / log_name)
                ran.append(Shown(step.command, ""))
                continue
            done = subprocess.run(
                command,
                shell=True,
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            ran.append(Shown(step.command, plain(done.stdout + done.stderr, ports)))
        for process in background:
            if "serve" in cast("list[str]", process.args):  # it would go on for ever
                process.terminate()
            process.wait(30)
    finally:
        for process in background:
            process.kill()
            process.wait()
    return ran


def _wait_for_listener(log: Path) -> None:
    """``receive`` and ``serve`` say when they listen."""
    wait = f"for i in $(seq 200); do grep -qi listening {log.name} && exit 0; sleep 0.1; done; exit 1"
    subprocess.run(wait, shell=True, cwd=log.parent, check=True)


def prepare(folder: Path) -> None:
    """A folder that looks like a fresh clone to the commands of the page."""
    for name in ("examples", "schemas"):
        (folder / name).symlink_to(ROOT / name)


def render(path: Path) -> str:
    """The page with every output as it is now."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        ports = Ports.free()
        ran = [run_block(block, Path(name), ports) for block in shown(page)]
    texts = iter("".join(f"$ {step.command}\n{step.output}" for step in block) for block in ran)
    return BLOCK.sub(lambda _: f"```console\n{next(texts)}```", page)


if __name__ == "__main__":
    wanted = [Path(word).resolve() for word in sys.argv[1:]] or PAGES
    for each in wanted:
        if shown(each.read_text(encoding="utf-8")):
            each.write_text(render(each), encoding="utf-8")
