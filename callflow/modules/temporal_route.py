"""Layer 4, module ``temporal_route``: the first time rule that holds names the child; or rules are switched
by phone. Which days and hours a rule means: ``callflow/documents/temporal.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from callflow.documents.temporal import holds, local_time, read_rule, zone
from callflow.engine.call import Call
from callflow.engine.flow import DEFAULT_KEY
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.errors import MissingDocument
from callflow.modules._feature import ask

RULE_SET = "rule_set"
"""The child of the rules of ``data.rule_set``."""

UTC = ZoneInfo("UTC")

SWITCHES: Mapping[str, tuple[bool | None, str]] = {
    "enable": (True, "temporal-marked_enabled"),
    "disable": (False, "temporal-marked_disabled"),
    "reset": (None, "temporal-marker_reset"),
}
"""``action`` → ``enabled`` of the rules (None: by the clock), and what is said."""

KEYS = {"1": "enable", "2": "disable", "3": "reset"}
"""The menu's keys."""

TRIES = 3
MOST_RULES = 1000


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Branch by the time, or (``action``) switch the rules by hand and stop."""
    action = str(data.get("action") or "")
    if action == "menu":
        return await _menu(data, call)
    if action in SWITCHES:
        return await _switch(action, data, call)
    return _branch(data, call)


def _branch(data: Mapping[str, Any], call: Call) -> Outcome:
    """Forced-on rules hold, forced-off ones do not, the others as their days and hours say; in order."""
    where = _zone(data, call)
    now = local_time(call.services.clock.wall(), where)
    for rule_id, key in _rules(data, call):
        document = call.account.get("temporal_rule", rule_id)
        if document is None:
            _tell_missing(rule_id, call)
            continue
        rule = read_rule(document, where, now)
        if rule.start_s > rule.stop_s and rule.enabled is None:
            call.notice(
                "warning",
                "CF-RUN-TIME-WINDOW",
                f"time rule {rule_id} ends before it begins ({rule.start_s} to {rule.stop_s})",
                "Write two rules: one up to 86400, one from 0 on.",
            )
        if holds(rule, now):
            return Continue(key=key, did=f"rule {rule_id} holds at {now:%Y-%m-%d %H:%M:%S} {where.key}")
    return Continue(did=f"no rule holds at {now:%Y-%m-%d %H:%M:%S} {where.key}")


def _zone(data: Mapping[str, Any], call: Call) -> ZoneInfo:
    """The node's time zone, else the account's, else UTC."""
    for name in (data.get("timezone"), call.account.document.get("timezone")):
        if not name:
            continue
        found = zone(name)
        if found is not None:
            return found
        call.notice(
            "error",
            "CF-RUN-TIMEZONE",
            f"there is no time zone {str(name)[:64]!r}",
            "Write an IANA name, such as Europe/Berlin.",
        )
    return UTC


def _rules(data: Mapping[str, Any], call: Call) -> Iterator[tuple[str, str]]:
    """Rule ids with the child that each leads to, in order: ``rules``, the children's keys, the rule set. An
    id of a rule set among the first two stands for its rules.
    """
    children = [key for key in call.node.children if key not in (DEFAULT_KEY, RULE_SET)]
    named = [id for id in data["rules"] if isinstance(id, str)]
    given = 0
    for id in [*named, *(key for key in children if key not in named)]:
        for rule_id in _set(id, call) or [id]:
            given += 1
            if given <= MOST_RULES:
                yield rule_id, id
    rule_set = str(data.get("rule_set") or "")
    if rule_set:
        rules = _set(rule_set, call)
        if rules is None:
            _tell_missing(rule_set, call)
        for rule_id in (rules or [])[:MOST_RULES]:
            yield rule_id, RULE_SET


def _set(id: str, call: Call) -> list[str] | None:
    """The rules of a rule set; None: there is none of that id."""
    document = call.account.get("temporal_rule_set", id)
    if document is None:
        return None
    rules = document.get("temporal_rules")
    return [rule for rule in rules if isinstance(rule, str)] if isinstance(rules, list) else []


def _tell_missing(rule_id: str, call: Call) -> None:
    call.notice(
        "warning",
        MissingDocument.code,
        f"temporal_route: there is no time rule {rule_id!r}",
        "The id is a file's name in the account's temporal_rules folder, without .json.",
    )


# ---- by phone -----------------------------------------------------------------------------------


async def _switch(action: str, data: Mapping[str, Any], call: Call) -> Outcome:
    """Force ``rules`` on or off, or let them follow the clock again."""
    await call.answer()
    enabled, prompt = SWITCHES[action]
    done: list[str] = []
    for rule_id in [id for id in data["rules"] if isinstance(id, str)][:MOST_RULES]:
        try:
            await call.change("temporal_rule", rule_id, {"enabled": enabled})
            done.append(rule_id)
        except MissingDocument:
            _tell_missing(rule_id, call)
    await call.prompt(prompt)
    return Stop(did=f"{action}: {', '.join(done) or 'no rule'}")


async def _menu(data: Mapping[str, Any], call: Call) -> Outcome:
    await call.answer()
    for _ in range(TRIES):
        chosen = await ask(call, "temporal-menu", data, max_digits=1)
        if chosen.digits in KEYS:
            return await _switch(KEYS[chosen.digits], data, call)
        if not chosen.digits:
            break
    return Stop(did="nothing was chosen")
