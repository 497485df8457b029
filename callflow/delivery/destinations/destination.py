"""Layer 2: what a destination is: it takes one parcel once and says what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callflow.delivery.outbox import Parcel
from callflow.errors import UnsendableFile


@dataclass(frozen=True, slots=True)
class Answer:
    """The last word of a destination. ``retry_after``: that header as it came. ``body``: its first 2 kB."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    address: str = ""


class Destination(Protocol):
    """One kind of place for recordings (``DeliveryRow.kind``)."""

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """Send the file ``path``. Raises DeliveryError (BadUrl, BlockedAddress, FetchError ...)."""


def check_file(parcel: Parcel, path: Path) -> None:
    """Raises UnsendableFile if the file is not the one that was finished: gone, or of another size."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnsendableFile(
            f"the file {path.name} cannot be read: {error.strerror}", hint="was the state folder cleaned up?"
        ) from error
    if size != parcel.delivery.bytes:
        raise UnsendableFile(
            f"the file {path.name} has {size} bytes, not {parcel.delivery.bytes}", hint="the file was changed"
        )
