"""Layer 2: a developer's own server: the file by HTTP PUT or POST (record-call.txt, kazoo.md 1.10)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from callflow.delivery.destinations.destination import Answer, check_file
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outbox import Parcel
from callflow.delivery.urls import add_metadata


class HttpDestination:
    """Sends the raw file as the body, the same bytes and the same ``Idempotency-Key`` at each attempt.

    ``url_metadata``: add Kazoo's query parameters (``media.call_recording.url_metadata``).
    ``halfway``: called when half of a file is handed to the network.
    """

    def __init__(self, client: GuardedHttp, *, url_metadata: bool, halfway: Callable[[], None]) -> None:
        self._client = client
        self._url_metadata = url_metadata
        self._halfway = halfway

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """One PUT or POST; redirects are followed with the same verb and the whole file."""
        check_file(parcel, path)
        row = parcel.delivery
        response = await self._client.upload(
            row.method,
            self._url(parcel),
            path,
            upload_headers(row.content_type, row.sha256, row.recording_id),
            size=row.bytes,
            halfway=self._halfway,
        )
        return Answer(response.status, response.body, response.headers.get("Retry-After"), response.address)

    def _url(self, parcel: Parcel) -> str:
        if not self._url_metadata:
            return parcel.delivery.url
        recording = parcel.recording
        facts = {
            "call_id": recording.call_id,
            "account_id": recording.account_id,
            "recording_id": recording.id,
            "duration_ms": int(recording.seconds * 1000),
        }
        return add_metadata(parcel.delivery.url, {**facts, **recording.document})


def upload_headers(content_type: str, sha256: str, key: str) -> dict[str, str]:
    """``Content-Digest`` as RFC 9530 says. ``Idempotency-Key``: the recording's id, so that a receiver can
    tell a file that comes again (an attempt whose answer was lost) from a new one.
    """
    digest = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
    return {
        "Content-Type": content_type,
        "Content-Digest": f"sha-256=:{digest}:",
        "Idempotency-Key": key,
    }
