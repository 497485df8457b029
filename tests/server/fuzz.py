"""schemathesis against a server with real calls, recordings and deliveries: ``make fuzz``.

It sends what the description allows and what it forbids, to every route, and looks whether the answers are
what the description tells. Not part of the suite: it takes minutes. Words after the module's name go to
``schemathesis run`` (``--include-path-regex deliveries``, ``--max-examples 200``).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt

from callflow.state.used_tokens import Use
from tests.ncco.webserver import WebServer, web_server
from tests.serve.accounts import RECORD, account, record_to, write
from tests.serve.server import phone
from tests.server.stage import Stage, on_stage
from tests.server.vonage.house import APPLICATION, Keys

NOWHERE = "http://127.0.0.1:9"
NUMBER = "447700900000"
"""The application's."""
WELL = ("2xx", "3xx", "401", "403", "404", "409", "429")
WORDS = (
    "--exclude-path-regex", "/events$",  # a stream that never ends
    "--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1",
    "--continue-on-failure", "--request-timeout", "10", "--suppress-health-check", "all",
)  # fmt: skip


WORDS_AS_IDS = (
    "validate_callflow", "draw_sent_callflow", "retry_deliveries"
)  # fmt: skip
"""/things/{id} takes /things/draw, too, for a thing of that name: its methods are more than are described of
/things/draw alone.
"""
JUDGED_FURTHER = (
    # What is merged into a document is judged as the whole document.
    "change_callflow", "change_settings", "replace_settings", "replace_settings_post",
    # Data of a module, which ``callflow schema`` describes, and what the call is doing just then.
    "do_to_channel", "put_on_channel", "start_call_recording", "change_call_recordings",
    "change_call_recording", "vonageRecord",
    "vonageListenEnd",  # nobody listens
)  # fmt: skip
"""What is sent to these in the form of their description may still be refused."""


async def call(stage: Stage, number: str, talk_s: float) -> None:
    """Be somebody who calls."""
    from callflow.caller import CallPlan

    async with phone() as caller:
        at = stage.exchange.hops[0].port
        await caller.call(CallPlan(f"sip:{number}@127.0.0.1:{at}", hangup_after_s=talk_s, keep_s=0))


async def until(stage: Stage, path: str, count: int = 1) -> Any:
    """The answer once there is so much in it."""
    for _ in range(100):
        answer = await stage.get(path)
        if len(answer.json["data"]) >= count:
            return answer.json
        await stage.parts.clock.sleep(0.1)
    raise AssertionError(path)


async def let_loose(stage: Stage, folder: Path, keys: Keys, words: list[str]) -> int:
    """Make calls, some of which go on, and run schemathesis with the ids of what is there; its exit code."""
    await call(stage, "100", 0.5)
    await call(stage, "200", 0.5)
    await call(stage, NUMBER, 0.5)
    going_on = [
        asyncio.create_task(call(stage, number, 3600.0)) for number in (*("100",) * 4, *(NUMBER,) * 3)
    ]
    config = folder / "schemathesis.toml"
    config.write_text("\n".join(await configured(stage)) + "\n")
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.fuzz_hooks"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
        f"{stage.url}/v2/openapi.json", "-H", f"X-Auth-Token: {stage.token}",
        "-H", f"Authorization: Bearer {application_token(keys)}", *WORDS, *words, env=hooks,
    )  # fmt: skip
    code = await process.wait()
    for each in going_on:
        each.cancel()
    return code


