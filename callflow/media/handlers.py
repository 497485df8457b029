"""Layer 1: who hears of media events: everybody who asked for all, and who asked for one leg's."""

from __future__ import annotations

from collections.abc import Callable

from callflow.log import logger
from callflow.media.port import MediaHandler


class Handlers:
    """The subscribers of a ``MediaPort``. By leg, so that an event costs the same among 1,000 calls."""

    def __init__(self) -> None:
        self._of_all: list[MediaHandler] = []
        self._of_leg: dict[str, list[MediaHandler]] = {}

    def __len__(self) -> int:
        """How many legs somebody listens to."""
        return len(self._of_leg)

    def add(self, handler: MediaHandler, leg: str | None) -> Callable[[], None]:
        """See ``MediaPort.subscribe``."""
        if leg is None:
            self._of_all.append(handler)
            return lambda: self._of_all.remove(handler)
        self._of_leg.setdefault(leg, []).append(handler)
        return lambda: self._leave(leg, handler)

    def tell(self, event: object) -> None:
        """Give ``event`` to who asked for it. Whatever one call makes of it, the others hear theirs."""
        leg = getattr(event, "leg", "")
        for handler in (*self._of_all, *self._of_leg.get(leg, ())):
            try:
                handler(event)
            except Exception:
                logger.exception("a media event (%s)", type(event).__name__)

    def _leave(self, leg: str, handler: MediaHandler) -> None:
        left = self._of_leg[leg]
        left.remove(handler)
        if not left:
            del self._of_leg[leg]
