"""Layer 1: secrets that documents name instead of holding them.

A document says where a secret stands, and it is read from there each time it is used, so that a new one
counts at once and none is ever in a document, a database, a log or what ``explain`` prints::

    "secret:env:NAME"     the environment variable NAME
    "secret:file:PATH"    the file PATH, without line breaks at its end; a relative PATH is in the folder that
                          CREDENTIALS_DIRECTORY names (systemd's LoadCredential)

Whoever may write a document may use every secret that this process can read: leave them to the operator.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from callflow.errors import MissingSecret

PREFIX = "secret:"
HIDDEN = "***"
FOLDER = "CREDENTIALS_DIRECTORY"
SIZE_LIMIT = 64 * 1024
"""Bytes of a secret in a file: a longer one is a mistake."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_secret(value: object) -> bool:
    """Is ``value`` a string that says where a secret stands (well written or not)?"""
    return isinstance(value, str) and value.startswith(PREFIX)


def reveal(value: str) -> str:
    """The secret that ``value`` names; a ``value`` that names none is given back as it is.

    Raises MissingSecret, which names the place and never what was found there. A file is read here: from a
    loop that must not wait, call it in a thread if the file may be on a network.
    """
    if not is_secret(value):
        return value
    kind, _, place = value.removeprefix(PREFIX).partition(":")
    if kind == "env" and _NAME.fullmatch(place):
        return _from_environment(place)
    if kind == "file" and place and "\0" not in place:
        return _from_file(place)
    raise MissingSecret("a secret is named in a way that is not known", hint=_HOW)


def problem_of(value: str) -> str:
    """What is wrong with how ``value`` is written (nothing is read); empty: nothing."""
    if not is_secret(value):
        return ""
    kind, _, place = value.removeprefix(PREFIX).partition(":")
    fits = bool(_NAME.fullmatch(place)) if kind == "env" else kind == "file" and bool(place)
    return "" if fits and "\0" not in place else f"a secret is named in a way that is not known: {_HOW}"


def shown(value: object) -> str:
    """``value`` as people may see it: where a secret stands is said, a secret itself never."""
    if isinstance(value, str) and is_secret(value) and not problem_of(value):
        return value
    return HIDDEN if value else ""


def _from_environment(name: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise MissingSecret(
            f"the environment has no {name}, where a secret should be",
            hint=f"start callflow with {name} set",
        )
    return found


def _from_file(place: str) -> str:
    path = Path(place)
    if not path.is_absolute():
        folder = os.environ.get(FOLDER, "")
        if not folder:
            raise MissingSecret(
                f"the secret's file {place} has a relative path, and {FOLDER} is not set",
                hint="write the whole path",
            )
        path = Path(folder) / path
    try:
        with path.open("rb") as file:
            found = file.read(SIZE_LIMIT + 1)
        text = found.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MissingSecret(
            f"the secret in the file {path} cannot be read: {why}", hint="see its path and its rights"
        ) from None  # a UnicodeDecodeError holds the bytes
    if len(found) > SIZE_LIMIT:
        raise MissingSecret(
            f"the file {path} is longer than {SIZE_LIMIT} bytes: no secret is", hint="see its path"
        )
    if not text:
        raise MissingSecret(f"the file {path}, where a secret should be, is empty", hint="write it there")
    return text


_HOW = "write secret:env:NAME or secret:file:PATH"
