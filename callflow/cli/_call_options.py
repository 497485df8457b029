"""Layer 6: the options of ``callflow call``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Uri = Annotated[
    str,
    typer.Argument(
        metavar="[SIP-URI]", help="Whom to call: sip:USER@HOST:PORT. With --register: who we are."
    ),
]
Audio = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Said after the answer; may be repeated, or tone_stream://..."),
]
Loop = Annotated[bool, typer.Option("--loop", help="Say it again and again.")]
Dtmf = Annotated[
    list[str] | None,
    typer.Option(metavar="DIGITS@S", help="Press keys so many seconds after the answer: 1234#@3."),
]
HangupAfter = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        min=0,
        help="Hang up so long after the answer.  [default: a second after all was said; without --audio when "
        "the other end does]",
    ),
]
RingFor = Annotated[float, typer.Option(metavar="S", min=0.1, help="Give up an unanswered call.")]
RecordTo = Annotated[Path | None, typer.Option(metavar="FILE", help="Keep what is heard as WAV.")]
RecordBoth = Annotated[
    bool, typer.Option("--record-both", help="In stereo: left what is said, right what is heard.")
]
Expect = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="What is to be heard, or 'said': our own words back. Else exit code 1."
    ),
]
From = Annotated[str, typer.Option("--from", metavar="USER", help="Our number or name, or a whole SIP URI.")]
Username = Annotated[str, typer.Option(metavar="NAME", help="For where a password is asked for.")]
Password = Annotated[
    str,
    typer.Option(metavar="SECRET", envvar="CALLFLOW_SIP_PASSWORD", show_envvar=True, help="Its password."),
]
Codec = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="PCMU, PCMA or G722; the best first.  [default: all]")
]
Srtp = Annotated[str, typer.Option(metavar="MODE", help="off, optional or required.")]
JitterMs = Annotated[
    int,
    typer.Option(metavar="MS", min=20, max=500, help="How late a packet may come and still be heard."),
]
Tcp = Annotated[bool, typer.Option("--tcp", help="SIP over TCP.")]
Tls = Annotated[bool, typer.Option("--tls", help="SIP over TLS.")]
Ca = Annotated[Path | None, typer.Option(metavar="FILE", help="Whose certificates to trust (PEM).")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Trust any certificate.")]
Header = Annotated[
    list[str] | None, typer.Option(metavar="NAME:VALUE", help="A header of the INVITE; may be repeated.")
]
Hold = Annotated[
    list[str] | None, typer.Option(metavar="FROM-TO", help="Put the other end on hold: 3-5 (seconds).")
]
Refer = Annotated[str | None, typer.Option(metavar="TARGET@S", help="Transfer the other end there: 2001@5.")]
Register = Annotated[
    bool, typer.Option("--register", help="Register as SIP-URI; with --answer: and stay so, to be called.")
]
Answer = Annotated[bool, typer.Option("--answer", help="Do not call: take --calls calls.")]
AnswerAfter = Annotated[float, typer.Option(metavar="S", min=0, help="Let it ring so long first.")]
Calls = Annotated[int, typer.Option(metavar="N", min=1, max=5000, help="So many calls.")]
Rate = Annotated[float, typer.Option(metavar="R", min=0.01, help="New calls a second.")]
Bind = Annotated[
    str, typer.Option(metavar="HOST[:PORT]", help="Our address.  [default: the one that leads there]")
]
MediaPorts = Annotated[str, typer.Option(metavar="LOW-HIGH", help="UDP ports for sound.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON.")]
