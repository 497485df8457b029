"""Layer 6: what commands that show rows share: the state folder option, tables, JSON, sizes and times."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli._output import Output, fail
from callflow.clock import iso
from callflow.errors import CallflowError

StateOption = Annotated[
    Path, typer.Option("--state", help="The state folder.", envvar="CALLFLOW_STATE", show_envvar=True)
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Text, or JSON for programs.")]
DEFAULT_STATE = Path("callflow-state")


@contextmanager
def problems_told() -> Iterator[None]:
    """Turn an error of ours into a message, its hint and exit code 2."""
    try:
        yield
    except CallflowError as error:
        fail(f"{error.code}  {error.message}", error.hint)


def existing_state(path: Path) -> Path:
    """The state folder, which must be there: looking at it shall not make one."""
    if not (path / "callflow.db").exists():
        fail(f"there is no state folder at {path}", "callflow run makes one; --state says where")
    return path


def show_json(value: object) -> None:
    """One JSON value on standard output, indented on a terminal."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def show_rows(titles: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> None:
    """A table on a terminal; else a line a row, parted by tabs, for other programs. Honours NO_COLOR."""
    lines = [list(row) for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print("\t".join(line))
        return
    if not lines:
        print(nothing)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console(no_color=bool(os.environ.get("NO_COLOR"))).print(table)


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Name and value, a line each; empty values are left out."""
    pairs = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{name:<{width}}  {value}")


def size(count: int) -> str:
    """``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def length(seconds: float) -> str:
    """``1:02:03.5`` or ``2:03.5``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def when(wall: float) -> str:
    """An instant for people; empty for none."""
    return iso(wall).replace("T", " ")[:19] + "Z" if wall else ""


def track(total: int, text: str) -> Callable[[int], None]:
    """A progress bar on a terminal: call the result with what is done; elsewhere it does nothing."""
    if not sys.stderr.isatty():
        return lambda done: None
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR"))), transient=True)
    task = bar.add_task(text, total=total)
    bar.start()

    def done(count: int) -> None:
        bar.update(task, completed=count)
        if count >= total:
            bar.stop()

    return done


def fields_of(row: object, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """A row's fields for JSON."""
    import dataclasses

    if not dataclasses.is_dataclass(row):
        raise TypeError("a dataclass is meant")
    return {
        item.name: getattr(row, item.name) for item in dataclasses.fields(row) if item.name not in leave_out
    }
