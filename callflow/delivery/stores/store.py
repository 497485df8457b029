"""Layer 2: what every place for files can do, and how it is reached.

A file is there wholly or not at all: it goes up in parts or under another name (``PART``), and takes its own
name with the last step. What an attempt leaves behind when it is ended is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.errors import BlockedAddress, FetchError

PART = ".part"
"""What the name of a file ends in while it is on its way, at places that cannot take it in parts."""
BLOCK = 256 * 1024
"""Bytes read or sent at a time."""
CLEANING_S = 10.0
"""How long an attempt that is ended may take to remove what it has left."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be kept: ``size`` bytes of ``file`` under ``path``. ``sha256``: hex, kept beside it where the
    place can. ``document``: the recording's, for places that take it.
    """

    path: str
    file: Path
    size: int
    content_type: str
    sha256: str
    document: dict[str, object]


class Store(Protocol):
    """One place. Every method raises StoreRefused, BlockedAddress, FetchError (DeliveryError)."""

    async def size(self, path: str) -> int | None:
        """Bytes of what is there under ``path``; None: nothing is."""

    async def put(self, upload: Upload) -> bool:
        """Put the file there. False: there is something of that name, which is not touched."""

    def read(self, path: str) -> AsyncIterator[bytes]:
        """What is there, in pieces."""

    async def delete(self, path: str) -> None:
        """Remove it; nothing happens where there is none."""

    async def close(self) -> None:
        """Give back what is open."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How places are reached: the guarded client, the guard for what does not go through it, seconds.
    ``account``: ``delivery`` of the account's document, which may have rules for hosts of its own.
    """

    http: GuardedHttp
    guard: Guard
    connect_timeout_s: float
    progress_timeout_s: float
    account: Mapping[str, Any] | None = None


async def digest_of(store: Store, path: str) -> str:
    """SHA-256 (hex) of what is there."""
    digest = hashlib.sha256()
    async for piece in store.read(path):
        digest.update(piece)
    return digest.hexdigest()


async def allowed_addresses(ways: Ways, host: str, port: int) -> list[str]:
    """The addresses of ``host`` that may be connected to. Raises FetchError, BlockedAddress.

    Refused if only one of them is: a name that has a private address beside a public one is no accident.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ways.connect_timeout_s):
            found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise FetchError(
            f"the name {host} was not resolved in time", hint="is the name server up?"
        ) from error
    except (OSError, UnicodeError) as error:
        raise FetchError(
            f"the name {host} cannot be resolved", hint="is the host in storage.json right?"
        ) from error
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    for address in addresses:
        refusal = ways.guard.refusal(address)
        if refusal is not None:
            raise BlockedAddress(
                f"{host} may not be connected to: {refusal}",
                hint="list its network in delivery.allow_networks of system_config, if it is meant",
            )
    return addresses


async def connected(ways: Ways, host: str, port: int) -> socket.socket:
    """A socket that is connected to an allowed address of ``host``; not blocking."""
    loop = asyncio.get_running_loop()
    problem: OSError = OSError("no address")
    for address in await allowed_addresses(ways, host, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(ways.connect_timeout_s):
                await loop.sock_connect(sock, (address, port))
        except OSError as error:  # TimeoutError too
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    why = problem.strerror or "it took too long"
    raise FetchError(
        f"{host}:{port} cannot be connected to: {why}", hint="is the server up, and host and port right?"
    )
