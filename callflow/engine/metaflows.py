"""Layer 3: metaflows of a call: hears digits, and runs the actions that they stand for beside the walk.

A party's metaflows are those of its documents (``documents/metaflows.py``); those of the callflow belong to
the one who calls. As in Kazoo digits are only listened to: who is bridged gets them all the same, and so
does a module that waits for digits. The binding digit begins an entry; ``digit_timeout`` after the last digit
it is looked up. What an action does is in layer 4; here each is a function by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from callflow.documents import schemas
from callflow.documents.metaflows import BOTH, PEER, SELF, Found, MetaflowSet, metaflows_of
from callflow.documents.moduledata import prepare_document
from callflow.documents.placeholders import fill
from callflow.engine.flow import DEFAULT_KEY, Flow, Node
from callflow.engine.line import Leg
from callflow.engine.recording_rules import endpoint_of
from callflow.errors import CallflowError, CallGone
from callflow.events import CallUnbridged, DigitPressed, Event, MetaflowDone

if TYPE_CHECKING:
    from callflow.engine.call import Call

logger = logging.getLogger(__name__)

MOST_DIGITS = 64
"""Of one entry; more are no metaflow."""

MOST_NODES = 100
"""Of one action's tree."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """Who has started an action: the leg, and what was pressed (without the binding digit)."""

    leg: str
    collected: str
    captures: tuple[str, ...] = ()


Action = Callable[[Mapping[str, Any], "Call", Pressed], Awaitable[str]]
"""``action(data, call, pressed)``: do it and say what was done. Raises ``CallGone`` when the call has."""


@dataclass(slots=True)
class _Entry:
    """What one leg has pressed since the binding digit; None: it has not been pressed."""

    collected: str | None = None
    generation: int = 0


@dataclass(slots=True)
class _Listener:
    """One party's metaflows: ``owner`` is its leg."""

    owner: str
    found: MetaflowSet
    entries: dict[str, _Entry] = field(default_factory=dict)

    def hears(self, leg: str) -> bool:
        """Whether digits of ``leg`` count."""
        mine = leg == self.owner
        return self.found.listen_on == BOTH or self.found.listen_on == (SELF if mine else PEER)


@dataclass(frozen=True, slots=True)
class _Held:
    """A talk on hold: ``leg`` ends that by ``key``, which may be several digits; ``typed``: the last ones."""

    leg: str
    key: str
    end: Callable[[], None]
    typed: str = ""


