"""Layer 2: WebDAV (RFC 4918) through the guarded HTTP client: the file goes up as ``NAME.part`` and is moved
to its name, which fails if that is taken. Missing folders are made.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import quote

from callflow.delivery.http import Response
from callflow.delivery.stores.faults import of_status
from callflow.delivery.stores.store import BLOCK, PART, Upload, Ways
from callflow.delivery.urls import HttpUrl, parse_url
from callflow.documents.storage import Place
from callflow.errors import DeliveryError

_MISSING = frozenset({403, 404, 409, 500})
"""What servers answer to a PUT into a folder that is not there (409 by the standard, 500 by nginx)."""
_MOST_READ = 1 << 40


class DavStore:
    """``place``: handler webdav, its secrets revealed."""

    def __init__(self, place: Place, ways: Ways) -> None:
        settings = place.settings
        self._base = str(settings["url"]).rstrip("/")
        self._http, self._account = ways.http, ways.account
        self._headers: Mapping[str, str] = {}
        if settings.get("token"):
            self._headers = {"Authorization": f"Bearer {settings['token']}"}
        elif settings.get("username"):
            user = quote(str(settings["username"]), safe="")
            password = quote(str(settings.get("password") or ""), safe="")
            scheme, _, rest = self._base.partition("://")
            self._base = f"{scheme}://{user}:{password}@{rest}"
        self._name = parse_url(self._base).name

    async def size(self, path: str) -> int | None:
        """By HEAD."""
        answer = await self._ask("HEAD", path)
        if answer.status == 404:
            return None
        self._expect(answer, "HEAD")
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else -1

    async def put(self, upload: Upload) -> bool:
        """PUT and MOVE."""
        if await self.size(upload.path) is not None:
            return False
        part = upload.path + PART
        try:
            answer = await self._send(part, upload)
            if answer.status in _MISSING and "/" in upload.path:
                await self._make_folders(upload.path)
                answer = await self._send(part, upload)
            self._expect(answer, "PUT")
            moved = await self._ask(
                "MOVE", part, {"Destination": self._bare(upload.path).url, "Overwrite": "F"}
            )
            if moved.status != 412:
                self._expect(moved, "MOVE")
                return True
        except BaseException:
            await self._forget(part)
            raise
        await self._forget(part)
        return False

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """By GET, through a temporary file."""
        with tempfile.TemporaryDirectory(prefix="callflow-") as folder:
            into = Path(folder) / "file"
            await self._http.fetch_file(self._url(path), into, _MOST_READ)
            with into.open("rb") as file:
                while piece := file.read(BLOCK):
                    yield piece

    async def delete(self, path: str) -> None:
        """By DELETE."""
        answer = await self._ask("DELETE", path)
        if answer.status != 404:
            self._expect(answer, "DELETE")

    async def close(self) -> None:
        """The client belongs to others."""

    # ---- inside -------------------------------------------------------------------------------

    async def _send(self, path: str, upload: Upload) -> Response:
        headers = {**self._headers, "Content-Type": upload.content_type}
        return await self._http.upload(
            "PUT", self._url(path), upload.file, headers, size=upload.size, account=self._account
        )

    async def _make_folders(self, path: str) -> None:
        """One after the other; one that is there already answers 405, some servers 301."""
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            answer = await self._ask("MKCOL", "/".join(parts[:count]) + "/")
            if not 200 <= answer.status <= 299 and answer.status not in (301, 405, 409):
                self._expect(answer, "MKCOL")

    async def _forget(self, part: str) -> None:
        """What an attempt has left, as far as the server can still be reached."""
        removing = asyncio.ensure_future(self._ask("DELETE", part))
        try:
            await asyncio.shield(removing)
        except (DeliveryError, OSError):
            return

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return await self._http.request(
            method,
            self._url(path),
            headers={**self._headers, **(headers or {})},
            follow=0,
            account=self._account,
        )

    def _url(self, path: str) -> str:
        return f"{self._base}/{quote(path, safe='/@+=,~')}"

    def _bare(self, path: str) -> HttpUrl:
        return parse_url(self._url(path))

    def _expect(self, answer: Response, doing: str) -> None:
        if not 200 <= answer.status <= 299:
            raise of_status(self._name, answer.status, doing)
