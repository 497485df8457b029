"""Layer 4: what ``cidlistmatch`` and ``lookupcidname`` share: a number in a list. No module.

A list's document holds its ``entries`` by id, each with a ``number`` or ``prefix`` (the number begins with
it; a leading + counts on neither side) or a ``pattern``, and a ``displayname``. As in Kazoo, numbers and
prefixes come before patterns, and the longest wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callflow.documents.patterns import compile_pattern
from callflow.engine.call import Call


def entry_of(call: Call, list_id: str, number: str) -> Mapping[str, Any] | None:
    """The entry of the list that fits ``number``; None: none, or no such list (a notice says so)."""
    document = call.account.get("list", list_id)
    if document is None:
        call.notice(
            "error",
            "CF-RUN-LIST",
            f"{call.node.module}: there is no list {list_id!r}",
            "The id is a file's name in the account's lists folder, without .json.",
        )
        return None
    entries = list(_entries(document))
    bare = number.removeprefix("+")
    fitting = [entry for entry in entries if (prefix := _prefix(entry)) and bare.startswith(prefix)]
    if fitting:
        return max(fitting, key=lambda entry: len(_prefix(entry)))
    return next((entry for entry in entries if _fits(entry, number, call)), None)


def _entries(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entries = document.get("entries")
    for entry in entries.values() if isinstance(entries, Mapping) else ():
        if isinstance(entry, Mapping):
            yield entry


def _prefix(entry: Mapping[str, Any]) -> str:
    return str(entry.get("number") or entry.get("prefix") or "").removeprefix("+")


def _fits(entry: Mapping[str, Any], number: str, call: Call) -> bool:
    pattern = str(entry.get("pattern") or "")
    try:
        return bool(pattern) and compile_pattern(pattern).search(number) is not None
    except re.error:
        call.notice(
            "warning",
            "CF-RUN-REGEX",
            f"{call.node.module}: {pattern!r} is no regular expression: the entry is left out",
            "Correct it in the list.",
        )
        return False
