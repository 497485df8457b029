"""The example flows and the demo account: valid, explained, and doing on a call what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.sim.scenario import Callee, Scenario
from tests.modules.stage import (
    HIGH,
    LOW,
    NEVER,
    ROOT,
    Ran,
    Stage,
    answers,
    caller,
    level,
    presses,
    rejects,
    tone,
)

FLOWS = sorted((ROOT / "examples/flows").glob("*.json"))
ACCOUNT = ROOT / "examples/accounts/demo"
TALKS = answers(2.0, says=[tone(HIGH, 10)], leaves=10.0)


def _flow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "examples/flows" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _call(stage: Stage, name: str, *script: Any, callee: Callee = TALKS, leaves: float = 60.0) -> Ran:
    party = caller(*script, says=[tone(LOW, 20)], leaves=leaves)
    ran = stage.run(_flow(name), Scenario(caller=party, callee=callee))
    assert ran.notices("error") == []
    return ran


@pytest.mark.parametrize("folder", ["examples/flows", "examples/accounts/demo"])
def test_examples_have_neither_errors_nor_warnings(folder: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "callflow", "check", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " warning: " not in ran.stdout and " error: " not in ran.stdout


@pytest.mark.parametrize(
    "path", [*FLOWS, *sorted((ACCOUNT / "callflows").glob("*.json"))], ids=lambda p: p.stem
)
def test_examples_say_what_they_are_for(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["name"] and len(document["description"]) > 20
    assert document.get("numbers") or document.get("patterns")


def test_examples_have_numbers_of_their_own() -> None:
    numbers = [number for path in FLOWS for number in json.loads(path.read_text(encoding="utf-8"))["numbers"]]
    assert len(numbers) == len(set(numbers)) == len(FLOWS) >= 6


def test_example_record(stage: Stage) -> None:
    ran = _call(stage, "record")
    sound = ran.sound(ran.row())
    assert level(sound[:, 0], LOW, 2.1, 11.9) > 5000 and level(sound[:, 1], HIGH, 2.1, 11.9) > 5000


def test_example_record_to_url(stage: Stage) -> None:
    stage.variables = {"RECEIVER": "http://127.0.0.1:9"}
    ran = _call(stage, "record-to-url")
    assert ran.row().url == f"http://127.0.0.1:9/recordings/call_recording_{ran.report.call_id}.mp3"


def test_example_record_per_user(demo: Stage) -> None:
    demo.variables = {"USER_ID": "bob", "VMBOX_ID": "bob-box"}
    ran = _call(demo, "record-per-user", callee=NEVER)
    assert ran.modules == ["record_call", "user", "record_call", "voicemail"]
    assert ran.row("voicemail").state == "READY"
    (call,) = (row for row in ran.rows if row.origin != "voicemail")
    assert call.reason == "stopped" and "/demo/bob/call_recording_" in call.url


def test_example_record_on_bridge(stage: Stage) -> None:
    ran = _call(stage, "record-on-bridge")
    assert ran.row().samples == pytest.approx(10 * 8000, abs=200)
    short = _call(stage, "record-on-bridge", callee=answers(2.0, leaves=2.0))
    assert short.changes(short.row().id)[-1] == "discarded"


def test_example_record_with_silence(stage: Stage) -> None:
    ran = _call(stage, "record-with-silence")
    assert ran.row().reason == "silence" and ran.row().samples == pytest.approx(25 * 8000, abs=400)
    assert ran.report.seconds == pytest.approx(60.0, abs=0.05)


def test_example_mask_card_number(stage: Stage) -> None:
    ran = _call(stage, "mask-card-number", presses(1.0, "4111#"))
    row = ran.row()
    assert [change for change in ran.changes(row.id) if "mask" in change] == ["masked", "unmasked"]
    assert row.state == "READY" and ran.modules[-1] == "user"


def test_example_record_caller(stage: Stage) -> None:
    ran = _call(stage, "record-caller", presses(5.0, "#"))
    assert (ran.row().channels, ran.row().reason) == (1, "digit")
    assert ran.modules == ["answer", "tones", "record_caller", "play", "hangup"]


def test_example_menu_with_voicemail(demo: Stage) -> None:
    ran = _call(demo, "menu-with-voicemail", presses(3.0, "1"), callee=NEVER)
    assert ran.modules == ["menu", "record_call", "user", "record_call", "voicemail"]
    assert ran.row("callflow : main menu").reason == "stopped"
    message = _call(demo, "menu-with-voicemail", presses(3.0, "2"))
    assert message.row().document["mailbox_id"] == "alice-box"


def test_example_webhook(stage: Stage) -> None:
    stage.variables = {"HOOK": "http://127.0.0.1:9/hook"}
    party = caller(says=[tone(LOW, 20)], leaves=60.0)
    ran = stage.run(_flow("webhook"), Scenario(caller=party, callee=rejects("USER_BUSY")))
    assert ran.modules == ["webhook", "record_call", "user", "response"]
    assert [notice.code for notice in ran.notices("error")] == ["CF-RUN-WEBHOOK"], "nobody listens there"


def test_demo_account_takes_calls(demo: Stage) -> None:
    def dial(number: str, *script: Any, callee: Callee = TALKS) -> Ran:
        party = caller(*script, says=[tone(LOW, 20)], leaves=60.0)
        return demo.dial(number, Scenario(to_number=number, caller=party, callee=callee))

    assert dial("2000", presses(3.0, "1")).modules == ["record_call", "menu", "callflow", "user"]
    assert dial("2000", presses(3.0, "2002#")).modules[:4] == ["record_call", "menu", "record_call", "device"]
    assert dial("2001", callee=NEVER).modules == ["user", "voicemail"]
    assert dial("2002", callee=NEVER).modules == ["record_call", "device", "record_call", "voicemail"]
    assert dial("2002", callee=NEVER).row("voicemail").document["mailbox"] == "2002"
    assert dial("*32001").row().document["mailbox_id"] == "alice-box"
    operator = dial("2001", presses(22.0, "0"), callee=NEVER)
    assert operator.modules[:3] == ["user", "voicemail", "user"]
    assert dial("9999").report.cause == "UNALLOCATED_NUMBER"
