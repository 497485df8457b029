"""Layer 6: who has done what by the API: a line in the log each."""

from __future__ import annotations

from callflow.log import logger, one_line
from callflow.server.auth import Token


def who(token: Token) -> str:
    """Whose token it is, in a few words: its label, else its id."""
    return one_line(token.label, 60) or token.id


def tell(token: Token, account_id: str, what: str) -> None:
    """Log what was done: ``what`` is without secrets."""
    label = f" ({one_line(token.label, 60)})" if token.label else ""
    logger.info("HTTP: account %s: %s, by token %s%s", one_line(account_id, 60), what, token.id, label)
