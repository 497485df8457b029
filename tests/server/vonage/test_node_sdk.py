"""Vonage's own Node SDK, pointed at this server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.peers import MODULES, require, require_module
from tests.server.vonage.house import APPLICATION, NUMBER, House
from tests.server.vonage.test_files import SOUND, keep

SCRIPT = Path(__file__).with_name("node_sdk.js")


@pytest.mark.peer
def test_calls_and_files_with_the_node_sdk(vonage: House, tmp_path: Path) -> None:
    node = require("node")
    require_module("@vonage/server-sdk")
    key, file = tmp_path / "private.pem", tmp_path / "fetched.mp3"
    key.write_text(vonage.keys.private)
    keep(vonage, "fetched")
    words = [MODULES, vonage.host.rpartition(":")[2], APPLICATION, key, vonage.phone.contact, NUMBER, file]
    done = subprocess.run(
        [node, SCRIPT, *map(str, words)],
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(vonage.ca)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    id = seen["made"]["uuid"]
    assert (seen["made"]["status"], seen["made"]["direction"]) == ("started", "outbound")
    assert seen["made"]["conversationUUID"] == seen["answered"]["conversationUUID"]
    assert seen["completed"]["conversationUUID"] != seen["made"]["conversationUUID"], "it was transferred"
    assert [seen[each]["message"] for each in ("talk", "stream", "dtmf")] == [
        "Talk started",
        "Stream started",
        "DTMF sent",
    ]
    assert id in seen["listed"] and len(set(seen["listed"])) == len(seen["listed"]), "page after page"
    assert seen["unknown"] == 404
    assert file.read_bytes() == Path(f"{file}.by-id").read_bytes() == SOUND
    (event,) = vonage.until(
        lambda: vonage.told("recording_url", conversation_uuid=seen["completed"]["conversationUUID"])
    )
    assert vonage.ask("GET", str(event["recording_url"])).headers["Content-Type"] == "audio/wav"
