"""What a module may do to a call, beside digits, bridges and recordings."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.channel import Ended
from callflow.documents.accounts import Account
from callflow.engine.call import Call
from callflow.engine.walker import WalkEnd
from callflow.errors import CallGone, FetchError, MissingDocument
from callflow.events import CallAnswered, CallEnded, CallStarted
from callflow.media.messages import FileClip, Hold, SilenceClip, ToneClip
from callflow.recording.messages import LegNotice
from tests.engine.harness import HANGS_UP, world

DOCUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "user": {"u1": {"name": "Ann", "caller_id": {"internal": {"number": "77"}}}, "u2": {}},
    "device": {
        "d1": {"owner_id": "u1", "language": "de"},
        "d2": {"owner_id": "u2"},
        "d3": {"owner_id": "u2", "enabled": False},
        "d4": {"owner_id": "u2"},
    },
    "callflow": {
        "main": {"numbers": ["2000"], "flow": {"module": "noop"}},
        "codes": {"patterns": [r"^\*3(?<box>\d+)$", "("], "flow": {"module": "noop"}},
        "all": {"numbers": ["no_match"], "flow": {"module": "noop"}},
    },
}


def account(tmp_path: Path) -> Account:
    own = tmp_path / "own.wav"
    return Account(
        id="acc",
        document={"name": "Acme", "realm": "acme.example", "language": "en"},
        documents=DOCUMENTS,
        media_files={"greeting": own, "vm-person": own},
    )


def test_answering_twice_is_answering_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            assert not call.answered
            await call.progress()
            await call.answer()
            await call.answer()
            await call.progress()
            assert call.answered

        here.with_call(work, answer=False)
        assert len(here.of(CallAnswered)) == 1
        assert here.media.commands(LegNotice) == [LegNotice("leg-call-1", "answered")]
        assert here.caller.progressed == 1


def test_the_frame_of_a_call(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        run = here.run({"name": "Main", "flow": {}}, {}, flow_id="f")
        [started], [ended] = here.of(CallStarted), here.of(CallEnded)
        assert (started.from_number, started.to_number, started.flow_id) == ("1001", "2000", "f")
        assert started.flow_name == "Main"
        assert (ended.cause, ended.by) == ("NORMAL_CLEARING", "engine")
        assert run.walk is WalkEnd.HANGUP


@pytest.mark.parametrize(
    ("code", "cause"), [(486, "USER_BUSY"), (404, "UNALLOCATED_NUMBER"), (699, "NORMAL_TEMPORARY_FAILURE")]
)
def test_respond_before_the_answer(tmp_path: Path, code: int, cause: str) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            await call.respond(code, "Sorry")
            assert call.gone

        run = here.with_call(work, answer=False)
        assert here.caller.response == (code, "Sorry")
        assert (run.cause, run.walk) == (cause, WalkEnd.GONE)


def test_respond_after_the_answer_hangs_up(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            await call.respond(486)

        here.with_call(work)
        assert here.caller.ended == Ended("NORMAL_CLEARING", 0, by="engine")


def test_every_wait_ends_with_the_call(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(1, HANGS_UP)
        raised: list[str] = []

        async def work(call: Call) -> None:
            await call.wait_for_hangup()
            await call.wait_for_hangup()
            await call.hangup()
            waits: dict[str, Callable[[], Awaitable[object]]] = {
                "answer": call.answer,
                "progress": call.progress,
                "sleep": lambda: call.sleep(1),
                "play": lambda: call.play([SilenceClip(1)]),
                "clips": lambda: call.clips_for("vm-person"),
                "collect": lambda: call.collect_digits(max_digits=1, timeout_s=1, interdigit_s=1),
                "bridge": lambda: call.bridge([], timeout_s=1),
            }
            for name, wait in waits.items():
                with pytest.raises(CallGone):
                    await wait()
                raised.append(name)

        here.with_call(work)
        assert raised == ["answer", "progress", "sleep", "play", "clips", "collect", "bridge"]
        assert here.clock.now() == 1


def test_hold_outside_a_talk(tmp_path: Path) -> None:
    from callflow.channels.channel import Held

    with world(tmp_path) as here:
        here.caller_does(1, Held(True))

        async def work(call: Call) -> None:
            await call.sleep(2)

        here.with_call(work)
        assert here.media.commands(Hold) == [Hold("leg-call-1", True)]


# ---- clips ----------------------------------------------------------------------------------


def test_what_a_flow_can_name(tmp_path: Path) -> None:
    with world(tmp_path, account=account(tmp_path)) as here:
        found: dict[str, object] = {}
        names = (
            "tone_stream://%(500,0,440)",
            "silence_stream://1500",
            "silence_stream://700,1400",
            "greeting",
            "vm-person",
            "vm-no_mailbox",
            "/system_media/vm-goodbye",
            "prompt://system_media/vm-saved/en-us",
            "prompt://vm-saved",
        )

        async def work(call: Call) -> None:
            for name in names:
                [found[name]] = await call.clips_for(name)

        here.with_call(work)
        assert here.notices == []
        own = FileClip(str(tmp_path / "own.wav"))
        assert found["tone_stream://%(500,0,440)"] == ToneClip("%(500,0,440)")
        assert found["silence_stream://1500"] == SilenceClip(1.5)
        assert found["silence_stream://700,1400"] == SilenceClip(0.7)
        assert found["greeting"] == own
        assert found["vm-person"] == own  # the account's comes before the system's
        for name in names[5:]:
            clip = found[name]
            assert isinstance(clip, FileClip)
            assert Path(clip.path).is_file()
        assert found["prompt://vm-saved"] == found["prompt://system_media/vm-saved/en-us"]


@pytest.mark.parametrize(
    "name",
    ["nobody", "", "gopher://x", "prompt://acc/nobody", "prompt://", "silence_stream://long", "../../etc"],
)
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    with world(tmp_path, account=account(tmp_path)) as here:

        async def work(call: Call) -> None:
            with pytest.raises(MissingDocument) as caught:
                await call.clips_for(name)
            assert caught.value.hint

        here.with_call(work)
        assert here.notices == []


def test_a_url_is_fetched_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.http.files["http://h/a.wav?x=1"] = b"RIFF"

        async def work(call: Call) -> None:
            [one] = await call.clips_for("http://h/a.wav?x=1")
            [two] = await call.clips_for("http://h/a.wav?x=1")
            assert isinstance(one, FileClip)
            assert one == two
            assert one.path.endswith(".wav")
            with pytest.raises(FetchError):
                await call.clips_for("http://h/missing.wav")

        here.with_call(work)
        assert here.notices == []
        assert here.http.fetches == ["http://h/a.wav?x=1", "http://h/missing.wav"]
        [kept] = (tmp_path / "fetched").iterdir()  # no half file stays
        assert kept.read_bytes() == b"RIFF"


def test_a_prompt_that_is_not_there_is_silence_and_a_warning(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            assert await call.prompt("no-such-prompt") == ""
            assert await call.prompt("vm-goodbye") == ""

        here.with_call(work)
        assert here.notices == [("warning", "CF-RUN-PROMPT")]


# ---- endpoints, flows, variables ------------------------------------------------------------


def test_endpoints_of_an_account(tmp_path: Path) -> None:
    with world(tmp_path, account=account(tmp_path)) as here:

        async def work(call: Call) -> None:
            assert [target.id for target in call.endpoints_of_user("u2")] == ["d2", "d4"]
            assert call.endpoint_of_device("d1").document["owner_id"] == "u1"
            with pytest.raises(MissingDocument):
                call.endpoints_of_user("u9")
            with pytest.raises(MissingDocument):
                call.endpoint_of_device("d9")

        here.with_call(work)
        assert here.notices == []


def test_endpoints_without_an_account(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            [user] = call.endpoints_of_user("anybody")
            device = call.endpoint_of_device("any")
            assert (user.endpoint, user.id, device.endpoint, device.id) == (
                "user",
                "anybody",
                "device",
                "any",
            )

        here.with_call(work)
        assert here.notices == []


def test_flows_by_id_and_by_number(tmp_path: Path) -> None:
    with world(tmp_path, account=account(tmp_path)) as here:
        here.with_services(flows={"file": {"numbers": ["9"], "flow": {"module": "noop"}}})

        async def work(call: Call) -> None:
            found = call.find_callflow("main")
            assert found is not None
            assert found.id == "main"
            assert call.find_callflow("nobody") is None
            single = call.route("9")
            assert single is not None
            assert single.id == "file"
            assert call.route("123") is None
            caught = call.route("*3201")
            assert caught is not None
            assert (caught.id, call.capture_group, dict(call.capture_groups)) == (
                "codes",
                "201",
                {"box": "201"},
            )
            assert call.placeholders()["CAPTURE_GROUP"] == "201"
            every = call.route("123", allow_no_match=True)
            assert every is not None
            assert (every.id, call.capture_group) == ("all", "")

        here.with_call(work)
        assert set(here.notices) <= {("warning", "CF-RUN-ROUTE")}
        assert here.notices


def test_variables_by_scope(tmp_path: Path) -> None:
    with world(tmp_path, account=account(tmp_path)) as here:

        async def work(call: Call) -> None:
            variables = call.variables
            assert variables.get("Owner-ID") == "u1"
            assert variables.get("Account-ID", "custom_channel_vars") == "acc"
            assert variables.get("name", "account") == "Acme"
            assert variables.get("caller_id.internal.number", "user") == "77"
            assert variables.get("caller_id.internal.number.deeper", "user") is None
            assert variables.get("language", "device") == "de"
            assert variables.get("language", "merged") == "de"
            assert variables.get("name", "merged") == "Ann"
            assert variables.get("realm", "merged") == "acme.example"
            assert variables.get("realm", "nowhere") is None
            variables.set("lang", "fr", "custom_application_vars")
            variables.set("Owner-ID", None)
            assert variables.get("lang", "custom_application_vars") == "fr"
            assert variables.get("Owner-ID") is None
            assert call.placeholders()["lang"] == "fr"
            assert call.placeholders()["ACCOUNT_REALM"] == "acme.example"
            with pytest.raises(ValueError, match="account"):
                variables.set("name", "x", "account")

        here.with_call(work)
        assert here.notices == []


def test_the_user_is_the_owner_of_the_callers_device(tmp_path: Path) -> None:
    from dataclasses import replace

    with world(tmp_path, account=account(tmp_path)) as here:
        here.caller.party = replace(here.caller.party, user_id="", device_id="d2")

        async def work(call: Call) -> None:
            assert call.placeholders()["USER_ID"] == "u2"
            assert call.placeholders()["DEVICE_ID"] == "d2"

        here.with_call(work)
        assert here.notices == []


# ---- beside the walk ------------------------------------------------------------------------


def test_work_beside_the_walk_is_waited_for_and_may_outlive_the_caller(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def notify(call: Call) -> None:
            await call.services.clock.sleep(20)
            answer = await call.http("post", "http://h/hook", json={"é": 1}, headers={"X": "y"})
            assert answer.status == 200

        async def work(call: Call) -> None:
            call.spawn(notify(call))

        assert here.with_call(work).duration == 0
        [(method, url, body, headers)] = here.http.requests
        assert (method, url, headers) == (
            "post",
            "http://h/hook",
            {"X": "y", "Content-Type": "application/json"},
        )
        assert json.loads(body or b"") == {"é": 1}
        assert here.clock.now() == 20
        assert here.notices == []


def test_what_work_beside_the_walk_raises_is_told(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def fails(error: Exception) -> None:
            raise error

        async def work(call: Call) -> None:
            for error in (FetchError("no answer", hint="?"), RuntimeError("bug"), CallGone("gone")):
                call.spawn(fails(error))

        here.with_call(work)
        assert here.notices == [("error", "CF-DLV-004"), ("error", "CF-RUN-BACKGROUND")]
