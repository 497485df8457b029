"""Layer 2: what a device's document says about the sound of its calls, those it makes and those it gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def codecs_of(device: Mapping[str, Any]) -> tuple[str, ...]:
    """``media.audio.codecs``, the best first; empty: as the settings say."""
    said = part(device, "media", "audio").get("codecs")
    return tuple(codec for codec in said if isinstance(codec, str)) if isinstance(said, list) else ()


def srtp_of(device: Mapping[str, Any]) -> str:
    """``required`` with ``media.encryption.enforce_security``; empty: as the settings say."""
    return "required" if part(device, "media", "encryption").get("enforce_security") is True else ""


def part(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """An object within a document; empty if it is none."""
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
