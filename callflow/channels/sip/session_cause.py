"""Layer 2: why a call ended: hangup causes, SIP statuses and Reason headers, each from the other.

Q.850's numbers and names as Kazoo and FreeSWITCH use them; statuses after RFC 3398 8.2.6.1 and 7.2.4.1,
Reason after RFC 3326.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from callflow.channels.channel import CAUSE_CODES

FALLBACK = "NORMAL_UNSPECIFIED"

Q850: Mapping[str, int] = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_DESTINATION": 3,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "EXCHANGE_ROUTING_ERROR": 25,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "SERVICE_UNAVAILABLE": 63,
    "SERVICE_NOT_IMPLEMENTED": 79,
    "INCOMPATIBLE_DESTINATION": 88,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "INTERWORKING": 127,
    # Causes of our own, as the number that comes nearest.
    "USER_NOT_REGISTERED": 20,
    "BLIND_TRANSFER": 16,
    "ATTENDED_TRANSFER": 16,
    "ORIGINATOR_CANCEL": 16,
    "MEDIA_TIMEOUT": 102,
}

_BY_NUMBER: dict[int, str] = {}
for _name, _number in Q850.items():
    _BY_NUMBER.setdefault(_number, _name)

_BY_STATUS: Mapping[int, str] = {
    400: "NORMAL_TEMPORARY_FAILURE",
    401: "CALL_REJECTED",
    402: "CALL_REJECTED",
    403: "CALL_REJECTED",
    404: "UNALLOCATED_NUMBER",
    405: "SERVICE_UNAVAILABLE",
    406: "SERVICE_NOT_IMPLEMENTED",
    407: "CALL_REJECTED",
    408: "NO_USER_RESPONSE",
    410: "NUMBER_CHANGED",
    413: "INTERWORKING",
    414: "INTERWORKING",
    415: "SERVICE_NOT_IMPLEMENTED",
    416: "INTERWORKING",
    420: "INTERWORKING",
    421: "INTERWORKING",
    423: "INTERWORKING",
    480: "NO_ANSWER",
    481: "NORMAL_TEMPORARY_FAILURE",
    482: "EXCHANGE_ROUTING_ERROR",
    483: "EXCHANGE_ROUTING_ERROR",
    484: "INVALID_NUMBER_FORMAT",
    485: "NO_ROUTE_DESTINATION",
    486: "USER_BUSY",
    487: "ORIGINATOR_CANCEL",
    488: "INCOMPATIBLE_DESTINATION",
    500: "NORMAL_TEMPORARY_FAILURE",
    501: "SERVICE_NOT_IMPLEMENTED",
    502: "DESTINATION_OUT_OF_ORDER",
    503: "NORMAL_TEMPORARY_FAILURE",
    504: "RECOVERY_ON_TIMER_EXPIRE",
    505: "INTERWORKING",
    513: "INTERWORKING",
    600: "USER_BUSY",
    603: "CALL_REJECTED",
    604: "NO_ROUTE_DESTINATION",
    606: "INCOMPATIBLE_DESTINATION",
}

_Q850_REASON = re.compile(r"""Q\.850\s*;(?:[^,;"]*;|[^,;]*"[^"]*"\s*;)*?\s*cause\s*=\s*([0-9]{1,3})""", re.I)


def cause_of(status: int, reasons: Sequence[str] = ()) -> str:
    """The cause for a final status; a Q.850 number in a Reason header knows better."""
    return reason_cause(reasons) or _BY_STATUS.get(status, FALLBACK)


def reason_cause(reasons: Sequence[str]) -> str:
    """The cause that ``Reason: Q.850;cause=17`` gives; empty: none."""
    for value in reasons[:8]:
        found = _Q850_REASON.search(value[:500])
        if found and int(found[1]) in _BY_NUMBER:
            return _BY_NUMBER[int(found[1])]
    return ""


def status_of(cause: str, code: int = 0) -> int:
    """The final status that refuses a call: ``code`` if it can, else the cause's (480 if that cannot)."""
    status = code if 300 <= code <= 699 else CAUSE_CODES.get(cause, 480)
    return status if status >= 300 else 480


def reason_headers(cause: str) -> list[tuple[str, str]]:
    """What BYE, CANCEL and refusals say of the cause."""
    if cause in ("LOSE_RACE", "PICKED_OFF"):  # the phone is not to show a missed call
        return [("Reason", 'SIP;cause=200;text="Call completed elsewhere"')]
    number = Q850.get(cause)
    return [("Reason", f'Q.850;cause={number};text="{cause}"')] if number is not None else []
