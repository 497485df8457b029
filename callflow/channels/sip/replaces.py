"""Layer 2: Replaces (RFC 3891): which dialog a new call, or a transfer, stands in for."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

_MOST = 1024


@dataclass(frozen=True, slots=True)
class Replaced:
    """A dialog by its names: ``to_tag`` is the tag of who reads this, ``from_tag`` the other's."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def turned(self) -> Replaced:
        """As the other end of the dialog names it."""
        return Replaced(self.call_id, self.from_tag, self.to_tag, self.early_only)


def read_replaces(text: str) -> Replaced | None:
    """``12345@host;to-tag=a;from-tag=b``, also with ``%`` escapes, as it stands in a Refer-To; None: it
    cannot be read.
    """
    if len(text) > _MOST:
        return None
    if "%" in text and ";" not in text:
        text = unquote(text)
    call_id, *rest = text.split(";")
    params: dict[str, str] = {}
    for item in rest:
        name, _, value = item.partition("=")
        if name.strip().lower() in params:
            return None
        params[name.strip().lower()] = value.strip()
    tags = params.get("to-tag", ""), params.get("from-tag", "")
    if not call_id.strip() or not all(tags):
        return None
    return Replaced(call_id.strip(), *tags, early_only="early-only" in params)
