"""Layer 6: ``callflow receive``: be the server that takes recordings, and misbehave on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._figures import length, size
from callflow.cli._output import Output, OutputOption, problems_told
from callflow.delivery.receiver import Received, Receiver, as_json
from callflow.delivery.receiver_faults import Fault, Faults, parse_cut, parse_fail
from callflow.documents.secrets import reveal
from callflow.errors import SettingsError, StorageError
from callflow.log import mask_url, one_line

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def main(
    folder: Annotated[Path, typer.Argument(help="Where to keep what comes.")] = Path("received"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    fail: Annotated[list[str] | None, typer.Option("--fail", help="503: always; 503x2: twice.")] = None,
    cut: Annotated[
        str, typer.Option("--cut", help="50%: cut each connection there; 50%x1: the first one.")
    ] = "",
    refuse: Annotated[int, typer.Option("--refuse", min=0, help="Cut the first N at once.")] = 0,
    slow: Annotated[float, typer.Option("--slow", min=0, help="Answer so many seconds late.")] = 0.0,
    trickle: Annotated[float, typer.Option("--trickle", min=0, help="Read so many bytes a second.")] = 0.0,
    retry_after: Annotated[
        int | None, typer.Option("--retry-after", min=0, help="That header with each --fail.")
    ] = None,
    redirect: Annotated[
        str, typer.Option("--redirect", help="Send the first one on, to this url (307).")
    ] = "",
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            help="Take only what is signed with it: whsec_..., or secret:env:NAME, secret:file:PATH.",
        ),
    ] = None,
    tus: Annotated[bool, typer.Option("--tus", help="Take resumable uploads (tus 1.0), too.")] = False,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many requests.")] = 0,
    output: OutputOption = Output.text,
) -> None:
    """Take recordings by PUT or POST, show what comes (headers, digest, length of the audio), keep the files.

    Faults come in the order --refuse, --redirect, --fail, --cut; after them every request is taken well.
    """
    with problems_told():
        faults = make_faults(
            fail or [],
            cut=cut,
            refuse=refuse,
            slow=slow,
            trickle=trickle,
            retry_after=retry_after,
            redirect=redirect,
        )
        secrets = [reveal(one) for one in secret or []]
        if tus and secrets:
            raise SettingsError(
                "an upload by tus is not signed as a whole", hint="--tus or --secret, not both"
            )
        told = partial(_tell, output=output)
        receiver = Receiver(folder, faults, told=told, secrets=secrets, tus=tus)
        asyncio.run(_serve(receiver, host, port, count, output))


def make_faults(
    fail: list[str],
    *,
    cut: str,
    refuse: int,
    slow: float,
    trickle: float,
    retry_after: int | None,
    redirect: str,
) -> Faults:
    """The faults that the options ask for. Raises SettingsError."""
    well = Fault(delay_s=slow, bytes_per_s=trickle)
    faults = Faults([Fault(cut=0.0)] * refuse, well)
    if redirect:
        faults.once.append(Fault(status=307, location=redirect, delay_s=slow))
    for text in fail:
        status, times = parse_fail(text)
        bad = Fault(status=status, delay_s=slow, bytes_per_s=trickle, retry_after=retry_after)
        if times is None:
            faults.always = bad
        else:
            faults.once.extend([bad] * times)
    if cut:
        share, times = parse_cut(cut)
        if times is None:
            faults.always = Fault(cut=share, bytes_per_s=trickle)
        else:
            faults.once.extend([Fault(cut=share, bytes_per_s=trickle)] * times)
    return faults


async def _serve(receiver: Receiver, host: str, port: int, count: int, output: Output) -> None:
    folder, ended = receiver.folder, asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, ended.set)
    try:
        base = await receiver.start(port, host)
    except OSError as error:
        raise StorageError(
            f"cannot listen on {host}:{port} or write to {folder}: {error.strerror or error}",
            hint="another --port, or 0 for any free one",
        ) from error
    try:
        _begin(base, folder, output)
        counting = asyncio.create_task(_count(receiver, count, ended))
        await ended.wait()
        counting.cancel()
    finally:
        await receiver.close()


async def _count(receiver: Receiver, count: int, ended: asyncio.Event) -> None:
    if count:
        await receiver.wait_for(count)
        ended.set()


def _begin(base: str, folder: Path, output: Output) -> None:
    if output is Output.json:
        print(json.dumps({"event": "listening", "url": base, "folder": str(folder)}), flush=True)
    else:
        print(f"Listening: {base}  (files go to {folder}; end with Ctrl-C)", flush=True)


def _tell(received: Received, output: Output) -> None:
    if output is Output.json:
        body = as_json(received)
        body["headers"] = {name: _shown(name, value) for name, value in received.headers}
        print(json.dumps(body, ensure_ascii=False), flush=True)
        return
    digest = {True: "digest ok", False: "DIGEST WRONG", None: "no digest"}[received.digest_ok]
    audio = "" if received.seconds is None else f", {length(received.seconds)} of audio"
    end = f"answered {received.status}" if received.status else "connection cut"
    print(f"\n{received.method} {one_line(mask_url(received.target))}  from {received.peer}")
    for name, value in received.headers:
        print(f"  {name}: {_shown(name, value)}")
    print(f"  {size(received.body_bytes)} in {received.took_s:.2f} s, {digest}{audio}; {end}")
    if received.unsigned:
        print(f"  signature: {one_line(received.unsigned)}")
    if received.file is not None:
        print(f"  kept as {received.file}", flush=True)


def _shown(name: str, value: str) -> str:
    return "***" if name.lower() in _SECRET else one_line(value)
