"""Layer 1: flows that go round without end, flows that never come back, recordings that run into another
flow's voicemail.
"""

from __future__ import annotations

from typing import Any

from callflow.documents.check_across import said
from callflow.documents.check_data import Surroundings
from callflow.documents.check_record import Passed
from callflow.documents.nodes import DEFAULT, is_bare_node, skipped
from callflow.documents.problems import Sheet


def check_loops(sheet: Sheet, id: str, around: Surroundings) -> None:
    """Report a round on which callflow ``id`` lies, at the place where this flow leaves for it."""
    most = around.settings.callflow.max_branch_count
    for edge, way, always in around.flows.loops(id) if around.flows else ():
        end = f"ends after {most} branches" if edge.returns else "is transferred again and again"
        if always:
            message = f"every call goes round here without end: {said(way)}"
            sheet.add("CF-CHK-107", edge.pointer, message, f"the call {end}: lead one of them elsewhere")
        else:
            message = f"a call can go round here without the caller's doing: {said(way)}"
            sheet.add("CF-CHK-108", edge.pointer, message, f"such a call {end}")


def check_other_flow(sheet: Sheet, node: Passed, children: Any, around: Surroundings) -> None:
    """A node of the module ``callflow``: what the flow that it goes to means for this one."""
    id = node.data.get("id")
    if around.flows is None or skipped(node.data) or isinstance(node.data.get("flow"), dict):
        return
    ended = around.flows.ends_by(id)
    if ended and isinstance(children, dict) and children:
        where, bare = f"{node.pointer}/children", is_bare_node(children)
        if bare or DEFAULT in children:
            message = f"no call comes back from the callflow {id}: it ends by {ended}, so _ never runs"
            place = where if bare else f"{where}/{DEFAULT}"
            sheet.add("CF-CHK-055", place, message, "leave it out", at_key=True)
    found = around.flows.voicemail_in(id) if node.running else None
    if found:
        where = f"in the callflow {found[0]} at {found[1]}"
        message = f"a recording still runs when voicemail takes its message {where}"
        hint = "Kazoo's documentation asks for a record_call stop before it"
        sheet.add("CF-CHK-088", f"{node.pointer}/data/id", message, hint)
