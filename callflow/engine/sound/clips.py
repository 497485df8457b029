"""Layer 3: from what a flow names (a url, a prompt, a media id, a tone) to sound that can be played."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from callflow.engine.services import FETCH_LIMIT_BYTES, Services
from callflow.errors import FetchError, MissingDocument
from callflow.log import mask_url
from callflow.media.messages import Clip, FileClip, SilenceClip, ToneClip
from callflow.media.prompts import prompt_path

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


class ClipFinder:
    """Finds clips; files from urls are fetched once and kept for the life of the engine."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, media_id: str, language: str) -> tuple[Clip, ...]:
        """What to play for ``media_id``; see ``Call.clips_for``."""
        scheme, separator, rest = media_id.partition("://")
        if separator:
            if scheme in ("http", "https"):
                return (FileClip(str(await self._fetch(media_id))),)
            if scheme == "tone_stream":
                return (ToneClip(rest),)
            if scheme == "silence_stream":
                return (SilenceClip(_milliseconds(media_id, rest) / 1000),)
            if scheme == "prompt":
                return self._prompt_url(media_id, rest, language)
            raise MissingDocument(
                f"{mask_url(media_id)!r}: nothing can be played from {scheme}://",
                hint="Use http(s)://, prompt://, tone_stream://, silence_stream:// or a media id.",
            )
        found = self.prompt(media_id.removeprefix("/").removeprefix("system_media/"), language)
        if found:
            return found
        raise MissingDocument(
            f"no media {media_id!r} in account {self._services.account.id!r}, and no such prompt",
            hint="Put a media document with its audio into the account's media folder.",
        )

    def prompt(self, name: str, language: str) -> tuple[Clip, ...]:
        """The account's media of that id, else the system's prompt; empty if there is neither."""
        own = self._services.account.media_file(name)
        if own is not None:
            return (FileClip(str(own)),)
        path = prompt_path(name, language)
        return () if path is None else (FileClip(str(path)),)

    def _prompt_url(self, media_id: str, rest: str, language: str) -> tuple[Clip, ...]:
        """``prompt://NAME``, ``prompt://ACCOUNT/NAME`` or ``prompt://ACCOUNT/NAME/LANGUAGE``."""
        parts = [part for part in rest.split("/") if part]
        name = parts[min(1, len(parts) - 1)] if parts else ""
        found = self.prompt(name, parts[2] if len(parts) > 2 else language) if name else ()
        if not found:
            raise MissingDocument(
                f"no prompt for {mask_url(media_id)!r}", hint="Write prompt://system_media/NAME/en-us."
            )
        return found

    async def _fetch(self, url: str) -> Path:
        suffix = PurePosixPath(urlsplit(url).path).suffix
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        path = self._services.fetched / (name + (suffix if _SUFFIX.fullmatch(suffix) else ""))
        if path.exists():
            self._services.kept.used(path)
            return path
        part = path.with_name(f"{path.name}.{self._services.ids.short()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            await self._services.http.fetch_file(url, part, FETCH_LIMIT_BYTES)
            part.replace(path)
            self._services.kept.used(path)
        except OSError as error:
            raise FetchError(f"a fetched file cannot be kept: {error}", hint="Is there space?") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return path


def _milliseconds(media_id: str, text: str) -> int:
    """``silence_stream://MS`` or ``MS,NOISE`` as FreeSWITCH takes it; -1 (for ever) is a day."""
    head = text.partition(",")[0].strip()
    if head == "-1":
        return 24 * 3600 * 1000
    if not head.isdigit():
        raise MissingDocument(
            f"{media_id!r} does not say how long", hint="Write silence_stream://MILLISECONDS."
        )
    return int(head)
