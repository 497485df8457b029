"""Layer 4: the walk of a call through an NCCO: carries out the moves that actions make."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.session import CallRun
from callflow.engine.walker import WalkEnd
from callflow.ncco.moves import Move
from callflow.ncco.script import Script
from callflow.ncco.session import Session

ActionFunction = Callable[[Mapping[str, Any], Call, Session], Awaitable[Move]]
"""An action: ``run(data, call, session)``; ``data`` has proper types and its schema's defaults. It may raise
``CallGone``; any other ``CallflowError`` becomes a notice and an error event, and the script goes on.
"""


async def run_script(session: Session, script: Script, actions: Mapping[str, ActionFunction]) -> WalkEnd:
    """Run ``script`` on ``session.call`` until the call has ended or somebody else drives it. Publishes
    ``StepStarted`` and ``StepEnded`` for each action (``path`` ``/0``, ``module`` its name).
    """
    raise NotImplementedError


async def run_call(session: Session, script: Script, actions: Mapping[str, ActionFunction]) -> CallRun:
    """The whole run of a call by a script: from its coming in to the last thing that belongs to it."""
    raise NotImplementedError
