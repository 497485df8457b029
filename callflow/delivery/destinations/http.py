"""Layer 2: a developer's own server: the file by HTTP PUT or POST (record-call.txt, kazoo.md 1.10)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path

from callflow.delivery.destinations.destination import Answer, check_file
from callflow.delivery.destinations.tus import Tus, Uploads
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outbox import Parcel
from callflow.delivery.standard_webhooks import sign
from callflow.delivery.urls import add_metadata
from callflow.documents.secrets import reveal
from callflow.errors import UnsendableFile

_PIECE = 256 * 1024


class HttpDestination:
    """Sends the raw file as the body, the same bytes and the same ``Idempotency-Key`` at each attempt, signed
    anew if the host's rule says so. A rule with ``upload`` ``tus``: see ``tus.py``.

    ``url_metadata``: add Kazoo's query parameters (``media.call_recording.url_metadata``).
    ``halfway``: called when half of a file is handed to the network.
    """

    def __init__(
        self,
        client: GuardedHttp,
        *,
        url_metadata: bool,
        halfway: Callable[[], None],
        wall: Callable[[], float],
        uploads: Uploads,
    ) -> None:
        self._client = client
        self._wall = wall
        self._tus = Tus(client, uploads, halfway)
        self._url_metadata = url_metadata
        self._halfway = halfway

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """One PUT or POST; redirects are followed with the same verb and the whole file."""
        check_file(parcel, path)
        row, url = parcel.delivery, self._url(parcel)
        rule = self._client.rule(url, parcel.account)
        headers = upload_headers(row.content_type, row.sha256, row.recording_id)
        secrets = [reveal(secret) for secret in rule.signing]
        whole = rule.upload != "tus"  # else the digest is signed: the body comes in pieces
        if secrets:
            pieces = _pieces(path) if whole else ()
            digest = headers["Content-Digest"]
            headers |= await asyncio.to_thread(sign, secrets, row.id, self._wall(), pieces, digest)
        if not whole:
            return await self._tus.deliver(parcel, path, url, headers)
        response = await self._client.upload(
            row.method,
            url,
            path,
            headers,
            size=row.bytes,
            halfway=self._halfway,
            account=parcel.account,
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


def _pieces(path: Path) -> Iterator[bytes]:
    """A file as it is signed. Raises UnsendableFile."""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise UnsendableFile(
            f"the file {path.name} cannot be read: {error.strerror}", hint="was the state folder cleaned up?"
        ) from error


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
