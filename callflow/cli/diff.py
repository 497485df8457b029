"""Layer 6, ``callflow diff``: two flows compared as trees."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflow.cli._output import Output, OutputOption, fail, problems_told, shown, terminal

if TYPE_CHECKING:
    from callflow.drawing.difference import Change
    from callflow.engine.flow import Flow

_COLOURS = {"added": "green", "removed": "red", "moved": "cyan", "changed": "yellow", "replaced": "yellow"}


def main(
    old: Annotated[Path, typer.Argument(metavar="A", help="A callflow document or bare flow.")],
    new: Annotated[Path, typer.Argument(metavar="B", help="The one to compare with it.")],
    output: OutputOption = Output.text,
) -> None:
    """Exit code 0: the same; 1: they differ; 2: a file that is no flow."""
    from callflow.drawing.difference import compare

    with problems_told():
        changes = compare(_flow(old), _flow(new))
    if output is Output.json:
        print(json.dumps([_as_json(change) for change in changes], ensure_ascii=False, indent=2))
    else:
        _print(changes)
    raise typer.Exit(1 if changes else 0)


def _flow(path: Path) -> Flow:
    from callflow.documents import jsontext
    from callflow.engine.flow import Flow

    if not path.is_file():
        fail(f"{path} is not a file")
    document = jsontext.read(path).value
    if not isinstance(document, dict) or not ({"flow", "module"} & document.keys()):
        fail(f"{path} is not a flow", "a callflow has a flow, a bare flow a module; callflow check says more")
    return Flow.parse(document)


def _as_json(change: Change) -> dict[str, Any]:
    found = dataclasses.asdict(change)
    found["keys"] = [{"key": key, "old": was, "new": now} for key, was, now in _hidden(change)]
    return found


def _print(changes: list[Change]) -> None:
    from rich.text import Text

    console = terminal()
    if not changes:
        console.print("the flows are the same")
    for change in changes:
        for number, line in enumerate(_lines(change)):
            style = _COLOURS.get(change.kind, "") if not number else ""
            console.print(Text(shown(line), style=style), soft_wrap=True)


def _lines(change: Change) -> Iterator[str]:
    """A line that says what and where; a line more for each key."""
    many = f" and {change.nodes - 1} below it" if change.nodes > 1 else ""
    if change.kind == "document":
        for key, was, now in _hidden(change):
            yield f"changed   {key}: {_value(was)} → {_value(now)}"
        return
    if change.kind == "moved":
        yield f"moved     {change.module}{many}: {place(change.was)} → {place(change.path)}"
        return
    yield f"{change.kind:<9} {change.module}{many}, at {place(change.path or change.was)}"
    for key, was, now in _hidden(change):
        yield f"            {key}: {_value(was)} → {_value(now)}"


def _hidden(change: Change) -> Iterator[tuple[str, Any, Any]]:
    """What has changed, without secrets: that they have is seen all the same."""
    from callflow.drawing.hiding import hide

    for key, was, now in change.keys:
        yield key, hide(change.module, key, was), hide(change.module, key, now)


def place(path: str) -> str:
    """A node's pointer as people say it: the branch keys on the way, ``the top`` for the root."""
    keys = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/children/")[1:]]
    return " › ".join(keys) or "the top"


def _value(value: Any) -> str:
    return "(not there)" if value is None else json.dumps(value, ensure_ascii=False)
