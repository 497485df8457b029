"""Layer 2: how many deliveries an account may have under way at once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any

from callflow.state.account_documents import delivery_of


class AccountBounds:
    """How many more each account may have, with those ``in_flight``. ``most``: for each; 0: any number."""

    def __init__(self, conn: sqlite3.Connection, most: int, in_flight: Mapping[str, int]) -> None:
        self._conn = conn
        self._most = most
        self._count = Counter(in_flight)
        self._known: dict[str, Mapping[str, Any]] = {}

    def of(self, account_id: str) -> Mapping[str, Any]:
        """``delivery`` of its document."""
        if account_id not in self._known:
            self._known[account_id] = delivery_of(self._conn, account_id) if account_id else {}
        return self._known[account_id]

    def full(self) -> list[str]:
        """Those that have all they may have."""
        return [account_id for account_id in self._count if not self._free(account_id)]

    def take(self, account_id: str) -> bool:
        """One more; False: it may not."""
        if not self._free(account_id):
            return False
        self._count[account_id] += 1
        return True

    def _free(self, account_id: str) -> bool:
        if not account_id:
            return True
        own = self.of(account_id).get("parallel")
        bounds = [self._most] if self._most else []
        if isinstance(own, int) and not isinstance(own, bool) and own > 0:
            bounds.append(own)
        return not bounds or self._count[account_id] < min(bounds)
