"""Layer 1: how an account keeps recordings: for how long, in how much room, sealed to whom.

From ``recordings`` of ``account.json``, over ``media`` of system_config. They are put beside the outbox
(``state/account_documents.py``) as ``plain`` gives them, so that every process of a state folder has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyrage

from callflow.documents.accounts import Account
from callflow.documents.judging import fault
from callflow.documents.schemas import load
from callflow.documents.settings import MediaSettings, Settings, for_account
from callflow.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingRules:
    """``retention_days`` 0: for ever. ``quota_mb`` 0: any number. ``sealed``: files are sealed to
    ``recipients``, as they are written: one that is no key keeps the recording from being finished, not from
    being sealed.
    """

    retention_days: float = 0.0
    erase_undelivered: bool = False
    quota_mb: int = 0
    quota_policy: str = "refuse"
    sealed: bool = False
    recipients: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "recipients": list(self.recipients)}


def account_rules(account: Account, system: Settings) -> KeepingRules:
    """Of an account: ``recordings`` of its document over its settings. A value that is wrong counts as not
    written; a key that is wrong is kept (see ``KeepingRules``). ``check`` tells of both.
    """
    document = account.document
    try:
        media = for_account(system, document).media
    except SettingsError:
        media = system.media
    written = document.get("recordings")
    written = written if isinstance(written, Mapping) else {}
    parts = load("account")["properties"]["recordings"]["properties"]

    def value(name: str, default: Any) -> Any:
        found = written.get(name)
        return default if found is None or fault(found, parts[name]) else found

    recipients = recipients_of(document)
    return KeepingRules(
        retention_days=float(value("retention_days", media.retention_days)),
        erase_undelivered=value("erase_undelivered", parts["erase_undelivered"]["default"]),
        quota_mb=value("quota_mb", parts["quota_mb"]["default"]),
        quota_policy=value("quota_policy", parts["quota_policy"]["default"]),
        sealed=recipients is not None,
        recipients=recipients or (),
    )


def lifetimes(account: Account) -> dict[str, float]:
    """Days that recordings of the account's applications are kept, by the application's id."""
    default = load("application")["properties"]["recording_ttl_days"]["default"]
    return {
        id: float(each.get("recording_ttl_days", default)) for id, each in account.all("application").items()
    }


def recipients_of(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Whom an account's recordings are sealed to; None: they are not sealed."""
    written = document.get("recordings")
    sealing = written.get("encryption") if isinstance(written, Mapping) else None
    if sealing is None:
        return None
    return _texts(sealing.get("recipients")) if isinstance(sealing, Mapping) else ()


def folder_rules(media: MediaSettings) -> KeepingRules:
    """Of a state folder as a whole."""
    return KeepingRules(quota_mb=media.quota_mb, quota_policy=media.quota_policy)


def rules_of(plain: Mapping[str, Any]) -> KeepingRules:
    """Rules that were put away by ``plain``; what is missing is as if nobody had said it."""
    known = {name: plain[name] for name in KeepingRules.__dataclass_fields__ if name in plain}
    return KeepingRules(**{**known, "recipients": _texts(plain.get("recipients"))})


def recipient_fault(text: str) -> str:
    """Why this is no public key that can be sealed to; empty: it is one."""
    if text.strip().upper().startswith("AGE-SECRET-KEY-"):
        return "is a secret key: whoever reads this document could open every recording"
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return "is not an age public key (age1 and 58 characters)"
    return ""


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple(str(item) for item in value)
