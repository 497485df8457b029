"""Layer 6: tokens: how one is made, and how it is known again.

A token is ``cf_ID_SECRET``: the id finds its row, the SHA-256 of the whole is compared in constant time.
Wrong ones are counted by the address that shows them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from callflow.clock import SystemClock
from callflow.errors import ApiError
from callflow.state.database import Database
from callflow.state.tokens import ALL_ACCOUNTS, TokenRow, find_token, touch_token

SCOPES = (
    "recordings:read",
    "recordings:write",
    "callflows:read",
    "callflows:write",
    "deliveries:read",
    "deliveries:write",
    "calls:read",
    "calls:write",
    "system_config:read",
    "system_config:write",
    "events:read",
    "metrics:read",
    "*",
)
KEPT_S = 5.0
"""So long a token that was good is not looked up again: a revoked one ends by then."""
TOUCH_S = 60.0
"""Its last use is written so often at most."""
MOST_KEPT = 1000
FAILURES = 10
"""So many wrong tokens from one address in FAILURES_S seconds; then those that were never good here are
refused unseen. Who has shown a good one goes on: behind a proxy all have one address, and on loopback any web
page can show wrong ones for its visitor."""
FAILURES_S = 60.0

_FORM = re.compile(r"cf_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Token:
    """Who asks."""

    id: str
    account_id: str
    scopes: frozenset[str]
    label: str = ""

    def opens(self, account_id: str | None) -> bool:
        """May it see this account's things (None: what belongs to no account)?"""
        return self.account_id == ALL_ACCOUNTS or (account_id is not None and self.account_id == account_id)

    def may(self, scope: str) -> bool:
        """Has it this scope?"""
        return "*" in self.scopes or scope in self.scopes


def make_token(
    account_id: str, scopes: Sequence[str], label: str, wall: float, expires_wall: float | None = None
) -> tuple[str, TokenRow]:
    """A fresh token, and the row that is kept of it: the token itself is told once and never again."""
    id = secrets.token_hex(6)
    secret = f"cf_{id}_{secrets.token_urlsafe(32)}"
    row = TokenRow(id, _digest(secret), account_id, tuple(scopes), label, wall, expires_wall)
    return secret, row


class Tokens:
    """Knows tokens when it sees them: those of the database, and those of this process alone."""

    def __init__(self, database: Database, clock: SystemClock) -> None:
        self._database = database
        self._clock = clock
        self._own: dict[str, TokenRow] = {}
        self._kept: OrderedDict[str, tuple[float, TokenRow]] = OrderedDict()
        self._touched: dict[str, float] = {}
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def issue(self, label: str, scopes: Sequence[str] = ("*",), account_id: str = ALL_ACCOUNTS) -> str:
        """A token that lives as long as this process, and is kept nowhere."""
        secret, row = make_token(account_id, scopes, label, self._clock.wall())
        self._own[row.id] = row
        return secret

    async def check(self, secret: str, address: str) -> Token:
        """The token that this is. ``address``: who shows it. Raises ApiError: 401, or 429 for who has shown
        too many wrong ones.
        """
        now, wall = self._clock.now(), self._clock.wall()
        digest = _digest(secret)
        since, row = self._kept.get(digest, (now, None))
        if row is None:
            self._refuse_guessers(address, now)
        if row is None or now - since > KEPT_S:
            since, row = now, await self._find(secret, digest)
        if row is None or not row.usable(wall):
            self._kept.pop(digest, None)
            self._failed(address, now)
            raise unauthorized("this token is not known, has expired or was revoked")
        self._kept[digest] = (since, row)
        self._kept.move_to_end(digest)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        self._touch(row, now, wall)
        return Token(row.id, row.account_id, frozenset(row.scopes), row.label)

    async def _find(self, secret: str, digest: str) -> TokenRow | None:
        form = _FORM.fullmatch(secret)
        if form is None:
            return None
        row = self._own.get(form[1]) or await self._database.arun(lambda conn: find_token(conn, form[1]))
        return row if row is not None and hmac.compare_digest(row.digest, digest) else None

    def _touch(self, row: TokenRow, now: float, wall: float) -> None:
        if row.id not in self._own and now - self._touched.get(row.id, -TOUCH_S) >= TOUCH_S:
            self._touched[row.id] = now
            self._database.submit(lambda conn: touch_token(conn, row.id, wall))

    # ---- who guesses -------------------------------------------------------------------------

    def _refuse_guessers(self, address: str, now: float) -> None:
        recent = [at for at in self._failures.get(address, ()) if now - at < FAILURES_S]
        if len(recent) >= FAILURES:
            wait_s = int(FAILURES_S - (now - recent[0])) + 1
            raise ApiError(
                429, "too many wrong tokens from this address", headers={"Retry-After": str(wait_s)}
            )

    def _failed(self, address: str, now: float) -> None:
        recent = [at for at in self._failures.pop(address, []) if now - at < FAILURES_S]
        self._failures[address] = [*recent, now]
        while len(self._failures) > MOST_KEPT:
            self._failures.popitem(last=False)


def read_scopes(words: Sequence[str]) -> tuple[str, ...]:
    """The scopes that ``words`` name, each once. Raises ApiError for one that there is not."""
    for word in words:
        if word not in SCOPES:
            raise ApiError(400, f"there is no scope {word!r}", hint=f"there are {' '.join(SCOPES)}")
    return tuple(dict.fromkeys(words))


def unauthorized(message: str) -> ApiError:
    """A 401."""
    return ApiError(401, message, headers={"WWW-Authenticate": 'Bearer realm="callflow"'})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
