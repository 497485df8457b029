"""Layer 5: calls by NCCO on an engine: what their sessions need, and the list of those that are up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from callflow.engine.session import CallRun
from callflow.ncco.actions import registry
from callflow.ncco.application import Application
from callflow.ncco.placing import Placement, begun, reachable, run_placed
from callflow.ncco.runner import run_call
from callflow.ncco.script import Script
from callflow.ncco.session import EventSender, Session, Sessions

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.services import Services
    from callflow.engine.walker import Module


class ScriptedCalls:
    """Runs calls by scripts. ``modules``: for a party that is transferred to a callflow."""

    def __init__(self, sender: EventSender, modules: Mapping[str, Module]) -> None:
        self.sessions = Sessions()
        self._sender = sender
        self._modules = modules
        self._actions = registry()

    def session(
        self, call: Call, application: Application, *, direction: str = "inbound", endpoint: str = "phone"
    ) -> Session:
        """A session for a call that has just begun."""
        return Session(
            call,
            application,
            self._sender,
            direction=direction,
            endpoint=endpoint,
            modules=self._modules,
            sessions=self.sessions,
        )

    def place(
        self, services: Services, application: Application, placement: Placement
    ) -> tuple[Session, Callable[[], Awaitable[CallRun]]]:
        """A call that goes out: its session, which is listed from now on, and what rings and runs it. Raises
        MissingDocument for an endpoint that the account does not have.
        """
        call = begun(services, placement)
        groups = reachable(call, placement, application)
        endpoint = str(placement.endpoint.get("type") or "phone")
        session = self.session(call, application, direction="outbound", endpoint=endpoint)
        self.sessions.add(session)
        return session, lambda: run_placed(session, placement, groups, self._actions)

    async def run(self, session: Session, script: Script | None = None) -> CallRun:
        """The call by ``script``, to its end; None: by the one that the application's web server gives."""
        return await run_call(session, script, self._actions)

    async def take(self, call: Call, application: Application) -> CallRun:
        """A call that has come in for one of the application's numbers, to its end."""
        endpoint = "phone" if call.party.trunk or not call.party.device_id else "sip"
        return await self.run(self.session(call, application, endpoint=endpoint))
