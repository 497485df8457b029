"""Account folders for tests of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callflow.cli.check import around
from callflow.documents.catalog import Catalog, read_catalog

PASSWORD = "a-good-secret"
RECORD = {
    "module": "answer",
    "data": {},
    "children": {
        "_": {
            "module": "record_call",
            "data": {"action": "start", "format": "wav"},
            "children": {"_": {"module": "wait_for_hangup", "data": {}, "children": {}}},
        }
    },
}


def write(path: Path, document: Mapping[str, Any]) -> Path:
    """A JSON file; as editors do it, the whole file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2))
    part.replace(path)
    return path


def record_to(url: str, then: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Answer, record to ``url``, and wait (or ``then``)."""
    wait = then or {"module": "wait_for_hangup", "data": {}, "children": {}}
    data = {"action": "start", "format": "wav", "url": url}
    start = {"module": "record_call", "data": data, "children": {"_": dict(wait)}}
    return {"module": "answer", "data": {}, "children": {"_": start}}


def account(
    folder: Path,
    flows: Mapping[str, Mapping[str, Any]],
    *,
    devices: tuple[str, ...] = (),
    **document: Any,
) -> Path:
    """An account folder: ``flows`` by number; a device's user name is its id, its password ``PASSWORD``."""
    write(folder / "account.json", {"realm": f"{folder.name}.example.com", **document})
    for number, flow in flows.items():
        write(folder / "callflows" / f"n{number}.json", {"numbers": [number], "flow": flow})
    for device in devices:
        write(folder / "devices" / f"{device}.json", {"sip": {"username": device, "password": PASSWORD}})
    return folder


def catalog(accounts: Path, system_config: Path | None = None) -> Catalog:
    """Read it; it must be without a mistake."""
    found = read_catalog(accounts, system_config, around)
    assert isinstance(found, Catalog), found.lines()
    return found
