"""Runs what the README shows, block by block. ``python -m tests.house.readme`` writes the outputs anew."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PORT = 8765
"""The port that the page names; a run takes a free one, so that two runs never meet."""
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A command of the page and the output printed under it."""

    command: str
    output: str


def shown(page: str) -> list[list[Shown]]:
    """The page's console blocks."""
    blocks = []
    for text in BLOCK.findall(page):
        parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
        blocks.append([Shown(parts[i], parts[i + 1]) for i in range(1, len(parts), 2)])
    return blocks


# What differs from run to run, and what the page has in its place.
CALL_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b")
RECORDING_ID = re.compile(r"\b\d{6}-[0-9a-f]{32}\b")
DELIVERY_ID = re.compile(r"\b[0-9a-f]{12}\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")
NAMES = ((CALL_ID, "CALL_ID"), (RECORDING_ID, "RECORDING_ID"), (DELIVERY_ID, "DELIVERY_ID"), (MOMENT, "TIME"))


def plain(output: str, port: int) -> str:
    """Output without what differs from run to run. ``port`` stands for the page's own."""
    output = output.replace(f"{ROOT}/", "").replace(f"127.0.0.1:{port}", f"127.0.0.1:{PORT}")
    output = "".join(_named(line) for line in output.splitlines(keepends=True))
    output = re.sub(rf"127\.0\.0\.1:(?!{PORT})\d+", "127.0.0.1:PORT", output)
    output = re.sub(r"/\d{6}/RECORDING_ID", "/MONTH/RECORDING_ID", output)
    output = re.sub(r"next try in [4-6] s", "next try in 5 s", output)  # the schedule has jitter
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


def run_block(block: list[Shown], folder: Path, port: int) -> list[Shown]:
    """Run a block's commands in ``folder``, as typed; what came out, in the form of the page."""
    # Without the variables of a test run or a terminal: the page shows what a pipe sees.
    env = {key: value for key, value in os.environ.items() if not key.startswith("CALLFLOW_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    background: list[subprocess.Popen[str]] = []
    ran = []
    try:
        for step in block:
            command = "callflow demo" if step.command == "make demo" else step.command
            command = command.replace(str(PORT), str(port))
            if command.endswith("&"):
                words = shlex.split(command.removesuffix("&").partition(">")[0])
                with (folder / "receiver.log").open("w") as log:
                    background.append(subprocess.Popen(words, cwd=folder, env=env, text=True, stdout=log))
                _wait_for_listener(folder)
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
            ran.append(Shown(step.command, plain(done.stdout + done.stderr, port)))
        for process in background:
            process.wait(30)
    finally:
        for process in background:
            process.kill()
            process.wait()
    return ran


def _wait_for_listener(folder: Path) -> None:
    """``receive`` says when it listens; its output goes to a file of the block."""
    wait = "for i in $(seq 100); do grep -q Listening *.log 2>/dev/null && exit 0; sleep 0.1; done; exit 1"
    subprocess.run(wait, shell=True, cwd=folder, check=True)


def free_port() -> int:
    """One that nobody listens on now; the same for the whole page, whose later blocks name it again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare(folder: Path) -> None:
    """A folder that looks like a fresh clone to the commands of the page."""
    for name in ("examples", "schemas"):
        (folder / name).symlink_to(ROOT / name)


def render() -> str:
    """The page with every output as it is now."""
    page = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        port = free_port()
        ran = [run_block(block, Path(name), port) for block in shown(page)]
    texts = iter("".join(f"$ {step.command}\n{step.output}" for step in block) for block in ran)
    return BLOCK.sub(lambda _: f"```console\n{next(texts)}```", page)


if __name__ == "__main__":
    README.write_text(render(), encoding="utf-8")
