"""Layer 3: what called parties are told about the caller: number, name, privacy, how to ring.

One place for what modules make of it (kazoo.md 3: ``set_cid``, ``prepend_cid``, ``check_cid``,
``lookupcidname``, ``dynamic_cid``, ``privacy``, ``set_alert_info``). The order is that of Kazoo's
``kz_attributes``: the caller's number and name, or the chosen or documents' ones; prefixes before them;
``set_cid`` over all; privacy last.
"""

from __future__ import annotations

from dataclasses import replace

from callflow.channels.channel import DialTarget, Party
from callflow.documents.accounts import Account
from callflow.documents.caller_id import MAX_NAME, MAX_NUMBER, caller_id, clean_name, clean_number
from callflow.engine.dialling.intercom import Intercom, auto_answer_headers

HIDDEN = "anonymous"
"""Number and user part that stand for a caller who is not to be shown (RFC 3323, 4.1.1.3)."""

HIDDEN_NAME = "Anonymous"


class Identity:
    """Who is shown as the caller. ``number`` and ``name`` are the call's own (they go into recording
    documents and webhooks, as in Kazoo); ``original`` is the party as it came in, never changed.
    """

    def __init__(self, account: Account, party: Party) -> None:
        self.original = party
        self.number = party.from_number
        self.name = party.from_name
        self.alert_info = ""
        self.intercom: Intercom | None = None
        self.hides_number = False
        self.hides_name = False
        self._account = account
        self._chosen: tuple[str, str] = ("", "")
        self._number_prefix = ""
        self._name_prefix = ""
        self._set_number = ""
        self._set_name = ""

    # ---- what modules make of it -------------------------------------------------------------

    def become(self, number: str = "", name: str = "") -> None:
        """The call's own number and name from now on (``check_cid``, ``lookupcidname``); "" leaves one as it
        is.
        """
        self.number = clean_number(number) or self.number
        self.name = clean_name(name) or self.name

    def choose(self, number: str, name: str = "") -> None:
        """What is shown instead of the documents' caller id and the caller's own (``dynamic_cid``); "" for
        both takes that back.
        """
        self._chosen = (clean_number(number), clean_name(name))

    def prepend(self, number: str = "", name: str = "", *, to_original: bool = False) -> None:
        """Put prefixes before what is shown: before those that are there, or (``to_original``) in their
        place.
        """
        self._number_prefix = (number + ("" if to_original else self._number_prefix))[:MAX_NUMBER]
        self._name_prefix = (name + ("" if to_original else self._name_prefix))[:MAX_NAME]

    def without_prefixes(self) -> None:
        """Take the prefixes back."""
        self._number_prefix = self._name_prefix = ""

    def set(self, number: str = "", name: str = "") -> None:
        """Show exactly this (``set_cid``); "" shows what would be shown without it."""
        self._set_number, self._set_name = clean_number(number), clean_name(name)

    def hide(self, *, number: bool = True, name: bool = True) -> None:
        """Show nobody the number, the name, or both (``privacy``); False for both shows them again."""
        self.hides_number, self.hides_name = number, name

    # ---- what is shown -----------------------------------------------------------------------

    def shown(self, kind: str = "") -> Party:
        """The caller as a called party sees it. ``kind``: a key of the documents' ``caller_id``
        (``external``, ``emergency``); "": what the call came in with. An emergency call hides nothing.
        """
        party = self.original
        number, name = self._chosen
        if not number and kind:
            number, said = caller_id(self._account, party.device_id, party.user_id, kind)
            name = name or said
        number = self._set_number or clean_number(self._number_prefix + (number or self.number))
        name = self._set_name or clean_name(self._name_prefix + (name or self.name))
        if self.hides_number and kind != "emergency":
            number = HIDDEN
        if self.hides_name and kind != "emergency":
            name = HIDDEN_NAME
        return replace(party, from_number=number, from_name=name)

    def present(self, target: DialTarget) -> DialTarget:
        """``target`` told who calls; what it says of that itself (``caller``, ``headers``) stays. Headers of
        ours: ``Privacy`` where the number is hidden (RFC 3323, RFC 3325 9.3), ``Alert-Info`` (RFC 3261 20.4).
        """
        caller = target.caller or self.shown()
        headers: dict[str, str] = {}
        if caller.from_number == HIDDEN:
            headers["Privacy"] = "id"
        if self.alert_info:
            headers["Alert-Info"] = self.alert_info
        if self.intercom is not None and target.endpoint != "number":
            headers = {**headers, **auto_answer_headers(caller.from_realm)}
        return replace(target, caller=caller, headers={**headers, **target.headers})
