"""Layer 6: the commands of ``callflow recordings`` about sealed files: make a key, open a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli._figures import size
from callflow.cli._output import Output, OutputOption, problems_told, show_json
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import SystemClock, iso
from callflow.errors import RecordingError, SealError
from callflow.state.records import get_recording


def sealing_commands(main: typer.Typer) -> None:
    """Add them."""
    main.command("keygen")(keygen_command)
    main.command("decrypt")(decrypt_command)


def keygen_command(
    to: Annotated[Path | None, typer.Option("--to", help="A file that is not there yet.")] = None,
    output: OutputOption = Output.text,
) -> None:
    """Make a pair of keys: the public one for account.json, the secret one for whoever may listen."""
    from callflow.recording.sealing import keygen

    public, secret = keygen()
    text = f"# created: {iso(SystemClock().wall())}\n# public key: {public}\n{secret}\n"
    with problems_told():
        if to is not None:
            _write_key(to, text)
    if output is Output.json:
        where = {"file": str(to)} if to is not None else {"secret_key": secret}
        show_json({"public_key": public, **where})
    elif to is None:
        print(text, end="")
    else:
        print(f"Public key: {public}")
        print(f"{to}  keep it safe: without it nothing that was sealed can be heard again")


def decrypt_command(
    recording: Annotated[str, typer.Argument(metavar="FILE|ID", help="A sealed file, or a recording here.")],
    identity: Annotated[Path, typer.Option("--identity", "-i", help="The file with the secret key.")],
    to: Annotated[Path, typer.Option("--to", "-o", help="The file to make; it must not be there yet.")],
    state: StateOption = DEFAULT_STATE,
    output: Annotated[Output, typer.Option("--output", help="Text, or JSON for programs.")] = Output.text,
) -> None:
    """Open a sealed recording with the secret key."""
    from callflow.recording.sealing import read_identities, unseal

    with problems_told():
        source = _source(recording, state)
        try:
            count = unseal(source, to, read_identities(identity))
        except OSError as error:
            raise SealError(f"{error.filename or to}: {error.strerror}") from error
    if output is Output.json:
        show_json({"source": str(source), "file": str(to), "bytes": count})
    else:
        print(f"{to}  {size(count)}")


def _source(recording: str, state: Path) -> Path:
    if Path(recording).is_file():
        return Path(recording)
    with opened_state(state) as (folder, database):
        row = database.run(lambda conn: get_recording(conn, recording))
        if not row.file:
            raise RecordingError(
                f"recording {row.id} has no file here ({row.state})", hint="give the sealed file itself"
            )
        return folder.root / row.file


def _write_key(path: Path, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SealError(f"{path} is there already", hint="no key is overwritten") from error
    except OSError as error:
        raise SealError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
