"""Layer 3: from a dialled number to a flow (kazoo.md 2.5). ``find_flow`` is pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.documents.patterns import compile_pattern
from callflow.engine.flow import Flow
from callflow.engine.line import Notice
from callflow.engine.services import Services

NO_MATCH = "no_match"
MOST_SLOW = 3
"""Patterns that may take too long for one number; those behind them are not tried for it: all calls wait."""


@dataclass(frozen=True, slots=True)
class Match:
    """The flow for a number. ``capture_group``: the text that a pattern caught; ``capture_groups``: its
    named groups that caught something. ``no_match``: the catch-all flow was taken. ``remarks``: what an
    author should know (a number in two flows, a pattern that is no regular expression).
    """

    flow_id: str
    document: Mapping[str, Any]
    capture_group: str = ""
    capture_groups: Mapping[str, str] = field(default_factory=dict)
    no_match: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Best:
    """The pattern that caught the longest text so far."""

    length: int
    match: Match


def find_flow(
    number: str, callflows: Mapping[str, Mapping[str, Any]], *, allow_no_match: bool = True
) -> Match | None:
    """The callflow (of ``callflows``, by id) that a number leads to; None if none does.

    First ``numbers``, exactly; then ``patterns``, each searched anywhere in the number, the longest captured
    text wins; then the flow with the number ``no_match``, if all of the number is digits.
    """
    if not number:
        return None
    remarks: list[str] = []
    found = _exact(number, callflows, remarks) or _by_pattern(number, callflows, remarks)
    if found is None and allow_no_match and _all_digits(number):
        caught = _exact(NO_MATCH, callflows, remarks)
        found = caught and Match(caught.flow_id, caught.document, no_match=True)
    if found is None:
        return None
    return Match(
        found.flow_id,
        found.document,
        found.capture_group,
        found.capture_groups,
        found.no_match,
        tuple(remarks),
    )


def _exact(number: str, callflows: Mapping[str, Mapping[str, Any]], remarks: list[str]) -> Match | None:
    """The flow that lists the number; of several the one with the lowest id, as a CouchDB view sorts."""
    ids = [flow_id for flow_id in sorted(callflows) if number in _strings(callflows[flow_id], "numbers")]
    if not ids:
        return None
    if len(ids) > 1:
        remarks.append(f"number {number!r} is in several callflows ({', '.join(ids)}): the first is taken")
    return Match(ids[0], callflows[ids[0]])


def _by_pattern(number: str, callflows: Mapping[str, Mapping[str, Any]], remarks: list[str]) -> Match | None:
    best: _Best | None = None
    slow = 0
    for pattern, flow_id in _patterns(callflows):
        tried = False
        try:
            compiled = compile_pattern(pattern)
            tried = not compiled.given_up
            found = compiled.search(number)
        except re.error as error:
            slow += tried
            if slow >= MOST_SLOW:
                remarks.append(f"{slow} patterns were too slow for {number!r}: the rest are not tried")
                break
            remarks.append(f"pattern {pattern!r} of callflow {flow_id} is no regular expression: {error}")
            continue
        if found is None:
            continue
        groups = [text for text in found.groups() if text is not None]
        caught = max(groups, key=len, default="") if compiled.groups else found[0]
        if best is None or len(caught) > best.length:
            named = {name: text for name, text in found.groupdict().items() if text}
            best = _Best(len(caught), Match(flow_id, callflows[flow_id], caught, named))
    return None if best is None else best.match


def _patterns(callflows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Every pattern with its flow's id, in the reverse of the order in which a CouchDB view has them."""
    listed = [
        (pattern, flow_id)
        for flow_id, document in callflows.items()
        for pattern in _strings(document, "patterns")
    ]
    yield from sorted(listed, reverse=True)


def _strings(document: Mapping[str, Any], key: str) -> list[str]:
    value = document.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _all_digits(number: str) -> bool:
    bare = number.lstrip("+")
    return bare.isascii() and bare.isdigit()


class Router:
    """The flows that a call can reach."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_id(self, flow_id: str) -> Flow | None:
        """The callflow with that id. Raises ``FlowTooDeep``."""
        document = self._services.callflows().get(flow_id)
        return None if document is None else Flow.parse(document, flow_id=flow_id)

    def by_number(self, number: str, *, allow_no_match: bool, notice: Notice) -> Match | None:
        """``find_flow`` over all callflows; its remarks become warning notices."""
        found = find_flow(number, self._services.callflows(), allow_no_match=allow_no_match)
        for remark in found.remarks if found else ():
            notice("warning", "CF-RUN-ROUTE", remark)
        return found
