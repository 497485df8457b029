"""Layer 6: settings as the API shows them: values with where they come from, secrets never."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callflow.documents import schemas
from callflow.documents.config_layout import value_of
from callflow.documents.secrets import HIDDEN, is_secret
from callflow.documents.settings import Settings
from callflow.log import mask_text

_SECRET = re.compile(
    r"authorization|bearer|cookie|token|secret|passw|credential|username|signing|api.?key|headers",
    re.IGNORECASE,
)
DEEPEST = 20


def rows(
    settings: Settings, documents: tuple[str, ...] = schemas.SETTINGS_DOCUMENTS
) -> Iterator[dict[str, Any]]:
    """Every effective setting of these documents: its dotted name, value, where it came from and which file,
    the default, and what it is.
    """
    for name, origin in settings.origins.items():
        document, _, rest = name.partition(".")
        if document in documents:
            part = _part(document, rest)
            yield {
                "name": name,
                "value": hidden(rest.rpartition(".")[2], value_of(settings, name)),
                "source": origin.source,
                "file": origin.file,
                "default": part.get("default"),
                "title": part.get("title", ""),
                "description": part.get("description", ""),
            }


def _part(document: str, dotted: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] = schemas.load(f"system_config.{document}")
    for name in dotted.split("."):
        part = part.get("properties", {}).get(name, {})
    return part


def hidden(key: str, value: Any, depth: int = DEEPEST) -> Any:
    """``value`` as it may be shown: a secret is ``***``, where one stands (``secret:env:NAME``) is said."""
    if isinstance(value, Mapping):
        return (
            {str(name): hidden(_key(key, str(name)), each, depth - 1) for name, each in value.items()}
            if depth
            else HIDDEN
        )
    if isinstance(value, list | tuple):
        return [hidden(key, each, depth - 1) for each in value] if depth else HIDDEN
    if _SECRET.search(key) and isinstance(value, str) and value and not is_secret(value):
        return HIDDEN
    return mask_text(value) if isinstance(value, str) else value


def _key(outer: str, name: str) -> str:
    """Whatever stands under ``headers`` is a header: its name does not say whether it is a secret."""
    return outer if outer == "headers" else name


def restored(value: Any, stored: Any, key: str = "") -> Any:
    """What was sent, with what is stored wherever the client sends back a value as it was shown to it."""
    if isinstance(value, Mapping):
        known = stored if isinstance(stored, Mapping) else {}
        return {name: restored(each, known.get(name), _key(key, str(name))) for name, each in value.items()}
    if isinstance(value, list):
        known_items = (
            stored if isinstance(stored, list) and len(stored) == len(value) else [None] * len(value)
        )
        return [restored(each, one, key) for each, one in zip(value, known_items, strict=True)]
    if isinstance(stored, str) and value != stored and value == hidden(key, stored):
        return stored
    return value
