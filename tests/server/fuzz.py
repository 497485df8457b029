"""schemathesis against a server with real calls, recordings and deliveries: ``make fuzz``.

It sends what the description allows and what it forbids, to every route, and looks whether the answers are
what the description tells. Not part of the suite: it takes minutes. Words after the module's name go to
``schemathesis run`` (``--include-path-regex deliveries``, ``--max-examples 200``).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt

from callflow.state.used_tokens import Use
from tests.serve.accounts import RECORD, account, record_to, write
from tests.serve.server import phone
from tests.server.stage import Stage, on_stage
from tests.server.vonage.house import APPLICATION, Keys

NOWHERE = "http://127.0.0.1:9"
WORDS = (
    "--exclude-path-regex", "/events$",  # a stream that never ends
    # /things/{id} takes /things/draw, too, for a thing of that name: its methods are more than are described
    # of /things/draw alone.
    "--exclude-checks", "unsupported_method,allow_header_conformance",
    "--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1",
    "--continue-on-failure", "--request-timeout", "10", "--suppress-health-check", "all",
)  # fmt: skip


JUDGED_FURTHER = (
    # A document is judged by all that ``callflow check`` knows, which is more than a schema can say ...
    "create_callflow", "replace_callflow", "change_callflow", "delete_callflow", "draw_sent_callflow",
    "do_to_channel", "put_on_channel", "start_call_recording", "change_call_recordings",
    "change_call_recording",
    # ... and a moment of time by whether its month has that day.
    # (settings, scripts and endpoints, too)
    "vonageCreateCall",
    "vonageChangeCall",
    "vonageDtmf",
    "vonageListen",
    "vonageStream",
    "vonageTalk",
    "replace_settings",
    "replace_settings_post",
    "change_settings",
    "vonageCalls",
    "validate_callflow",  # numbers beyond 2^63
    "recordings", "user_recordings", "deliveries", "retry_deliveries",
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
    """Make calls, one of which goes on, and run schemathesis with the ids of what is there; its exit code."""
    await call(stage, "100", 0.5)
    await call(stage, "200", 0.5)
    going_on = [asyncio.create_task(call(stage, "100", 3600.0)) for _ in range(2)]
    home = "/v2/accounts/acme"
    live = (await until(stage, f"{home}/calls", 2))["data"]
    known = {
        "account_id": "acme",
        "user_id": "carol",
        "document": "delivery",
        "uuid": live[0]["id"],
        "call_id": live[0]["id"],
        "channel_id": live[0]["id"],
    }
    for name, list_of in (("recording", "recordings"), ("delivery", "deliveries"), ("callflow", "callflows")):
        known[f"{name}_id"] = (await until(stage, f"{home}/{list_of}"))["data"][-1]["id"]
    config = folder / "schemathesis.toml"
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in known.items()]
    for operation in JUDGED_FURTHER:
        lines += ["[[operations]]", f"include-operation-id = {json.dumps(operation)}"]
        lines += ["checks.positive_data_acceptance.enabled = false"]
    lines += ["[[operations]]", 'include-operation-id = "hang_up_call"']
    lines += [f"parameters.call_id = {json.dumps(live[1]['id'])}"]
    config.write_text("\n".join(["[parameters]", *lines]) + "\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
        f"{stage.url}/v2/openapi.json", "-H", f"X-Auth-Token: {stage.token}",
        "-H", f"Authorization: Bearer {application_token(keys)}", *WORDS, *words,
    )  # fmt: skip
    code = await process.wait()
    for each in going_on:
        each.cancel()
    return code


def application_token(keys: Keys) -> str:
    """What an application shows; here it may do so more than once."""
    now = int(time.time())
    claims = {"application_id": APPLICATION, "iat": now, "exp": now + 3600, "jti": "again and again"}
    return jwt.encode(claims, keys.private, algorithm="RS256")


def main(folder: Path, words: list[str]) -> int:
    """Serve and let it loose."""
    flows = {"100": RECORD, "200": record_to(NOWHERE)}
    home = account(folder / "accounts" / "acme", flows)
    write(home / "users" / "carol.json", {"first_name": "Carol", "last_name": "C", "username": "carol"})
    keys = Keys.fresh()
    write(home / "applications" / f"{APPLICATION}.json", {"name": "Support", "public_key": "support.pem"})
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
