"""Layer 2: whose turn it is: hosts take turns, and the accounts that send to one host do.

Without it the outbox would go by the time that a delivery is due alone, and whoever has a thousand would come
before who has one. Turns are kept in memory only: a process that starts begins anywhere.
"""

from __future__ import annotations

import sqlite3
from itertools import chain, zip_longest

MOST = 10_000
"""So many hosts and accounts are remembered."""


class Turns:
    """Who was served when, by a count."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[tuple[str, ...], int] = {}

    def last(self, *whose: str) -> int:
        """When this host, or this host's account, was served last; 0: never, or long ago."""
        return self._last.get(whose, 0)

    def took(self, host: str, account_id: str) -> None:
        """It was this one's turn."""
        self._count += 1
        self._last[host,] = self._last[host, account_id] = self._count
        if len(self._last) > MOST:
            latest = sorted(self._last.items(), key=lambda item: item[1])[MOST // 2 :]
            self._last = dict(latest)


def due_hosts(conn: sqlite3.Connection, now: float, turns: Turns) -> list[str]:
    """The hosts with something due, the one that was served longest ago first. It steps through an index by
    hosts.
    """
    rows = conn.execute(
        """
        WITH RECURSIVE hosts (host) AS (
            SELECT min(host) FROM deliveries WHERE state IN ('QUEUED', 'WAITING')
            UNION ALL
            SELECT (SELECT min(host) FROM deliveries
                    WHERE state IN ('QUEUED', 'WAITING') AND host > hosts.host)
            FROM hosts WHERE hosts.host IS NOT NULL
        )
        SELECT host, (SELECT min(next_wall) FROM deliveries
                      WHERE state IN ('QUEUED', 'WAITING') AND host = hosts.host) AS due
        FROM hosts WHERE host IS NOT NULL AND due <= ? ORDER BY due, host
        """,
        (now,),
    )
    return sorted((host for host, _ in rows), key=turns.last)


def due_of(
    conn: sqlite3.Connection, host: str, now: float, turns: Turns, *, without: str, limit: int
) -> list[tuple[str, str]]:
    """At most ``limit`` deliveries (their ids and accounts) to a host that are due. Its accounts come one
    after the other, the one that was served longest ago first. ``without``: those that have all they may, as
    JSON.
    """
    rows = conn.execute(
        """
        WITH RECURSIVE lanes (account) AS (
            SELECT min(account_id) FROM deliveries WHERE host = :host AND state IN ('QUEUED', 'WAITING')
            UNION ALL
            SELECT (SELECT min(account_id) FROM deliveries
                    WHERE host = :host AND state IN ('QUEUED', 'WAITING') AND account_id > lanes.account)
            FROM lanes WHERE lanes.account IS NOT NULL
        )
        SELECT account, (SELECT min(next_wall) FROM deliveries WHERE host = :host AND account_id = account
                         AND state IN ('QUEUED', 'WAITING')) AS due
        FROM lanes WHERE account IS NOT NULL AND due <= :now
            AND account NOT IN (SELECT value FROM json_each(:without)) ORDER BY due, account
        """,
        {"host": host, "now": now, "without": without},
    )
    accounts = sorted((account for account, _ in rows), key=lambda account: turns.last(host, account))
    lanes = [
        [
            (str(id), account)
            for (id,) in conn.execute(
                "SELECT id FROM deliveries WHERE host = ? AND account_id = ? AND next_wall <= ? "
                "AND state IN ('QUEUED', 'WAITING') ORDER BY next_wall, created_wall, id LIMIT ?",
                (host, account, now, limit),
            )
        ]
        for account in accounts[:limit]
    ]
    return [each for each in chain.from_iterable(zip_longest(*lanes)) if each is not None][:limit]
