"""Layer 6, ``callflow call``: a small phone for tests and demos: it calls a SIP URI, or is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from callflow.cli import _call_options as opt
from callflow.cli import _call_words as words
from callflow.cli._network import ports
from callflow.cli._output import fail, terminal

if TYPE_CHECKING:
    from callflow.cli._call_run import Job


def main(
    uri: opt.Uri = "",
    audio: opt.Audio = None,
    loop: opt.Loop = False,
    dtmf: opt.Dtmf = None,
    hangup_after: opt.HangupAfter = None,
    ring_for: opt.RingFor = 60.0,
    record_to: opt.RecordTo = None,
    record_both: opt.RecordBoth = False,
    expect: opt.Expect = None,
    from_: opt.From = "",
    username: opt.Username = "",
    password: opt.Password = "",
    codec: opt.Codec = None,
    srtp: opt.Srtp = "off",
    jitter_ms: opt.JitterMs = 60,
    tcp: opt.Tcp = False,
    tls: opt.Tls = False,
    ca: opt.Ca = None,
    insecure: opt.Insecure = False,
    header: opt.Header = None,
    hold: opt.Hold = None,
    refer: opt.Refer = None,
    register: opt.Register = False,
    answer: opt.Answer = False,
    answer_after: opt.AnswerAfter = 0.0,
    calls: opt.Calls = 1,
    rate: opt.Rate = 10.0,
    bind: opt.Bind = "",
    media_ports: opt.MediaPorts = "33000-43000",
    json: opt.Json = False,
) -> None:
    """Call SIP-URI: speak, press keys, listen, hang up; then a table of how it went.

    Exit code 0: every call was answered (and heard what --expect says); 1: one was not; 2: wrong use.
    """
    from callflow.caller import CallerOptions, CallPlan
    from callflow.cli._call_run import Job

    if not uri and (register or not answer):
        fail("whom to call? Give a SIP-URI", "such as sip:2002@127.0.0.1:5060")
    words.target(uri)
    host, port = words.address(bind)
    options = CallerOptions(
        host=host, port=port, towards=words.host_of(uri), transport=words.transport(tcp, tls),
        username=username, password=password, name=words.name(from_), codecs=words.codecs(codec),
        srtp=words.mode(srtp), jitter_ms=jitter_ms, media_ports=ports(media_ports, "33000-43000"),
        ca=words.file(ca, "--ca"), verify=not insecure,
    )  # fmt: skip
    plan = CallPlan(
        uri,
        audio=tuple(audio or ()),
        loop=loop,
        digits=words.digits(dtmf),
        holds=words.holds(hold),
        refer=words.referred(refer),
        hangup_after_s=hangup_after,
        hangup_when_said=True,
        ring_s=ring_for,
        headers=words.headers(header),
    )
    job = Job(
        options=options, plan=plan, calls=calls, rate=rate, register=register, answer=answer,
        answer_after_s=answer_after, record_to=record_to, record_both=record_both, expect=expect,
    )  # fmt: skip
    raise typer.Exit(_go(job, json))


def _go(job: Job, as_json: bool) -> int:
    """Make the calls and tell; gives the exit code."""
    from callflow.cli._call_run import run
    from callflow.cli._call_table import as_document, show, summarize
    from callflow.cli._output import show_json
    from callflow.errors import CallflowError

    def told(line: str) -> None:
        terminal(stderr=True).print(line, markup=False, soft_wrap=True)

    try:
        ran = run(job, told)
    except CallflowError as error:
        fail(f"{error.code}  {error.message}", error.hint or error.fix)
    summary = summarize(ran, expects=job.expect is not None)
    if as_json:
        show_json(as_document(summary, ran))
    else:
        show(summary, ran)
    return 0 if summary.good else 1
