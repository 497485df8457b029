"""Layer 6: how the commands that look into a state folder get at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._output import fail, problems_told
from callflow.state.database import Database
from callflow.state.folder import StateFolder

StateOption = Annotated[
    Path, typer.Option("--state", help="The state folder.", envvar="CALLFLOW_STATE", show_envvar=True)
]
DEFAULT_STATE = Path("callflow-state")


@contextmanager
def opened_state(path: Path, *, make: bool = False) -> Iterator[tuple[StateFolder, Database]]:
    """The state folder, which must be there (looking at it shall not make one, but with ``make``), and its
    database. An error of ours ends the command with a message.
    """
    if not make and not (path / "callflow.db").exists():
        fail(f"there is no state folder at {path}", "callflow run makes one; --state says where")
    with problems_told():
        folder = StateFolder.open(path)
        database = Database.open(folder.database)
        try:
            yield folder, database
        finally:
            database.close()
