"""Layer 2: files sealed to public keys (age, https://age-encryption.org/v1), piece by piece; opened again.

Only X25519 keys (``age1...``). A sealed file can be opened with the program ``age`` too. Bytes go through
Python's files on purpose: the library's own way over paths holds up every other thread until it is through.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

import pyrage

from callflow.documents.keeping_rules import recipient_fault
from callflow.errors import SealError
from callflow.recording.crashpoints import crash_point
from callflow.recording.messages import SEALED
from callflow.state.folder import sync_folder

_SECRET = "AGE-SECRET-KEY-"
_PIECE = 1 << 20
_MOST_KEY_FILE = 65_536


class _Source:
    """A file as the library reads it; a test may die in it."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._next = _PIECE

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        if self._file.tell() >= self._next or not piece:
            self._next += _PIECE
            crash_point("sealing")
        return piece


def keygen() -> tuple[str, str]:
    """A new pair: the public key (``age1...``), and the secret one (``AGE-SECRET-KEY-1...``)."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), str(identity)


def seal(source: Path, target: Path, recipients: Sequence[str]) -> tuple[int, str]:
    """Write ``source`` to ``target``, sealed, and bring it to the disk; gives its size and SHA-256 (hex).

    Raises SealError for recipients that cannot be sealed to (nothing is written), OSError.
    """
    keys = [_recipient(text) for text in recipients]
    if not keys:
        raise SealError("recordings are to be sealed, and nobody says to whom", hint=_RECIPIENTS)
    with source.open("rb") as reading, target.open("wb+") as writing:
        try:
            pyrage.encrypt_io(_Source(reading), writing, keys)
        except pyrage.EncryptError as error:
            raise OSError(5, f"it cannot be sealed: {error}", str(target)) from error
        writing.flush()
        os.fsync(writing.fileno())
        writing.seek(0)
        digest = hashlib.file_digest(writing, "sha256").hexdigest()
        return writing.tell(), digest


def unseal(source: Path, target: Path, secrets: Sequence[str]) -> int:
    """Open a sealed file with one of the secret keys; gives the bytes of ``target``, which must not be there.
    It appears whole or not at all: a sealed file that was changed or cut off is refused.

    Raises SealError; OSError.
    """
    identities = [_identity(text) for text in secrets]
    part = target.with_name(f".{target.name}.part")
    if target.exists():
        raise SealError(f"{target} is there already", hint="nothing is overwritten")
    try:
        with source.open("rb") as reading, part.open("xb") as writing:
            os.chmod(part, 0o600)
            try:
                pyrage.decrypt_io(reading, writing, identities)
            except (pyrage.DecryptError, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # of the disk; what the library says of damaged bytes has no number
                raise SealError(f"{source} cannot be opened: {error}", hint=_why(source)) from error
            writing.flush()
            os.fsync(writing.fileno())
            size = writing.tell()
        os.replace(part, target)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise SealError(f"{part} is there already", hint="delete it, if nobody is writing it") from error
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return size


def read_identities(path: Path) -> list[str]:
    """The secret keys of a file, one a line; lines that are empty or begin with # say nothing. Raises
    SealError, which never shows what is in it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_KEY_FILE).decode("utf-8", "replace")
    except OSError as error:
        raise SealError(f"the key file {path} cannot be read: {error.strerror}") from error
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found or any(not line.startswith(_SECRET) for line in found):
        raise SealError(
            f"{path} is no file of age secret keys",
            hint=f"each line is a key, {_SECRET}1..., or begins with #",
        )
    return found


def is_sealed(name: str) -> bool:
    """Whether a file is a sealed one, by its name."""
    return name.endswith(SEALED)


def looks_sealed(path: Path) -> bool:
    """Whether a file begins as a sealed one does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


_MAGIC = b"age-encryption.org/v1\n"
_RECIPIENTS = "write recordings.encryption.recipients in account.json: callflow recordings keygen makes a key"


def _why(source: Path) -> str:
    try:
        if not looks_sealed(source):
            return "it is not sealed, or it is armored"
    except OSError:
        pass  # that it cannot be read is told elsewhere: this only looks for a better hint
    return "it was sealed to other keys, or is damaged"


def _recipient(text: str) -> pyrage.x25519.Recipient:
    wrong = recipient_fault(text)
    if wrong:
        raise SealError(f"a recipient of recordings.encryption {wrong}", hint=_RECIPIENTS)
    return pyrage.x25519.Recipient.from_str(text)


def _identity(text: str) -> pyrage.x25519.Identity:
    try:
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError as error:
        raise SealError("a secret key is damaged", hint="was a character lost when it was copied?") from error
