"""Layer 6: the paths of calls and channels, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import CAUSE_CODES
from callflow.modules import metaflow_actions
from callflow.recording.recorder import State
from callflow.server.openapi import operation, parameter
from callflow.server.v2.callflows_described import PAGING, SVG

READ, WRITE = "calls:read", "calls:write"
RECORD_ACTIONS = ("start", "stop", "mask", "unmask", "pause", "resume")
_TEXT = {"type": "string"}
_CALL = {
    "type": "object",
    "required": ["id", "account_id", "state", "from", "to", "flow_id", "started"],
    "properties": {
        "id": _TEXT,
        "account_id": _TEXT,
        "state": {"enum": ["up", "over"]},
        "from": _TEXT,
        "to": _TEXT,
        "flow_id": _TEXT,
        "flow_name": _TEXT,
        "path": {"type": "string", "description": "JSON pointer, in the flow, to the node where it is now."},
        "module": _TEXT,
        "answered": {"type": "boolean"},
        "bridged": {"type": "boolean"},
        "started": {"type": "number", "description": "Seconds since 1970."},
        "seconds": {"type": ["number", "null"]},
        "cause": {"type": ["string", "null"]},
        "ended_by": {"type": ["string", "null"]},
    },
}
_STEP = {
    "type": "object",
    "required": ["turn", "flow_id", "path", "module", "at", "seconds", "outcome", "did", "next"],
    "properties": {
        "turn": {"type": "integer", "minimum": 1},
        "flow_id": _TEXT,
        "path": _TEXT,
        "module": _TEXT,
        "at": {"type": "number", "description": "Seconds since the call came in."},
        "seconds": {"type": ["number", "null"], "description": "null: the call is here now."},
        "outcome": {"type": ["string", "null"]},
        "did": {"type": ["string", "null"]},
        "next": {"type": ["string", "null"], "description": "The key of the child that it went on to."},
    },
}
_RECORDING = {
    "type": "object",
    "required": ["id", "state", "origin", "over"],
    "properties": {
        "id": _TEXT,
        "state": {"enum": [str(state) for state in State]},
        "origin": _TEXT,
        "over": {"type": "boolean", "description": "Nothing more is recorded."},
        "label": _TEXT,
        "media_name": _TEXT,
        "started_by": {"enum": ["flow", "rule", "message"]},
    },
}
_CHANNEL = {
    "type": "object",
    "required": ["uuid", "call_id", "answered", "direction", "other_leg", "timestamp"],
    "properties": {
        "uuid": _TEXT,
        "call_id": {"type": "string", "description": "The call that it belongs to: its A-leg's id."},
        "answered": {"type": "boolean"},
        "direction": {"enum": ["inbound", "outbound"]},
        "other_leg": _TEXT,
        "timestamp": {"type": "integer", "description": "Gregorian seconds, as Kazoo has it."},
    },
}
SCHEMAS: Mapping[str, Any] = {
    "Call": _CALL,
    "CallStep": _STEP,
    "CallRecording": _RECORDING,
    "Channel": _CHANNEL,
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


_WHOLE = {
    "allOf": [_ref("Call")],
    "properties": {
        "steps": _list_of("CallStep"),
        "recordings": _list_of("CallRecording"),
        "legs": {"type": "array", "items": {"type": "object"}},
        "notices": {"type": "array", "items": {"type": "object"}},
        "left_out": {"type": "integer", "description": "Events of a long call that are kept no more."},
    },
}
_RECORD = {
    "type": "object",
    "description": "Data of a record_call node; `media_name: all` means every recording that is on.",
    "properties": {"action": {"enum": list(RECORD_ACTIONS), "default": "start"}},
}
_START = {**_RECORD, "properties": {"action": {"const": "start", "default": "start"}}}
_DONE = {
    "type": "object",
    "properties": {
        "uuid": _TEXT,
        "did": {"type": "array", "items": _TEXT},
        "going_on": {"type": "boolean"},
    },
}
DO = (
    *("hangup", "metaflow", *sorted(metaflow_actions())),
    *(f"{each}_{word}" for each in RECORD_ACTIONS for word in ("record", "recording")),
)
_ASK = {
    "type": "object",
    "description": "An action (hangup, transfer, start_record ... or of a metaflow), or a metaflow's node.",
    "anyOf": [
        {"required": ["action"], "properties": {"action": {"enum": list(DO)}}},
        {
            "required": ["module", "data"],
            "properties": {"module": {"enum": sorted(metaflow_actions())}, "data": {"type": "object"}},
        },
    ],
}
_CAUSE = parameter("cause", {"enum": sorted(CAUSE_CODES)}, "The hangup cause; without it NORMAL_CLEARING.")
_ALL = "/v2/accounts/{account_id}/calls"
_ONE = _ALL + "/{call_id}"
_CHANNELS = "/v2/accounts/{account_id}/channels"
_GOES_ON = {
    "202": {
        "description": "It goes on: a sound that is played, say.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


def _do(id: str) -> dict[str, Any]:
    return operation(
        id,
        "Does something to a channel.",
        scope=WRITE,
        data=_DONE,
        body=_ASK,
        refusals=(409,),
        responses=_GOES_ON,
    )


def _record(id: str, summary: str, status: int = 200, body: Mapping[str, Any] = _RECORD) -> dict[str, Any]:
    data = _list_of("CallRecording")
    return operation(id, summary, scope=WRITE, data=data, body=body, status=status, refusals=(409,))


PATHS: Mapping[str, Mapping[str, Any]] = {
    _ALL: {
        "get": operation(
            "list_calls",
            "Calls that are up (`state=over`: over; `all`), by call id.",
            scope=READ,
            data=_list_of("Call"),
            query=(parameter("state", {"enum": ["up", "over", "all"], "default": "up"}, "Which."), *PAGING),
        )
    },
    _ONE: {
        "get": operation(
            "get_call", "A call with its steps, legs, recordings and notices.", scope=READ, data=_WHOLE
        ),
        "delete": operation(
            "hang_up_call", "The call is hung up.", scope=WRITE, data={"type": "object"}, query=(_CAUSE,)
        ),
    },
    f"{_ONE}/draw": {
        "get": operation(
            "draw_call",
            "The way of the call on its flows, as SVG; the node where it is now is filled.",
            scope=READ,
            content=SVG,
        )
    },
    f"{_ONE}/recordings": {
        "get": operation(
            "list_call_recordings",
            "Recordings of a call, with each change.",
            scope=READ,
            data=_list_of("CallRecording"),
        ),
        "put": _record("start_call_recording", "Starts a recording of the call.", 201, _START),
        "post": _record("change_call_recordings", "Starts, stops, masks, pauses what is recorded."),
    },
    f"{_ONE}/recordings/{{recording_id}}": {
        "post": _record("change_call_recording", "Stops, masks, pauses one recording.")
    },
    _CHANNELS: {
        "get": operation(
            "list_channels", "Legs of live calls.", scope=READ, data=_list_of("Channel"), query=PAGING
        )
    },
    f"{_CHANNELS}/{{channel_id}}": {
        "get": operation("get_channel", "A leg of a live call.", scope=READ, data=_ref("Channel")),
        "post": _do("do_to_channel"),
        "put": _do("put_on_channel"),
    },
}
