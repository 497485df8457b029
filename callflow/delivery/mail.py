"""Layer 2: mail, by one SMTP server (``system_config/smtp_client.json``). It blocks: give it a thread."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr

from callflow.documents.settings import SmtpClientSettings
from callflow.errors import MailError
from callflow.log import one_line

MAX_RECIPIENTS = 50
"""Further ones are left out: a mail about a call is no mailing list."""

MAX_BODY = 100_000

_NOT_NOW = range(400, 500)
"""Replies after which trying again can help (RFC 5321, 4.2.1)."""


def sound_addresses(said: Sequence[object]) -> list[str]:
    """Those of ``said`` that are mail addresses, each once, at most ``MAX_RECIPIENTS``."""
    found: dict[str, None] = {}
    for text in said:
        address = parseaddr(str(text))[1] if isinstance(text, str) and text.isprintable() else ""
        local, _, domain = address.rpartition("@")
        if local and domain and address.isascii() and " " not in address:
            found[address] = None
    return list(found)[:MAX_RECIPIENTS]


def compose(sender: str, recipients: Sequence[str], subject: str, body: str, wall: float) -> EmailMessage:
    """A plain mail. ``wall``: the moment it is dated, Unix seconds."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(addr_spec=parseaddr(sender)[1], display_name=parseaddr(sender)[0])
    message["To"] = ", ".join(recipients)
    message["Subject"] = one_line(subject, 200)
    message["Date"] = format_datetime(datetime.fromtimestamp(wall, UTC))
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(body[:MAX_BODY])
    return message


def send(settings: SmtpClientSettings, message: EmailMessage) -> tuple[str, ...]:
    """Hand ``message`` to the server; gives the recipients that it refused (others got it).

    Raises MailError.
    """
    try:
        with _connected(settings) as smtp:
            _secure(smtp, settings)
            _log_in(smtp, settings)
            return tuple(smtp.send_message(message))
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()), (550, b""))
        raise _refused(settings, code, text) from error
    except smtplib.SMTPResponseException as error:
        raise _refused(settings, error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"the mail server {settings.relay}:{settings.port} could not be used: {one_line(error, 200)}",
            hint="Is it up, and are smtp_client.relay, port, tls and use_ssl right?",
        ) from error


def _connected(settings: SmtpClientSettings) -> smtplib.SMTP:
    name = settings.hostname or socket.getfqdn()
    if settings.use_ssl:
        return smtplib.SMTP_SSL(
            settings.relay,
            settings.port,
            local_hostname=name,
            timeout=settings.timeout_s,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(settings.relay, settings.port, local_hostname=name, timeout=settings.timeout_s)


def _secure(smtp: smtplib.SMTP, settings: SmtpClientSettings) -> None:
    """STARTTLS as ``tls`` says: ``always``, ``never``, or if the server offers it."""
    smtp.ehlo_or_helo_if_needed()
    if settings.use_ssl or settings.tls == "never":
        return
    if smtp.has_extn("starttls"):
        smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo()
    elif settings.tls == "always":
        raise MailError(
            f"the mail server {settings.relay} offers no STARTTLS, and smtp_client.tls is always",
            hint="Use a server that does, or allow plain text: smtp_client.tls.",
        )


def _log_in(smtp: smtplib.SMTP, settings: SmtpClientSettings) -> None:
    wanted = settings.auth == "always" or (settings.auth == "if_available" and settings.username)
    if wanted and (settings.auth == "always" or smtp.has_extn("auth")):
        smtp.login(settings.username, settings.password)


def _refused(settings: SmtpClientSettings, code: int, text: bytes | str) -> MailError:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    error = MailError(
        f"the mail server {settings.relay} refused the mail: {code} {one_line(said, 200)}",
        hint="Does it take mail from smtp_client.sender to this recipient, with this user name?",
    )
    error.passing = code in _NOT_NOW
    return error
