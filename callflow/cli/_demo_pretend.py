"""Layer 6: the demo in virtual time: a pretend call, its recording, a receiver. Half a minute in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callflow.cli._output import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from callflow.cli._runner import Job, Ran
    from callflow.delivery.receiver import Received

FLOW = "record-to-url.json"


def pretend(folder: Path, realtime: bool) -> bool:
    """Walk an example flow with real speech and see its recording arrive; True if it has. Raises
    CallflowError.
    """
    from callflow.clock import OutsideLoop
    from callflow.delivery.receiver import Receiver
    from callflow.documents.shipped import examples_dir

    console = terminal()
    outside = OutsideLoop()
    receiver = Receiver(folder / "received")
    try:
        url = outside.submit(receiver.start()).result()
        flow = examples_dir() / "flows" / FLOW
        _introduce(console, flow, url)
        return _call(console, _job(folder, flow, url, realtime), receiver.received)
    finally:
        outside.submit(receiver.close()).result()
        outside.close()


def _introduce(console: Console, flow: Path, url: str) -> None:
    console.print(
        "A pretend call, recorded and delivered. Time is virtual: half a minute takes a moment.",
        soft_wrap=True,
    )
    console.print(f"  flow      {flow}", soft_wrap=True)
    console.print(f"  receiver  {url}  (a real HTTP server on this machine)", soft_wrap=True)
    console.print("  voices    examples/audio, made with espeak-ng\n", soft_wrap=True)
    console.print("call time  what happens", style="dim")


def _job(folder: Path, flow_file: Path, url: str, realtime: bool) -> Job:
    from callflow.app import EngineOptions
    from callflow.channels.sim.read import parse_scenario
    from callflow.cli._runner import Job
    from callflow.documents import jsontext
    from callflow.documents.settings import load_settings
    from callflow.documents.shipped import examples_dir
    from callflow.engine.flow import Flow

    audio = examples_dir() / "audio"
    scenario = parse_scenario(
        {
            "caller": {"audio": "caller.wav", "speaks_since": "answer", "hangup_after": 20},
            "callee": {"audio": ["silence_stream://2000", "callee.wav"], "answer_after": 2},
        },
        audio,
    )
    flow = Flow.parse(jsontext.read(flow_file).value, flow_id=flow_file.stem)
    options = EngineOptions(state=folder / "state", settings=load_settings(), variables={"RECEIVER": url})
    return Job(options=options, scenario=scenario, flow=flow, realtime=realtime, delivery_wait_s=30.0)


def _call(console: Console, job: Job, received: list[Received]) -> bool:
    """Make the call and say what has arrived; True if it has."""
    from callflow.cli._runner import run_job
    from callflow.cli._story import StoryTeller

    ran = run_job(job, StoryTeller(console))
    console.print()
    arrived = [one for one in received if one.file is not None]
    if not arrived:
        console.print("nothing has arrived at the receiver", style="bold red")
        return False
    for one in arrived:
        _show(console, ran, one)
    return True


def _show(console: Console, ran: Ran, received: Received) -> None:
    row = ran.recordings[0]
    sent = next(row.url for row in ran.deliveries)
    seconds = f"{received.seconds:.2f} s" if received.seconds is not None else "unknown"
    digest = {True: ", digest right", False: ", digest WRONG", None: ""}[received.digest_ok]
    lines = (
        ("sent to", f"{received.method} {sent}"),
        ("size", f"{received.body_bytes:,} bytes{digest}"),
        ("duration", seconds),
        ("format", f"{row.format}, stereo: left is what the caller says, right what it hears"),
        ("listen", str(received.file)),
    )
    console.print("The recording has arrived", style="bold green")
    for name, value in lines:
        console.print(f"  {name:<9} {value}", soft_wrap=True, markup=False)
    console.print("\nNext: callflow run FLOW.json, callflow receive, callflow check (each has --help)")
