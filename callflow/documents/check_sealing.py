"""Layer 1: checks to whom an account's recordings are sealed: a key that is none would hold up every one."""

from __future__ import annotations

from typing import Any

from callflow.documents.keeping_rules import recipient_fault
from callflow.documents.problems import Sheet


def check_sealing(sheet: Sheet, account: dict[str, Any]) -> None:
    """Report recipients of ``account.json`` that nothing can be sealed to. What it shows of a secret key is
    only that it is one.
    """
    written: Any = account
    for name in ("recordings", "encryption", "recipients"):
        written = written.get(name) if isinstance(written, dict) else None
    for number, text in enumerate(written if isinstance(written, list) else ()):
        wrong = recipient_fault(text) if isinstance(text, str) else ""
        if wrong:
            sheet.add(
                "CF-CHK-155",
                f"/recordings/encryption/recipients/{number}",
                f"recipient {number + 1} {wrong}",
                "write the public key, which begins with age1: callflow recordings keygen shows it",
            )
