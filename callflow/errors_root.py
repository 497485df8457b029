"""Layer 0: the root of the tree of errors (``errors.py`` draws it)."""

from __future__ import annotations

from typing import ClassVar


class CallflowError(Exception):
    """The root: ``str(error)`` is what went wrong and where, ``hint`` what to do instead."""

    code: ClassVar[str] = "CF-000"
    fix: ClassVar[str] = "Read the message and its hint."
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[CallflowError], message: str, hint: str) -> CallflowError:
    """Errors cross processes: pickle them by message and hint."""
    error = kind.__new__(kind)
    CallflowError.__init__(error, message, hint=hint)
    return error
