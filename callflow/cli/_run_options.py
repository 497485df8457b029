"""Layer 6: the options of ``callflow run``, one name each, so that the command itself stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._output import Output

FlowFile = Annotated[
    Path | None,
    typer.Argument(metavar="FLOW", help="The callflow or NCCO, a file. Without it: the account's, by --to."),
]
ScenarioFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Who says and does what, as JSON (schema scenario).")
]
AccountFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="The account's folder of documents.")]
ConfigFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Your system_config.")]
StateDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Recordings and outbox ($CALLFLOW_STATE, else ./callflow-state)."),
]
Variables = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A placeholder's value; may be repeated.")
]
To = Annotated[str | None, typer.Option("--to", metavar="NUMBER", help="The number that is called.")]
From = Annotated[str | None, typer.Option("--from", metavar="NUMBER", help="The number that calls.")]
ApplicationId = Annotated[
    str | None,
    typer.Option("--application", metavar="ID", help="NCCO: the account's application that it belongs to."),
]
EventUrl = Annotated[
    str | None, typer.Option("--event-url", metavar="URL", help="NCCO: who is told of the call's events.")
]
User = Annotated[str | None, typer.Option(metavar="ID", help="The account's user who calls.")]
Device = Annotated[str | None, typer.Option(metavar="ID", help="The account's device that calls.")]
CallerAudio = Annotated[Path | None, typer.Option(metavar="FILE", help="What the caller says.")]
CalleeAudio = Annotated[Path | None, typer.Option(metavar="FILE", help="What whoever is rung says.")]
AnswerAfter = Annotated[
    str | None, typer.Option(metavar="S", help="The callee answers after S seconds, or `never` (default 0).")
]
Reject = Annotated[
    str | None, typer.Option(metavar="CAUSE[@S]", help="The callee refuses: USER_BUSY, CALL_REJECTED@3.")
]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID=HOW", help="One endpoint differs, by id or number: desk=5, desk=never, desk=USER_BUSY."
    ),
]
Dtmf = Annotated[
    list[str] | None, typer.Option(metavar="KEYS@S", help="The caller presses keys, S into the call: 1@2.5.")
]
CalleeDtmf = Annotated[
    list[str] | None, typer.Option(metavar="KEYS@S", help="The callee presses keys, S after answering.")
]
HangupAfter = Annotated[
    float | None, typer.Option(metavar="S", min=0, help="The caller hangs up, S into the call.")
]
CalleeHangupAfter = Annotated[
    float | None, typer.Option(metavar="S", min=0, help="The callee hangs up, S after answering.")
]
Hold = Annotated[
    list[str] | None,
    typer.Option(metavar="[WHO:]S-S", help="One puts the other on hold, from and to: callee:3-5."),
]
Transfer = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[WHO:][HOW:]TO@S", help="1002@5, or in full callee:blind:1002@5, caller:attended:1002@5."
    ),
]
CallerLoss = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="Packets of the caller that are lost, 20 ms each: 0001 is 1 in 4."),
]
CalleeLoss = Annotated[str | None, typer.Option(metavar="PATTERN", help="The same of the callee.")]
CallerJitter = Annotated[
    str | None,
    typer.Option(
        metavar="MS,MS...[/MS]",
        help="How late packets of the caller come, and the jitter buffer: 0,35,90/60 loses 1 in 3.",
    ),
]
CalleeJitter = Annotated[str | None, typer.Option(metavar="MS,MS...[/MS]", help="The same of the callee.")]
MaxDuration = Annotated[
    float | None, typer.Option(metavar="S", min=0, help="End the call after so long, whatever happens.")
]
Seed = Annotated[int | None, typer.Option(help="Repeat a run: the same ids, the same events.")]
Realtime = Annotated[bool, typer.Option("--realtime", help="As fast as a real call; without it, time flies.")]
DeliveryWait = Annotated[
    float, typer.Option(metavar="S", min=0, help="Wait so long for recordings to be delivered.")
]
Draw = Annotated[bool, typer.Option("--draw", help="Show the flow with the way that the call took.")]
DrawTo = Annotated[
    str | None,
    typer.Option("--draw-to", metavar="FILE", help="Write that picture to a file: .svg, .mmd, .txt."),
]
Format = Annotated[Output, typer.Option("-o", "--output", help="text, or json: one event a line.")]
