"""Layer 3: mail about a call: to whom, by the account's documents, and how it went, as an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING, Any

from callflow.delivery import mail
from callflow.documents.settings import SmtpClientSettings
from callflow.engine.flow import Node
from callflow.errors import MailError
from callflow.events import MailAboutCall

if TYPE_CHECKING:
    from callflow.engine.call import Call

PAUSE_S = 10.0
"""Before the second try; doubled before each later one."""


class Mailing:
    """Sends mails about one call, if ``smtp_client.relay`` names a server."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def addresses(self, recipients: object) -> list[str]:
        """The mail addresses behind ``recipients`` (``[{type: email | user, id: one or a list}]``); one that
        cannot be found is a warning notice.
        """
        said: list[object] = []
        for kind, id in _named(recipients):
            if kind == "email":
                said.append(id)
                continue
            user = self._call.account.get("user", id) or {}
            if user.get("email"):
                said.append(user["email"])
            else:
                self._warn(f"no mail goes to user {id!r}: there is no such user, or it has no email")
        found = mail.sound_addresses(said)
        for text in said:
            if not mail.sound_addresses([text]):
                self._warn(f"no mail goes to {str(text)[:80]!r}: that is no mail address")
        return found

    async def send(
        self, node: Node, recipients: Iterable[str], subject: str, body: str, facts: Mapping[str, Any]
    ) -> str:
        """Send it, and try again while that can help; tell how it went by an event. Gives ``sent``,
        ``failed`` or ``off`` (no server is set, or nobody is left to send it to).
        """
        call = self._call
        settings, to = call.settings.smtp_client, list(recipients)
        state, why = "off", ""
        if not settings.relay:
            why = "no mail server is set: smtp_client.relay is empty"
            hint = "Write system_config/smtp_client.json: relay, port, sender ..."
            call.notice("warning", "CF-RUN-MAIL", f"{node.module}: no mail is sent: {why}", hint, node=node)
        elif not to:
            why = "nobody is left to send it to"
            call.notice("warning", "CF-RUN-MAIL", f"{node.module}: no mail is sent: {why}", node=node)
        else:
            state, why = await self._try(node, to, subject, body)
        call.services.bus.publish(
            MailAboutCall(
                time=call.services.clock.now(),
                call_id=call.id,
                module=node.module,
                state=state,
                recipients=tuple(to),
                subject=subject,
                facts=dict(facts),
                message=why,
            )
        )
        return state

    async def _try(self, node: Node, to: list[str], subject: str, body: str) -> tuple[str, str]:
        call, settings = self._call, self._call.settings.smtp_client
        message = mail.compose(settings.sender, to, subject, body, call.services.clock.wall())
        for attempt in range(1 + settings.retries):
            if attempt:
                await call.services.clock.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                refused = await self._hand_over(settings, message)
            except MailError as error:
                why, hint = str(error), error.hint
                if not error.passing:
                    break
                continue
            if refused:
                said = f"{node.module}: the mail server refused {', '.join(refused)}"
                call.notice("warning", "CF-RUN-MAIL", said, node=node)
            return "sent", ""
        call.notice("error", MailError.code, f"{node.module}: {why}", hint, node=node)
        return "failed", why

    async def _hand_over(self, settings: SmtpClientSettings, message: EmailMessage) -> tuple[str, ...]:
        services = self._call.services
        if services.mails.full:
            error = MailError("too many mails wait to be sent", hint="Does the mail server answer in time?")
            error.passing = True
            raise error
        with services.clock.external():
            return await services.mails.run(partial(mail.send, settings, message))

    def _warn(self, said: str) -> None:
        module = self._call.node.module
        hint = "Give an address, or the user's document an email."
        self._call.notice("warning", "CF-RUN-MAIL", f"{module}: {said}", hint)


def _named(recipients: object) -> Iterable[tuple[str, str]]:
    """Kind and id of each recipient; Kazoo lets ``id`` be a list."""
    for recipient in recipients if isinstance(recipients, list) else ():
        if not isinstance(recipient, Mapping):
            continue
        ids = recipient.get("id")
        for id in ids if isinstance(ids, list) else [ids]:
            if isinstance(id, str) and id:
                yield str(recipient.get("type") or "email"), id
