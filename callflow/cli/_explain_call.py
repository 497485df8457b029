"""Layer 6, ``callflow explain --from-device ... --to ...``: which settings record a call, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callflow.documents.accounts import Account
    from callflow.documents.recording_rules import Network, Rule
    from callflow.documents.settings import Settings


@dataclass(frozen=True, slots=True)
class CallAsked:
    """The call that is asked about; who calls (nothing: somebody from outside) and who is called."""

    from_user: str = ""
    from_device: str = ""
    to: str = ""
    to_user: str = ""
    to_device: str = ""

    @property
    def asked(self) -> bool:
        """Whether there is one at all."""
        return any((self.from_user, self.from_device, self.to, self.to_user, self.to_device))


@dataclass(frozen=True, slots=True)
class Side:
    """What one setting does. ``starts``: whether it starts a recording, ``why`` says what decides that;
    ``leg``: the one that would be recorded; ``of``: whose setting it is.
    """

    origin: str
    of: str
    leg: str
    starts: bool
    why: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Between:
    """Where a call comes from and where it goes; ``how`` says how the latter is known."""

    source: Network
    destination: Network
    how: str


def networks(asked: CallAsked, account: Account) -> Between:
    """As the engine tells them. Raises NoFlow for a number that no callflow of the account takes."""
    from callflow.documents.recording_rules import Network, destination_network, source_network

    source = source_network(user_id=asked.from_user, device_id=asked.from_device)
    if not asked.to:
        return Between(source, Network.ONNET, "a phone of the account is called")
    match = _match(asked.to, account)
    found = destination_network(match.document.get("flow"), no_match=match.no_match)
    how = f"callflow {match.flow_id}" + (", found by no_match" if match.no_match else "")
    return Between(source, found, how)


def sides(asked: CallAsked, account: Account, between: Between) -> list[Side]:
    """Every setting that has a say in the call, in the order in which they are asked. Raises NoFlow, and
    MissingDocument for somebody who is not there.
    """
    from callflow.documents.recording_rules import account_rules, caller_rule, started

    feature = bool(_match(asked.to, account).document.get("featurecode")) if asked.to else False
    rules = account_rules(account, between.source, between.destination)
    first = started(rules)
    found = [_side(rule, "the account", "A-leg", feature, beaten=rule is not first) for rule in rules]
    if asked.from_user or asked.from_device:
        _known(account, asked.from_user, asked.from_device)
        rule = caller_rule(
            account, user_id=asked.from_user, device_id=asked.from_device, destination=between.destination
        )
        found.append(_side(rule, _whose(rule), "A-leg", feature))
    answering = _destinations(asked, account, between.source)
    found += [_side(rule, _whose(rule), "B-leg, from its answer", feature) for rule in answering]
    return found


def _side(rule: Rule, of: str, leg: str, feature: bool, *, beaten: bool = False) -> Side:
    why = rule.decided_by or "no document says anything"
    starts = rule.enabled
    if starts and beaten:
        starts, why = False, f"{why}; but the one before has started"
    if starts and feature and not rule.feature_calls:
        starts, why = False, "should_record_feature_calls is false"
    return Side(rule.origin, of, leg, starts, why, rule)


def _destinations(asked: CallAsked, account: Account, source: Network) -> Iterator[Rule]:
    """The setting of each phone that may answer."""
    from callflow.documents.check_flow import nodes_of
    from callflow.documents.recording_rules import destination_rule

    users, devices = [asked.to_user], [asked.to_device]
    if asked.to:
        rung = list(nodes_of(_match(asked.to, account).document.get("flow")))
        users += [str(data.get("id") or "") for _, module, data in rung if module == "user"]
        devices += [str(data.get("id") or "") for _, module, data in rung if module == "device"]
    else:
        _known(account, asked.to_user, asked.to_device)
    for user in dict.fromkeys(filter(None, users)):
        devices += [id for id, document in account.all("device").items() if document.get("owner_id") == user]
    for device in dict.fromkeys(filter(None, devices)):
        yield destination_rule(account, user_id="", device_id=device, source=source)


def _known(account: Account, user: str, device: str) -> None:
    from callflow.errors import MissingDocument

    for kind, id in (("user", user), ("device", device)):
        if id and account.get(kind, id) is None:
            known = ", ".join(sorted(account.all(kind))) or "none"
            raise MissingDocument(f"no {kind} {id!r} in account {account.id!r}", hint=f"there are: {known}")


def _whose(rule: Rule) -> str:
    return f"device {rule.device_id}" if rule.device_id else f"user {rule.user_id}"


def _match(number: str, account: Account) -> Any:
    from callflow.engine.routing import find_flow
    from callflow.errors import NoFlow

    match = find_flow(number, account.all("callflow"))
    if match is None:
        raise NoFlow(
            f"no callflow of account {account.id!r} has the number {number!r}",
            hint="say whom it reaches: --to-user or --to-device",
        )
    return match


def load_account(folder: Path | None) -> Account:
    """The account that is asked about. Raises MissingDocument."""
    from callflow.documents.accounts import Account
    from callflow.errors import MissingDocument

    if folder is None:
        raise MissingDocument("whose settings are asked for?", hint="name the account: --account DIR")
    return Account.load(folder)


def rows_of(side: Side, settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    """Name, value, source and file of each value of the recording that ``side`` starts."""
    from callflow.documents.record_settings import resolve_record
    from callflow.log import mask_url

    record = resolve_record(side.rule.data(), settings)
    for key in (
        "format",
        "record_min_sec",
        "record_on_answer",
        "record_on_bridge",
        "record_sample_rate",
        "should_announce_when_recording",
        "time_limit",
        "url",
    ):
        said, value = side.rule.said.get(key), getattr(record, key)
        origin = record.origins[key]
        if key == "record_sample_rate":
            value = value or "the call's own"
        if key == "url" and value:
            value = mask_url(value)
        if said and origin.source == "node":  # the rule's own value, not one that took its place
            yield key, value, f"{said.document} {said.pointer}", ""
        else:
            yield key, value, origin.source, origin.file
    yield "method", "put", "always", ""
    yield "should_follow_transfer", False, "always", ""
