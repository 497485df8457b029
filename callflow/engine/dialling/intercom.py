"""Layer 3: calls that phones answer by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intercom:
    """The phones of this call are asked to answer by themselves. ``barges``: also those on which somebody
    talks; without it they are busy.
    """

    barges: bool


def auto_answer_headers(realm: str) -> Mapping[str, str]:
    """What makes phones answer by themselves: RFC 5373's ``Answer-Mode``, and what phones knew before it:
    ``answer-after`` in ``Call-Info`` and an ``Alert-Info`` (as FreeSWITCH's ``sip_auto_answer`` sends them).
    """
    return {
        "Answer-Mode": "Auto",
        "Call-Info": f"<sip:{realm}>;answer-after=0",
        "Alert-Info": "<http://127.0.0.1>;info=alert-autoanswer",
    }
