"""Layer 3: starts the recordings that ``call_recording`` of account, user and device asks for.

Which ones is decided by ``callflow/documents/recording_rules.py``; here is when: those of the account and of
the one who calls before the first node of the flow, on the A-leg; those of the one who is called with its
answer, on the B-leg, under that leg's call id (kazoo.md 1.14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflow.channels.channel import DialTarget
from callflow.documents.accounts import Account
from callflow.documents.placeholders import fill
from callflow.documents.record_settings import resolve_record
from callflow.documents.recording_rules import (
    Network,
    Rule,
    account_rules,
    caller_rule,
    destination_network,
    destination_rule,
    source_network,
    started,
)
from callflow.engine.flow import Flow
from callflow.engine.line import Leg
from callflow.engine.recording_facts import Subject
from callflow.engine.recordings import By

if TYPE_CHECKING:
    from callflow.engine.call import Call


class RuleRecordings:
    """What settings start on one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._feature_code = False

    @property
    def source(self) -> Network:
        """Where the call comes from."""
        party = self._call.party
        return source_network(user_id=party.user_id, device_id=party.device_id)

    async def begin(self, flow: Flow) -> None:
        """Before the first node. Raises ``CallGone``."""
        call = self._call
        self._feature_code = bool(flow.document.get("featurecode"))
        tree = flow.document.get("flow", {}) if flow.document else {"module": flow.root.module}
        destination = destination_network(tree, no_match=call.no_match)
        rule = started(account_rules(call.account, self.source, destination))
        if rule is not None:
            await self._start(rule)
        if self.source is Network.ONNET:
            party = call.party
            own = caller_rule(
                call.account, user_id=party.user_id, device_id=party.device_id, destination=destination
            )
            if own.enabled:
                await self._start(own)

    async def meet(self, leg: Leg) -> None:
        """``leg`` has answered and is about to talk with the line. Raises ``CallGone``."""
        if leg.target is None:
            return
        user_id, device_id = endpoint_of(self._call.account, leg.target)
        if not user_id and not device_id:
            return
        rule = destination_rule(self._call.account, user_id=user_id, device_id=device_id, source=self.source)
        if rule.enabled:
            subject = Subject(
                leg.name, leg.channel.call_id, leg.channel.party, rule.user_id, rule.device_id or rule.user_id
            )
            await self._start(rule, subject)

    async def _start(self, rule: Rule, subject: Subject | None = None) -> None:
        call = self._call
        if self._feature_code and not rule.feature_calls:
            return
        data = fill(rule.data(), call.placeholders()).value
        settings = resolve_record(data, call.settings)
        for note in settings.notes:
            call.notice(note.level, note.code, f"{rule.decided_by}: {note.message}", note.hint)
        await call.announcing.before_recording(settings, subject.leg if subject else "")
        await call.recordings.start(
            settings,
            origin=rule.origin,
            taps=None,
            target=None,
            dtmf_stop="",
            document={"setting": rule.decided_by},
            by=By.RULE,
            subject=subject,
        )


def endpoint_of(account: Account, target: DialTarget) -> tuple[str, str]:
    """The user and the device that ``target`` rings; for a number that a phone forwards to, those of that
    phone (whose document comes with the target).
    """
    document = target.document
    if target.endpoint == "device":
        return str(document.get("owner_id") or ""), target.id
    if target.endpoint == "user":
        return target.id, ""
    if not document:
        return "", ""
    for device_id, device in account.all("device").items():
        if device is document or device == document:
            return str(document.get("owner_id") or ""), device_id
    return next((id for id, user in account.all("user").items() if user == document), ""), ""
