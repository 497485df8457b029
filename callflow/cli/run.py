"""Layer 6, ``callflow run``: walk a flow on a pretend call, record it, deliver it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from callflow.cli import _run_options as opt
from callflow.cli._output import Output, fail, terminal
from callflow.errors import CallflowError

if TYPE_CHECKING:
    from callflow.channels.sim.flags import Flags
    from callflow.channels.sim.scenario import Scenario
    from callflow.cli._runner import Job, Ran
    from callflow.documents.accounts import Account
    from callflow.drawing.journey import Journey
    from callflow.drawing.picture import Tree
    from callflow.engine.flow import Flow
    from callflow.ncco.application import Application
    from callflow.ncco.script import Script

FAULT, QUEUED = 1, 3
"""Exit codes: the flow or a document is at fault; something is not delivered yet."""


def main(
    flow: opt.FlowFile = None,
    scenario: opt.ScenarioFile = None,
    account: opt.AccountFolder = None,
    system_config: opt.ConfigFolder = None,
    state: opt.StateDir = None,
    var: opt.Variables = None,
    to_number: opt.To = None,
    from_number: opt.From = None,
    application: opt.ApplicationId = None,
    event_url: opt.EventUrl = None,
    user: opt.User = None,
    device: opt.Device = None,
    caller_audio: opt.CallerAudio = None,
    callee_audio: opt.CalleeAudio = None,
    answer_after: opt.AnswerAfter = None,
    reject: opt.Reject = None,
    endpoint: opt.Endpoint = None,
    dtmf: opt.Dtmf = None,
    callee_dtmf: opt.CalleeDtmf = None,
    hangup_after: opt.HangupAfter = None,
    callee_hangup_after: opt.CalleeHangupAfter = None,
    hold: opt.Hold = None,
    transfer: opt.Transfer = None,
    caller_loss: opt.CallerLoss = None,
    callee_loss: opt.CalleeLoss = None,
    caller_jitter: opt.CallerJitter = None,
    callee_jitter: opt.CalleeJitter = None,
    max_duration: opt.MaxDuration = None,
    seed: opt.Seed = None,
    realtime: opt.Realtime = False,
    delivery_wait: opt.DeliveryWait = 30.0,
    draw: opt.Draw = False,
    draw_to: opt.DrawTo = None,
    output: opt.Format = Output.text,
) -> None:
    """Walk FLOW on a pretend call, record it, deliver it. An hour of call takes seconds.

    Exit code 0: done and delivered; 1: the flow or a document is at fault; 2: wrong use; 3: a recording is
    not delivered yet (it stays queued).
    """
    from callflow.channels.sim.flags import Flags

    flags = Flags(
        from_number=from_number,
        to_number=to_number,
        user_id=user,
        device_id=device,
        caller_audio=_audio(caller_audio),
        callee_audio=_audio(callee_audio),
        answer_after=answer_after,
        reject=reject,
        endpoints=endpoint or (),
        dtmf=dtmf or (),
        callee_dtmf=callee_dtmf or (),
        hangup_after=hangup_after,
        callee_hangup_after=callee_hangup_after,
        hold=hold or (),
        transfer=transfer or (),
        caller_loss=caller_loss,
        callee_loss=callee_loss,
        caller_jitter=caller_jitter,
        callee_jitter=callee_jitter,
        max_duration_s=max_duration,
    )
    ncco = _Ncco(application, event_url)
    given = _Given(flow, scenario, account, system_config, state, flags, variables(var or ()), seed, ncco)
    drawing = _Drawing(draw, draw_to)
    raise typer.Exit(_run(given, realtime, delivery_wait, output, drawing))


class _Ncco(NamedTuple):
    """What only NCCOs have."""

    application: str | None
    event_url: str | None


class _Given(NamedTuple):
    """What the command line says, but for how to run it."""

    flow: Path | None
    scenario: Path | None
    account: Path | None
    system_config: Path | None
    state: Path | None
    flags: Flags
    variables: Mapping[str, str]
    seed: int | None
    ncco: _Ncco


class _Drawing(NamedTuple):
    """Whether the walked flow is shown, and the file it is written to."""

    shown: bool
    file: str | None


def _run(given: _Given, realtime: bool, delivery_wait_s: float, output: Output, drawing: _Drawing) -> int:
    """Make the call; gives the exit code."""
    if drawing.file is not None:
        from callflow.cli.draw import target

        target(drawing.file)  # what cannot be written is said before the call
    if given.flow is None and given.account is None:
        fail("there is nothing to walk", "give a FLOW file, or --account DIR and --to NUMBER")
    for path in (given.flow, given.scenario):
        if path is not None and not path.is_file():
            fail(f"{path} is not a file")
    try:
        job = replace(_job(given), realtime=realtime, delivery_wait_s=delivery_wait_s)
        ran = _tell(job, output, drawing, given)
    except CallflowError as error:
        stderr = terminal(stderr=True)
        stderr.print(f"{error.code} {error}", markup=False, soft_wrap=True)
        if error.hint:
            stderr.print(f"  {error.hint}", markup=False, soft_wrap=True)
        return FAULT
    if ran.failed:
        return FAULT
    return QUEUED if ran.queued else 0


def _tell(job: Job, output: Output, drawing: _Drawing, given: _Given) -> Ran:
    from callflow.cli._runner import run_job
    from callflow.cli._story import JsonTeller, StoryTeller, summarize
    from callflow.drawing.journey import Journey

    journey = Journey() if drawing.shown or drawing.file else None
    if output is Output.json:
        ran = run_job(job, JsonTeller(sys.stdout), journey)
    else:
        console = terminal()
        ran = run_job(job, StoryTeller(console), journey)
        summarize(console, ran.recordings, ran.deliveries, job.options.state)
    if journey is not None:
        _draw(journey, job, drawing, given, sys.stderr if output is Output.json else sys.stdout)
    return ran


def _draw(journey: Journey, job: Job, drawing: _Drawing, given: _Given, out: TextIO) -> None:
    """Show the flows that the call walked, with its way on them."""
    from callflow.cli.draw import save
    from callflow.drawing.gather import tree_of
    from callflow.drawing.scripts import tree_of_script
    from callflow.drawing.text import to_text

    def known(flow_id: str) -> Tree | None:
        if job.script is not None:
            mine = flow_id == job.script.name
            return tree_of_script(list(_list(given.flow)), flow_id=flow_id) if mine else None
        if job.flow is not None and flow_id == job.flow.id:
            source: object = job.flow.document or _document(given.flow)
        else:
            source = job.options.flows.get(flow_id) or job.options.account.get("callflow", flow_id)
        return None if source is None else tree_of(source, flow_id=flow_id)

    picture = journey.draw_on(known)
    if drawing.shown:
        out.write(f"\n{to_text(picture)}")
    if drawing.file is not None:
        print(save(picture, drawing.file), file=out)


def _document(file: Path | None) -> object:
    from callflow.documents import jsontext

    return jsontext.read(file).value if file is not None else None


def _list(file: Path | None) -> Sequence[object]:
    found = _document(file)
    return found if isinstance(found, list) else ()


# ---- what runs ----------------------------------------------------------------------------------


def _job(given: _Given) -> Job:
    from callflow.app import EngineOptions
    from callflow.cli._runner import Job
    from callflow.documents.accounts import Account
    from callflow.documents.settings import for_account, load_settings
    from callflow.ncco.script import Script
    from callflow.state.folder import default_state

    account = _account(given.account) if given.account else Account.empty()
    settings = load_settings(given.system_config)
    if given.account is not None:
        settings = for_account(settings, account.document, str(given.account / "account.json"))
    found = _flow(given.flow) if given.flow else None
    flow, script = (None, found) if isinstance(found, Script) else (found, None)
    options = EngineOptions(
        state=given.state or default_state(),
        settings=settings,
        account=account,
        flows={flow.id: flow.document} if flow is not None and flow.document else {},
        variables=given.variables,
        seed=given.seed,
    )
    scenario = _scenario(given.scenario, given.flags, flow)
    return Job(
        options=options,
        scenario=scenario,
        flow=flow,
        script=script,
        application=None if flow is not None else _application(account, given.ncco, script),
        realtime=False,
        delivery_wait_s=0.0,
    )


def _account(folder: Path) -> Account:
    """Raises DocumentError if account.json itself cannot be read: what it says (whom files are sealed to)
    must hold, or nothing is recorded.
    """
    from callflow.documents.accounts import Account

    account = Account.load(folder)
    if account.broken and not account.document and (folder / "account.json").is_file():
        raise account.broken[0]
    return account


def _application(account: Account, ncco: _Ncco, script: Script | None) -> Application | None:
    """Whose script it is, or who is asked for one; None: the account decides, by the dialled number."""
    from callflow.documents.problems import did_you_mean
    from callflow.ncco.application import Application, Webhook, applications_of

    if ncco.application is None:
        found = Application.nameless() if script is not None else None
    else:
        known = applications_of(account)
        found = known.get(ncco.application)
        if found is None:
            fail(
                f"--application {ncco.application}: the account has no such application",
                did_you_mean(ncco.application, known) or "see its folder applications/",
            )
    if found is not None and ncco.event_url is not None:
        found = replace(found, event=Webhook(ncco.event_url))
    return found


def _flow(file: Path) -> Flow | Script:
    """The flow in ``file``: a callflow document, or a bare tree; its id is the document's, else the name. Or
    the NCCO in it.
    """
    from callflow.documents import jsontext
    from callflow.documents.ncco import recognise
    from callflow.engine.flow import Flow
    from callflow.ncco.script import Script

    document = jsontext.read(file).value
    if recognise(document):
        return Script.parse(document, name=file.stem)
    found = Flow.parse(document)
    return found if found.id else Flow.parse(document, flow_id=file.stem)


def _scenario(file: Path | None, flags: Flags, flow: Flow | None) -> Scenario:
    """The scenario file with the flags laid over it; without a number to call, the flow's first one."""
    from callflow.channels.sim.flags import overlay
    from callflow.channels.sim.read import parse_scenario, read_document
    from callflow.errors import ScenarioError

    document: dict[str, Any] = read_document(file) if file else {}
    numbers = flow.document.get("numbers") if flow is not None else None
    if "to" not in document and isinstance(numbers, list) and numbers and numbers[0] != "no_match":
        document["to"] = str(numbers[0])
    try:
        laid_over = overlay(document, flags)
        return parse_scenario(laid_over, file.parent if file else Path())
    except ScenarioError as error:
        fail(str(error), error.hint)


def variables(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            fail(f"--var {word!r} is not NAME=VALUE")
        found[name] = value
    return found


def _audio(path: Path | None) -> str | None:
    if path is None:
        return None
    if not path.is_file():
        fail(f"{path} is not a file")
    return str(path.absolute())
