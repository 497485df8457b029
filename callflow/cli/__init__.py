"""Layer 6: the command line, one file per command.

A command's file is imported only when it is called, so that ``callflow --help`` is quick.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import NamedTuple

import typer


class Command(NamedTuple):
    """Where a command lives (its module has ``main``, a function or a typer app) and its line of help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "run": Command("callflow.cli.run", "Walk a flow on a pretend call, record it, deliver it."),
    "serve": Command("callflow.cli.serve", "Take SIP calls: walk their flows, record them, deliver."),
    "call": Command("callflow.cli.call", "Be a small phone: call a SIP URI, or be called; see how it went."),
    "demo": Command("callflow.cli.demo", "See the whole way once: a call, its recording, a receiver."),
    "check": Command("callflow.cli.check", "Find every mistake in flows, accounts and system_config."),
    "lint-config": Command("callflow.cli.lint_config", "Hold system_config and accounts against each other."),
    "draw": Command("callflow.cli.draw", "Draw flows, with their problems in place: text, SVG, Mermaid."),
    "diff": Command("callflow.cli.diff", "Compare two flows as trees: moved, changed, added, removed."),
    "explain": Command("callflow.cli.explain", "Show each record setting's effective value and its origin."),
    "test": Command("callflow.cli.test", "Play scenario files and hold them against what they expect."),
    "tune": Command("callflow.cli.tune", "Replay recordings with other silence settings and limits."),
    "schema": Command("callflow.cli.schema", "Print the field table of a module or document."),
    "receive": Command("callflow.cli.receive", "Be the server that takes recordings, with faults on demand."),
    "recordings": Command("callflow.cli.recordings", "List, show, export and delete recordings."),
    "deliveries": Command("callflow.cli.deliveries", "List, show, retry, cancel and run deliveries."),
    "storage": Command("callflow.cli.storage", "Try the place that an account's recordings go to."),
    "transcribe": Command("callflow.cli.transcribe", "Write down what is said in an audio file."),
    "verify": Command("callflow.cli.verify", "Check the signature of a webhook."),
    "tokens": Command("callflow.cli.tokens", "Make, list and revoke tokens of the HTTP API."),
    "changes": Command("callflow.cli.changes", "List what calls changed in documents; take it back."),
}


def _stub() -> None:
    """Stands for a command that was not called."""


def app_for(called: str | None) -> typer.Typer:
    """The command line with the command ``called`` imported; the others only have their line of help."""
    app = typer.Typer(
        name="callflow",
        help="Run Kazoo callflows and record calls: in a test, on a laptop, on real SIP traffic.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_version)
    for name, command in COMMANDS.items():
        main = importlib.import_module(command.module).main if name == called else _stub
        if isinstance(main, typer.Typer):
            app.add_typer(main, name=name, help=command.help)
        else:
            app.command(name, help=command.help)(main)
    return app


def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    if version:
        from callflow import __version__

        print(f"callflow {__version__}")
        raise typer.Exit


def main() -> None:
    """The entry point ``callflow``."""
    # Each command imports what it needs; what that makes is no garbage, and need not be looked through.
    gc.set_threshold(50_000, 20, 100)
    called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    app_for(called)(prog_name="callflow")