class Metaflows:
    """The metaflows of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._listeners: list[_Listener] = []
        self._unsubscribe: Callable[[], None] | None = None
        self._hold: _Held | None = None

    def begin(self, flow: Flow) -> None:
        """The caller's own, and those of the callflow."""
        call, party = self._call, self._call.party
        documents: list[Mapping[str, Any] | None] = [flow.document]
        if party.user_id or party.device_id:
            documents = [*self._documents(party.user_id, party.device_id), flow.document]
        self._listen(call.leg, documents)

    def meet(self, leg: Leg) -> None:
        """``leg`` is about to talk with the line: its metaflows count as long as it is there."""
        if leg.target is None:
            return
        user_id, device_id = endpoint_of(self._call.account, leg.target)
        if user_id or device_id:
            self._listen(leg.name, self._documents(user_id, device_id))

    def close(self) -> None:
        """Hear nothing any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _documents(self, user_id: str, device_id: str) -> list[Mapping[str, Any] | None]:
        account = self._call.account
        device = account.get("device", device_id) if device_id else None
        user_id = user_id or str((device or {}).get("owner_id") or "")
        user = account.get("user", user_id) if user_id else None
        return [account.document, user, device]

    def _listen(self, leg: str, documents: list[Mapping[str, Any] | None]) -> None:
        found = metaflows_of(documents)
        if found is None:
            return
        for note in found.notes:
            self._call.notice(note.level, note.code, f"metaflows: {note.message}", note.hint)
        self._listeners = [each for each in self._listeners if each.owner != leg]
        self._listeners.append(_Listener(leg, found))
        if self._unsubscribe is None:
            self._unsubscribe = self._call.services.bus.subscribe(self._on_event, call_id=self._call.id)

    # ---- digits ----------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CallUnbridged):
            self.unhold()
        elif isinstance(event, DigitPressed):
            if self._ends_hold(event):
                self.unhold()
                return
            for listener in self._listeners:
                if listener.hears(event.leg):
                    self._digit(listener, event.leg, event.digit)

    def _digit(self, listener: _Listener, leg: str, digit: str) -> None:
        entry = listener.entries.setdefault(leg, _Entry())
        if entry.collected is None:
            if digit != listener.found.binding_digit:
                return
            entry.collected = ""
        elif len(entry.collected) < MOST_DIGITS:
            entry.collected += digit
        entry.generation += 1
        self._call.spawn(self._wait(listener, leg, entry, entry.generation))

    async def _wait(self, listener: _Listener, leg: str, entry: _Entry, generation: int) -> None:
        await self._call.sleep(listener.found.digit_timeout / 1000)
        if entry.generation != generation or entry.collected is None:
            return
        collected, entry.collected = entry.collected, None
        found = listener.found.find(collected)
        if found is not None:
            await self._run(found, leg)

    # ---- hold ------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether the talk is on hold by a metaflow."""
        return self._hold is not None

    def hold(self, leg: str, key: str, end: Callable[[], None]) -> None:
        """The talk is on hold until ``leg`` presses ``key`` (one digit or more), or somebody leaves: then
        ``end`` is called.
        """
        self._hold = _Held(leg, key, end)

    def _ends_hold(self, event: DigitPressed) -> bool:
        """Whether that digit is the last of those that end the hold; they begin no entry."""
        held = self._hold
        if held is None or event.leg != held.leg:
            return False
        typed = (held.typed + event.digit)[-len(held.key) :]
        self._hold = replace(held, typed=typed)
        if typed != held.key:
            return False
        for listener in self._listeners:
            if entry := listener.entries.pop(event.leg, None):
                entry.collected = None
        return True

    def unhold(self) -> bool:
        """The talk goes on; False: it was not on hold."""
        held, self._hold = self._hold, None
        if held is not None:
            held.end()
        return held is not None

    # ---- actions ---------------------------------------------------------------------------------

    async def inject(self, tree: Mapping[str, Any], leg: str) -> list[str]:
        """Do what ``tree`` says, as if ``leg`` had asked for it by digits; says of each node what was done.
        Raises ``CallGone``, ``FlowTooDeep``.
        """
        return await self._walk(tree, Pressed(leg, ""))

    async def _run(self, found: Found, leg: str) -> None:
        await self._walk(found.tree, Pressed(leg, found.collected, found.captures))

    async def _walk(self, tree: Mapping[str, Any], pressed: Pressed) -> list[str]:
        """Walk the action's tree: each node, then its ``_``."""
        done: list[str] = []
        node: Node | None = Flow.parse(tree).root
        for _ in range(MOST_NODES):
            if node is None or node.empty or self._call.gone:
                break
            done.append(await self._node(node, pressed))
            node = node.child(DEFAULT_KEY)
        return done

    async def _node(self, node: Node, pressed: Pressed) -> str:
        call = self._call
        action = call.services.actions.get(node.module)
        if node.problem or action is None:
            said = node.problem or f"the metaflow action {node.module!r} has no code here"
            hint = f"Actions there are: {', '.join(sorted(call.services.actions))}."
            call.notice("warning", "CF-RUN-METAFLOW", f"{said}: passed over", hint, node=node)
            return "passed over"
        data = self._data(node, pressed)
        did = "failed"
        try:
            did = await action(data, call, pressed)
        except CallGone:
            did = "the call is over"
            raise
        except CallflowError as error:
            call.notice("error", error.code, f"metaflow {node.module}: {error}", error.hint, node=node)
        except Exception as error:
            logger.exception("metaflow action %s failed", node.module)
            said = f"metaflow {node.module} failed: {type(error).__name__}: {error}"
            call.notice("error", "CF-RUN-MODULE", said, "This is a fault of it, please report it.", node=node)
        finally:
            call.services.bus.publish(
                MetaflowDone(
                    time=call.services.clock.now(),
                    call_id=call.id,
                    leg=pressed.leg,
                    digits=pressed.collected,
                    action=node.module,
                    did=did,
                )
            )
        return did

    def _data(self, node: Node, pressed: Pressed) -> Mapping[str, Any]:
        call = self._call
        name = f"metaflows/{node.module}"
        given = fill(node.data, call.placeholders()).value
        if name not in schemas.names():
            return {**given}
        prepared = prepare_document(name, given)
        for note in prepared.notes:
            call.notice(
                note.level, note.code, f"metaflow {node.module}: {note.message}", note.hint, node=node
            )
        return prepared.data