async def configured(stage: Stage) -> list[str]:
    """Lines of schemathesis's configuration: which ids there are, and what is not looked at where."""
    home = "/v2/accounts/acme"
    scripts = stage.exchange.engine.scripts.sessions
    while len(scripts.all()) < 3 or not all(each.call.answered for each in scripts.all()):
        await stage.parts.clock.sleep(0.05)
    led, held, ending = scripts.all()
    own = {each.call.id for each in scripts.all()}
    calls = (await until(stage, f"{home}/calls", 7))["data"]
    first, second, third, fourth = (each["id"] for each in calls if each["id"] not in own)
    files = await until(stage, f"{home}/recordings?state=READY&origin=ncco%20record")
    known = {
        "account_id": "acme",
        "user_id": "carol",
        "document": "delivery",
        "name": "app.js",
        "callflow_id": "n100",
        "call_id": first,
        "channel_id": first,
        "recording_id": (await until(stage, f"{home}/recordings?state=READY"))["data"][-1]["id"],
        "delivery_id": (await until(stage, f"{home}/deliveries"))["data"][-1]["id"],
        "file_id": files["data"][0]["id"],
        "uuid": led.uuid,
        "conversation_id": held.conversation_uuid,
    }
    on_call = (await until(stage, f"{home}/calls/{first}/recordings"))["data"][0]["id"]
    others = {
        "hang_up_call": {"call_id": second},
        "do_to_channel": {"channel_id": third},
        "put_on_channel": {"channel_id": fourth},
        "change_call_recording": {"recording_id": on_call},
        "vonageChangeCall": {"uuid": ending.uuid},
        "delete_callflow": {"callflow_id": "n200"},
        "replace_callflow": {"callflow_id": "n300"},
    }
    lines = ["[parameters]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in known.items()]
    for name in {**dict.fromkeys((*JUDGED_FURTHER, *WORDS_AS_IDS, "recording")), **others}:
        lines += ["[[operations]]", f"include-operation-id = {json.dumps(name)}"]
        lines += [f"parameters.{key} = {json.dumps(value)}" for key, value in others.get(name, {}).items()]
        if name in JUDGED_FURTHER:
            lines.append("checks.positive_data_acceptance.enabled = false")
        if name in WORDS_AS_IDS:
            lines.append("checks.unsupported_method.enabled = false")
            lines.append("checks.allow_header_conformance.enabled = false")
        if name == "recording":  # 406: it is to be had as something else
            lines.append(f"checks.positive_data_acceptance.expected-statuses = {json.dumps([*WELL, '406'])}")
    return lines


def application_token(keys: Keys) -> str:
    """What an application shows; here it may do so more than once."""
    now = int(time.time())
    claims = {"application_id": APPLICATION, "iat": now, "exp": now + 3600, "jti": "again and again"}
    return jwt.encode(claims, keys.private, algorithm="RS256")


def main(folder: Path, words: list[str]) -> int:
    """Serve and let it loose."""
    with web_server(answer=[[{"action": "record"}]], event=[""]) as web:
        return serve(folder, words, web)


def serve(folder: Path, words: list[str], web: WebServer) -> int:
    """The same; ``web``: of the application."""
    flows = {"100": RECORD, "200": record_to(NOWHERE), "300": RECORD}
    home = account(folder / "accounts" / "acme", flows)
    for name in ("carol", "alice"):
        write(home / "users" / f"{name}.json", {"first_name": name, "last_name": "C", "username": name})
    keys = Keys.fresh()
    application = {
        "name": "Support",
        "public_key": "support.pem",
        "numbers": [NUMBER],
        "answer_url": f"{web.url}/answer",
        "event_url": f"{web.url}/event",
    }
    write(home / "applications" / f"{APPLICATION}.json", application)
    (home / "applications" / "support.pem").write_text(keys.public)
    config = folder / "system_config"
    write(config / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    codes = []

    async def use(stage: Stage) -> None:
        codes.append(await let_loose(stage, folder, keys, words))

    logging.basicConfig(level=logging.ERROR)
    guesses = patch("callflow.server.tokens.FAILURES", 10**9)
    again = patch("callflow.server.vonage.door.use_token", lambda *_, **__: Use.FIRST)
    with guesses, again:
        on_stage(folder, use, accounts=folder / "accounts", system_config=config)
    return codes[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        raise SystemExit(main(Path(place), sys.argv[1:]))
