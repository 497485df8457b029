"""Layer 4: an account's applications: which numbers are theirs, and which web server is asked and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callflow.documents.accounts import FOLDERS, Account
from callflow.engine.flow import Flow

if TYPE_CHECKING:
    from callflow.engine.call import Call

KIND = "application"
"""Of the account's documents."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A url and how it is asked: ``method`` is ``GET`` or ``POST``."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, and to answer, for each kind of webhook (ncco.md 3.7)."""

    connect_s: float = 1.0
    answer_s: float = 5.0
    event_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Application:
    """An application document. ``answer``, ``fallback``, ``event`` None: there is none. ``private_key`` and
    ``public_key``: PEM files beside the document; None: none. ``recording_ttl_days``: how long recordings
    are kept. ``signature_secret`` empty: webhooks are not signed.
    """

    id: str
    name: str = ""
    numbers: tuple[str, ...] = ()
    answer: Webhook | None = None
    fallback: Webhook | None = None
    event: Webhook | None = None
    signature_secret: str = field(default="", repr=False)
    api_key: str = ""
    private_key: Path | None = None
    public_key: Path | None = None
    timeouts: Timeouts = Timeouts()
    recording_ttl_days: float = 30.0
    conversations_ttl_hours: float = 0.0

    @classmethod
    def nameless(cls, *, event_url: str = "") -> Application:
        """What a single NCCO file runs in: no documents, perhaps an event url."""
        return cls(id="", event=Webhook(event_url) if event_url else None)

    @classmethod
    def parse(cls, id: str, document: Mapping[str, Any], folder: Path | None = None) -> Application:
        """Read a document that has its schema's defaults; ``folder``: where it and its keys are."""
        return cls(
            id=id,
            name=str(document.get("name") or ""),
            numbers=tuple(str(each) for each in document.get("numbers") or ()),
            answer=_webhook(document, "answer", "GET"),
            fallback=_webhook(document, "fallback_answer", "GET"),
            event=_webhook(document, "event", "POST"),
            signature_secret=str(document.get("signature_secret") or ""),
            api_key=str(document.get("api_key") or ""),
            private_key=_beside(folder, document.get("private_key")),
            public_key=_beside(folder, document.get("public_key")),
            timeouts=Timeouts(
                float(document.get("connect_timeout_ms", 1000)) / 1000,
                float(document.get("answer_timeout_ms", 5000)) / 1000,
                float(document.get("event_timeout_ms", 10000)) / 1000,
            ),
            recording_ttl_days=float(document.get("recording_ttl_days", 30)),
            conversations_ttl_hours=float(document.get("conversations_ttl", 0)),
        )


def applications_of(account: Account) -> dict[str, Application]:
    """The account's applications by id."""
    folder = None if account.folder is None else account.folder / FOLDERS.get(KIND, "applications")
    return {id: Application.parse(id, found, folder) for id, found in account.all(KIND).items()}


def application_for(account: Account, number: str) -> Application | None:
    """The application that has the number (a leading + does not count), the lowest id first; None: none."""
    bare = number.lstrip("+")
    for _, found in sorted(applications_of(account).items()):
        if bare and bare in (each.lstrip("+") for each in found.numbers):
            return found
    return None


def destination(call: Call, *, allow_no_match: bool) -> Flow | Application | None:
    """Whose the number is that the call is for: a callflow's, an application's, that of the catch-all flow
    (``allow_no_match``); None: nobody's.
    """
    number = call.party.to_number
    flow = call.route(number)
    if flow is not None:
        return flow
    return application_for(call.account, number) or (
        call.route(number, allow_no_match=True) if allow_no_match else None
    )


def _webhook(document: Mapping[str, Any], name: str, method: str) -> Webhook | None:
    url = document.get(f"{name}_url")
    said = document.get(f"{name}_method")
    return Webhook(url, str(said or method).upper()) if isinstance(url, str) and url else None


def _beside(folder: Path | None, name: object) -> Path | None:
    """A file in ``folder``, never outside it."""
    if folder is None or not isinstance(name, str) or not name or Path(name).name != name:
        return None
    return folder / name
