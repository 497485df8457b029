"""Layer 2: registrations in a file of the state folder, so that a restart does not lose the phones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callflow.channels.sip.registrar import Binding
from callflow.channels.sip.transport import Hop
from callflow.log import logger
from callflow.state.folder import sync_folder

NAME = "registrations.json"
MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not read."""

_TEXTS = ("account_id", "device_id", "contact", "call_id", "instance", "user_agent")
_NUMBERS = ("cseq", "reg_id")
_FRACTIONS = ("expires_at", "q")


def write_bindings(folder: Path, bindings: Iterable[Binding]) -> None:
    """Put the bindings into ``folder``, all or none of them. Blocks; raises OSError."""
    target = folder / NAME
    draft = folder / f"{NAME}.new"
    with open(draft, "w", encoding="utf-8", opener=_private) as file:
        # Row by row: written in one piece, ten thousand of them would keep the signalling waiting.
        file.write('{"version": 1, "bindings": [')
        for number, binding in enumerate(bindings):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_row(binding), separators=(",", ":")))
        file.write("\n]}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    sync_folder(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # who is where, with which phone


def read_bindings(folder: Path) -> list[Binding]:
    """What was written last. A file or row that cannot be used is passed over. Blocks."""
    path = folder / NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        rows = json.loads(path.read_text(encoding="utf-8"))["bindings"]
        found = [_binding(row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        logger.warning("%s cannot be read, phones have to register again: %s", path, type(error).__name__)
        return []
    return [binding for binding in found if binding is not None]


def _row(binding: Binding) -> dict[str, Any]:
    hop = binding.hop
    said: dict[str, Any] = {name: getattr(binding, name) for name in (*_TEXTS, *_NUMBERS, *_FRACTIONS)}
    return {**said, "path": list(binding.path), "hop": [hop.transport, hop.host, hop.port]}


def _binding(row: object) -> Binding | None:
    """A binding of an earlier process; its stream connection is gone."""
    if not isinstance(row, dict):
        return None
    hop, path = row.get("hop"), row.get("path")
    texts = [row.get(name) for name in _TEXTS]
    numbers = [row.get(name) for name in _NUMBERS]
    fractions = [row.get(name) for name in _FRACTIONS]
    fits = (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int for number in numbers)
        and all(type(number) in (int, float) for number in fractions)
        and isinstance(path, list)
        and all(isinstance(one, str) for one in path)
        and isinstance(hop, list)
        and [type(part) for part in hop] == [str, str, int]
    )
    if not fits:
        return None
    said = {name: row[name] for name in (*_TEXTS, *_NUMBERS, *_FRACTIONS)}
    return Binding(**said, path=tuple(row["path"]), hop=Hop(*row["hop"]))
