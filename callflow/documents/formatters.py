"""Layer 1: how a carrier wants to see the fields of a call out (``formatters`` of resources, as in Kazoo).

The object's keys are fields (``to``, ``caller_id_name``, a header's name ...), each with a rule or a list of
rules. The first rule of a field that does something is the one that counts. Within a rule: ``strip`` (the
field goes), else ``value`` (this instead), else ``regex`` with ``prefix`` and ``suffix``: what group 1 of it
has caught (without a group the whole value), between the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from callflow.documents.patterns import Pattern, compile_pattern

MAX_VALUE = 256
"""Longer values fit no regular expression."""
MOST_RULES = 32
"""Of a field; later ones are passed over."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``value`` None and ``regex`` empty: not given."""

    strip: bool = False
    value: str | None = None
    regex: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Formatters:
    """The rules for calls out, by field (in lower case, ``_`` for ``-``)."""

    rules: tuple[tuple[str, tuple[Rule, ...]], ...] = ()

    def of(self, *fields: str) -> tuple[Rule, ...]:
        """The rules of these fields, one field after the other."""
        known = dict(self.rules)
        return tuple(rule for field in fields for rule in known.get(_field(field), ()))

    def apply(self, text: str, *fields: str) -> str | None:
        """What becomes of ``text``, the value of a field that goes by any of these names; None: it goes."""
        for rule in self.of(*fields):
            if rule.strip:
                return None
            if rule.value is not None:
                return rule.value
            pattern = _compiled(rule.regex) if rule.regex and len(text) <= MAX_VALUE else None
            found = pattern.finds(text) if pattern is not None else None
            if pattern is not None and found is not None:
                caught = (found.group(1) or "") if pattern.groups else text
                return f"{rule.prefix}{caught}{rule.suffix}"
        return text


UNCHANGED = Formatters()
"""No rules."""


def read_formatters(document: Mapping[str, Any]) -> Formatters:
    """Those of a resource's document; what is no rule, or one for calls that come in, is passed over."""
    said = document.get("formatters")
    found: list[tuple[str, tuple[Rule, ...]]] = []
    for name, rows in said.items() if isinstance(said, Mapping) else ():
        listed = rows if isinstance(rows, list) else [rows]
        rules = tuple(_rule(row) for row in listed[:MOST_RULES] if isinstance(row, Mapping) and _is_out(row))
        if rules:
            found.append((_field(str(name)), rules))
    return Formatters(tuple(found))


def _rule(row: Mapping[str, Any]) -> Rule:
    texts = {key: row[key] for key in ("regex", "prefix", "suffix") if isinstance(row.get(key), str)}
    value = row.get("value")
    return Rule(
        strip=row.get("strip") is True,
        value=value if isinstance(value, str) else None,
        regex=texts.get("regex", ""),
        prefix=texts.get("prefix", ""),
        suffix=texts.get("suffix", ""),
    )


def _is_out(row: Mapping[str, Any]) -> bool:
    return row.get("direction", "both") in ("both", "outbound")


def _field(name: str) -> str:
    return name.lower().replace("-", "_")


@lru_cache(maxsize=1024)
def _compiled(regex: str) -> Pattern | None:
    try:
        return compile_pattern(regex)
    except re.error:
        return None
