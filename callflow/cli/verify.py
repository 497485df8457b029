"""Layer 6, ``callflow verify``: whether a signed webhook came from who holds the secret, and is whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._output import Output, fail, show_facts, show_json

MAX_BYTES = 10 * 1024 * 1024


def main(
    body: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The body as it came, byte for byte; - reads it from stdin."),
    ],
    token: Annotated[
        str, typer.Option("--token", help="The Authorization header, or what follows Bearer in it.")
    ],
    secret: Annotated[
        str,
        typer.Option(
            "--secret",
            envvar="CALLFLOW_SIGNATURE_SECRET",
            show_envvar=True,
            help="The application's signature_secret.",
        ),
    ] = "",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="A file that holds the secret.")
    ] = None,
    max_age: Annotated[
        float, typer.Option("--max-age", help="Seconds that a token counts; 0: any age.")
    ] = 300.0,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """Exit code 0: it is good; 1: it is not, and why; 2: something cannot be read."""
    from callflow.clock import SystemClock
    from callflow.delivery.signing import verify
    from callflow.errors import BadSignature

    held = _text(secret_file).strip() if secret_file is not None else secret
    if not held:
        fail("no secret is given", "--secret, --secret-file, or CALLFLOW_SIGNATURE_SECRET.")
    sent = _bytes(body)
    try:
        claims = verify(sent, token, held, now=SystemClock().wall(), max_age_s=max_age)
    except BadSignature as error:
        if output is Output.json:
            show_json({"good": False, "why": error.message, "hint": error.hint})
        else:
            print(f"not good: {error.message}")
            print(f"  {error.hint}")
        raise typer.Exit(1) from None
    if output is Output.json:
        show_json({"good": True, "claims": dict(claims)})
        return
    print("good: signed with this secret, and the body is the one that was signed")
    show_facts(tuple((name, str(value)) for name, value in claims.items()))


def _bytes(path: Path) -> bytes:
    if str(path) == "-":
        found = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with path.open("rb") as file:
                found = file.read(MAX_BYTES + 1)
        except OSError as error:
            fail(f"{path} cannot be read: {error.strerror}")
    if len(found) > MAX_BYTES:
        fail(f"{path} is larger than {MAX_BYTES} bytes: no webhook is")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}")
