"""Layer 2: what a first request needs, imported ahead of it.

aiohttp and PyJWT take as long to import as all of the engine's own files of this layer. A pretend call that
sends nothing does without them; where calls are in real time, none shall wait for an import.
"""

from __future__ import annotations

from importlib import import_module

_HERE = "callflow.delivery"
_AT_NEED = (f"{_HERE}.body", f"{_HERE}.network_errors", f"{_HERE}.websockets", "jwt")


def import_ahead() -> None:
    """Import what ``http``, ``signing`` and WebSockets import at their first use."""
    for name in _AT_NEED:
        import_module(name)
