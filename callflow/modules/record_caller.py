"""Layer 4, module ``record_caller``: record what the caller says, and wait until that is over.

This is the behaviour of Kazoo 4.3 (kazoo.md 1.2): mono, the caller's side only; any digit, 5 s of silence
(unless the node says other), the limit or a hangup ends it. The url is built as for ``record_call``: the
documentation has one rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents.record_settings import choose_storage, resolve_record_caller
from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._caller_only import ANY_DIGIT, caller_tap
from callflow.modules.record_call import origin_of


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Answer, record, wait for its end, go on to ``_``. With nowhere to keep it the node is passed over."""
    settings = resolve_record_caller(data, call.settings)
    for note in settings.notes:
        call.notice(note.level, note.code, note.message, note.hint)
    storage = choose_storage(settings.url, call.settings, call.account.storage)
    if storage.kind == "none":
        call.notice(
            "warning",
            "CF-RUN-NOT-STORED",
            f"record_caller: nothing is recorded, it would not be kept anywhere ({storage.reason})",
            "Give the node a url, or set store_recordings to true in system_config/media.json.",
        )
        return Continue(did="passed over: a recording would not be kept")
    await call.answer()
    await call.announcing.before_recording(settings)
    handle = await call.record(
        settings, origin=origin_of(settings, call), taps=caller_tap(call), dtmf_stop=ANY_DIGIT
    )
    if handle is None:
        return Continue(did="recorded nothing")
    reason, seconds = await handle.ended()
    return Continue(did=f"recorded {seconds:.2f} s of the caller, ended by {reason}")
