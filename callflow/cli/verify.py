"""Layer 6, ``callflow verify``: whether what came is signed by who holds the secret, and is whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli._output import Output, fail, show_facts, show_json

MAX_BYTES = 10 * 1024 * 1024
"""Of a webhook's body. A signed file may be as long as it likes."""
_PIECE = 256 * 1024


def main(
    body: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The body as it came, byte for byte; - reads it from stdin."),
    ],
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            "-H",
            help="A header that came with it, as Name: value; webhook-id, webhook-timestamp, "
            "webhook-signature, and Content-Digest of a file (Standard Webhooks).",
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option("--token", help="An NCCO webhook's Authorization header, or what follows Bearer in it."),
    ] = "",
    secret: Annotated[
        str,
        typer.Option(
            "--secret",
            envvar="CALLFLOW_SIGNATURE_SECRET",
            show_envvar=True,
            help="whsec_..., or the application's signature_secret; or secret:env:NAME, secret:file:PATH.",
        ),
    ] = "",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="A file that holds the secret.")
    ] = None,
    max_age: Annotated[
        float, typer.Option("--max-age", help="Seconds that a signature counts; 0: any age.")
    ] = 300.0,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """Exit code 0: it is good; 1: it is not, and why; 2: something cannot be read."""
    from callflow.errors import BadSignature, SettingsError

    held = _secret(secret, secret_file)
    headers = _headers(header or [])
    if not token and not headers:
        fail("no signature is given", "--header for each of the webhook- headers, or --token.")
    try:
        facts = _token(body, token, held, max_age) if token else _signed(body, headers, held, max_age)
    except SettingsError as error:
        fail(error.message, error.hint)
    except BadSignature as error:
        if output is Output.json:
            show_json({"good": False, "why": error.message, "hint": error.hint})
        else:
            print(f"not good: {error.message}")
            print(f"  {error.hint}")
        raise typer.Exit(1) from None
    if output is Output.json:
        show_json({"good": True, "claims": dict(facts)})
        return
    print("good: signed with this secret, and the body is the one that was signed")
    show_facts(tuple((name, str(value)) for name, value in facts.items()))


def _token(body: Path, token: str, secret: str, max_age: float) -> Mapping[str, Any]:
    from callflow.clock import SystemClock
    from callflow.delivery.signing import verify

    sent = b"".join(_pieces(body, MAX_BYTES))
    return verify(sent, token, secret, now=SystemClock().wall(), max_age_s=max_age)


def _signed(body: Path, headers: Mapping[str, str], secret: str, max_age: float) -> Mapping[str, Any]:
    from callflow.clock import SystemClock, iso
    from callflow.delivery.standard_webhooks import Check

    check = Check(headers, [secret], SystemClock().wall(), max_age)
    for piece in _pieces(body):
        check.update(piece)
    check.end()
    by = "the digest of the file (d1)" if check.by_digest else "the body (v1)"
    return {"webhook-id": check.id, "time": iso(check.timestamp), "signed": by}


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            fail(f"{line!r} is no header", 'Write --header "webhook-id: ...".')
        found[name.strip()] = value.strip()
    return found


def _secret(secret: str, secret_file: Path | None) -> str:
    from callflow.documents.secrets import reveal
    from callflow.errors import MissingSecret

    try:
        held = _text(secret_file).strip() if secret_file is not None else reveal(secret)
    except MissingSecret as error:
        fail(error.message, error.hint)
    if not held:
        fail("no secret is given", "--secret, --secret-file, or CALLFLOW_SIGNATURE_SECRET.")
    return held


def _pieces(path: Path, most: int = 0) -> Iterator[bytes]:
    """The file, or stdin, in pieces. ``most``: bytes; 0: any number."""
    count = 0
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            while piece := file.read(_PIECE):
                count += len(piece)
                if most and count > most:
                    fail(f"{path} is larger than {most} bytes: no webhook is")
                yield piece
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}")
