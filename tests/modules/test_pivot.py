"""pivot and nomorobo: what a web server is told, and what becomes of its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from callflow.channels.sim.scenario import Callee, Scenario, Timed
from callflow.errors import InvalidDocument
from callflow.modules import _twiml, pivot
from callflow.modules.nomorobo import chosen, national
from tests.modules.stage import LOW, NEVER, Ran, Stage, answers, caller, node, presses, rejects, tone


@dataclass
class Server:
    """What came; ``answers``: body (or status and body) by path."""

    answers: dict[str, Any]
    url: str = ""
    came: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)


@contextmanager
def serving(**by_path: Any) -> Iterator[Server]:
    server = Server({f"/{path}": answer for path, answer in by_path.items()})

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = self.headers.get("Content-Type") == "application/json"
            told = json.loads(body) if is_json else dict(parse_qsl(body or parts.query))
            server.came.append((self.command, parts.path, told))
            server.headers.append(dict(self.headers))
            answer = server.answers.get(parts.path, (404, ""))
            status, said = answer if isinstance(answer, tuple) else (200, answer)
            sent = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if isinstance(said, dict) else "text/xml")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _take

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=lambda: http.serve_forever(0.01))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _call(
    stage: Stage, server: Server, *script: Timed, callee: Callee = NEVER, leaves: float = 60.0, **data: Any
) -> Ran:
    asked = {"voice_url": f"{server.url}/voice", **data}
    party = caller(*script, says=[tone(LOW, 5)], leaves=leaves)
    scenario = Scenario(from_number="+15550100", from_name="Zoë", caller=party, callee=callee)
    return stage.run(node("pivot", asked, then=node("noop")), scenario)


def _twiml_call(stage: Stage, twiml: str, *script: Timed, callee: Callee = NEVER, **more: Any) -> Ran:
    """One call whose server answers so; ``next`` is asked afterwards, and hangs up."""
    with serving(voice=f"<Response>{twiml}</Response>", next="<Response><Hangup/></Response>") as server:
        ran = _call(stage, server, *script, callee=callee, req_format="twiml", **more)
    stage.variables = {"told": json.dumps([told for _, path, told in server.came if path == "/next"])}
    return ran


def _told(stage: Stage) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(stage.variables["told"])
    return found


def test_pivot_goes_on_with_the_callflow_that_it_is_given(stage: Stage) -> None:
    flow = node("record_call", {"action": "start"}, then=node("sleep", {"duration": 2}))
    with serving(voice=flow) as server:
        ran = _call(stage, server)
    assert ran.modules == ["pivot", "record_call", "sleep"] and ran.notices() == []
    ((verb, _, told),) = server.came
    assert verb == "GET" and told == {
        "Call-ID": ran.report.call_id, "Account-ID": "account", "From": "+15550100",
        "From-Realm": "localhost",
        "To": "2000", "To-Realm": "localhost", "Request": "2000", "Request-Realm": "localhost",
        "Call-Status": "ringing", "Api-Version": "4.x", "Direction": "inbound", "Caller-ID-Name": "Zoë",
        "Caller-ID-Number": "+15550100", "Language": "en-us",
    }  # fmt: skip


def test_pivot_posts_forms_or_json_with_headers_of_its_own(stage: Stage) -> None:
    with serving(voice={"flow": node("noop")}) as server:
        data: dict[str, Any] = {"req_body_format": "json", "custom_request_headers": {"X-Key": "abc"}}
        ran = _call(stage, server, method="POST", **data, debug=True)
        _call(stage, server, method="post")
    assert [(verb, told["To"]) for verb, _, told in server.came] == [("POST", "2000")] * 2
    assert server.headers[0]["X-Key"] == "abc"
    assert [notice.code for notice in ran.notices()] == ["CF-RUN-PIVOT-DEBUG"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, "{}"), (404, ""), "", "junk", "{", "<Response>", "<Reply/>", {}, "[1]", {"data": {}},
        '<!DOCTYPE x [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>',
        "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, " " * 600_000,
        "<Response>" + "<Say>1</Say>" * 300 + "</Response>",
    ],
    ids=range(15),
)  # fmt: skip
def test_pivot_explains_a_bad_answer_and_goes_on(stage: Stage, answer: Any) -> None:
    with serving(voice=answer) as server:
        ran = _call(stage, server)
    (notice,) = ran.notices()
    assert (notice.level, notice.code) == ("error", "CF-RUN-PIVOT") and notice.hint
    assert ran.modules == ["pivot", "noop"]


def test_pivot_without_a_server_and_without_an_end(stage: Stage) -> None:
    gone = Server({}, "http://127.0.0.1:9")
    ran = _call(stage, gone)
    assert [notice.code for notice in ran.notices()] == ["CF-RUN-PIVOT"] and ran.modules[-1] == "noop"
    with serving(voice="<Response><Redirect>/voice?secret=7</Redirect></Response>") as server:
        ran = _call(stage, server)
    assert len(server.came) == pivot.MAX_REQUESTS and ran.modules[-1] == "noop"


def test_pivot_tells_cdr_url_when_the_call_has_ended(stage: Stage) -> None:
    with serving(voice=node("sleep", {"duration": 3}), cdr="") as server:
        ran = _call(stage, server, cdr_url=f"{server.url}/cdr")
    verb, path, told = server.came[-1]
    assert (verb, path, told["Call-Status"], told["Duration-Seconds"]) == ("POST", "/cdr", "completed", "3")
    assert told["Hangup-Cause"] == "NORMAL_CLEARING" and ran.notices() == []


# ---- TwiML ----------------------------------------------------------------------------------


def test_twiml_says_plays_pauses_and_hangs_up_at_its_end(stage: Stage) -> None:
    ran = _twiml_call(stage, '<Say>42</Say><Play>tone_stream://%(500,0,440)</Play><Pause length="2"/>')
    assert ran.step("pivot").did == "came to the end of the TwiML"
    assert 3.0 < ran.report.seconds < 6.0 and ran.notices() == []


def test_twiml_gathers_digits_and_asks_with_them(stage: Stage) -> None:
    gather = (
        '<Gather numDigits="3" action="/next" timeout="4"><Say>1</Say><Pause length="1"/></Gather><Reject/>'
    )
    ran = _twiml_call(stage, gather, presses(1.0, "123"))
    assert [told["Digits"] for told in _told(stage)] == ["123"] and ran.step("pivot").did.startswith(
        "hung up"
    )
    (told,) = _told(stage)
    assert (told["CallSid"], told["CallStatus"], told["ApiVersion"]) == (
        ran.report.call_id,
        "in-progress",
        "2010-04-01",
    )
    silent = _twiml_call(stage, gather)
    assert _told(stage) == [] and silent.step("pivot").did == "rejected the call: rejected"


def test_twiml_records_the_caller_and_asks_with_the_recording(stage: Stage) -> None:
    ran = _twiml_call(stage, '<Record action="/next" timeout="3" maxLength="20"/>', method="post")
    (told,) = _told(stage)
    assert told["RecordingSid"] == ran.row().id and 4 <= int(told["RecordingDuration"]) <= 8
    assert (ran.row().channels, ran.row().reason, ran.row().state) == (1, "silence", "READY")
    _twiml_call(stage, '<Record action="/next"/>', presses(3.0, "#"))
    assert _told(stage)[0]["Digits"] == "#"


@pytest.mark.parametrize(
    ("callee", "status"),
    [(answers(1.0, leaves=4.0), "completed"), (rejects("USER_BUSY"), "busy"), (NEVER, "no-answer"),
     (rejects("CALL_REJECTED"), "failed")],
)  # fmt: skip
def test_twiml_dials_users_and_numbers(stage: Stage, callee: Callee, status: str) -> None:
    for party in ("<User>alice</User>", "+15550199", "<Number>+15550199</Number><User>bob</User>"):
        ran = _twiml_call(
            stage, f'<Dial action="/next" timeout="5" callerId="555">{party}</Dial>', callee=callee
        )
        (told,) = _told(stage)
        assert told["DialCallStatus"] == status and ran.notices() == []
    assert ("DialCallDuration" in told) == (status == "completed")


def test_twiml_goes_on_after_a_dial_without_action(stage: Stage) -> None:
    ran = _twiml_call(
        stage, "<Dial timeout='2'>+1</Dial><Reject reason='busy'/>", callee=rejects("USER_BUSY")
    )
    assert ran.report.cause == "USER_BUSY"


def test_twiml_that_nothing_here_can_do_is_passed_over(stage: Stage) -> None:
    odd = "<Sms>hello</Sms><Dial record='true'><Conference>a</Conference></Dial><Say>hello</Say>"
    ran = _twiml_call(stage, f"{odd}<Gather timeout='1'><Dial/></Gather><Play>/none.wav</Play>")
    warned = [notice.message for notice in ran.notices("warning") if notice.code == "CF-RUN-TWIML"]
    said = " ".join(warned)
    assert "<Sms>" in said and "<Conference>" in said and "record" in said and "<Gather>" in said
    assert "<Play> is not heard" in said and ran.notices("error") == []


def test_twiml_sets_variables_and_sends_digits(stage: Stage) -> None:
    given = "<Set><Variable key='tier' value='gold'/></Set><Play digits='1w2'/>"
    given += "<Redirect method='get'>/next</Redirect>"
    ran = _twiml_call(stage, given)
    assert len(_told(stage)) == 1 and ran.report.seconds == pytest.approx(0.6, abs=0.2)


def test_twiml_numbers_are_bounded() -> None:
    (verb,) = _twiml.parse("<Response><Pause length='1e99' loop='-3' numDigits='x' nan='nan'/></Response>")
    assert verb.seconds("length", 1.0, 60.0) == 1.0 and verb.count("loop", 1, 9) == 0
    assert verb.count("numDigits", 4, 9) == 4 and verb.seconds("nan", 2.0, 9.0) == 2.0
    with pytest.raises(InvalidDocument):
        _twiml.parse("<a/>")


# ---- nomorobo -------------------------------------------------------------------------------


def _scored(stage: Stage, answer: Any, *keys: str) -> tuple[Ran, Server]:
    with serving(score=answer) as server:
        data = {"username": "me", "password": "hush", "url": f"{server.url}/score?v=1"}
        children = {key: node("noop") for key in keys}
        ran = stage.run(
            {**node("nomorobo", data), "children": children},
            Scenario(from_number="+15550100123", to_number="2000", caller=caller(leaves=5.0)),
        )
    return ran, server


def test_nomorobo_branches_by_the_score(stage: Stage) -> None:
    ran, server = _scored(stage, {"score": 0.68}, "_", "6", "10")
    assert ran.walk[0] == ("nomorobo", "continue 6") and ran.step("nomorobo").did == "the score is 6 of 10"
    ((verb, path, told),) = server.came
    assert (verb, path, told) == ("GET", "/score", {"v": "1", "From": "5550100123", "To": "2000"})
    assert server.headers[0]["Authorization"] == "Basic bWU6aHVzaA=="


@pytest.mark.parametrize("answer", [(403, ""), "junk", {"score": "much"}, {"points": 1}, {"score": None}])
def test_nomorobo_without_a_score(stage: Stage, answer: Any) -> None:
    ran, _ = _scored(stage, answer, "_", "0", "5")
    assert ran.walk[0] == ("nomorobo", "continue _")
    (notice,) = ran.notices()
    assert notice.code == "CF-RUN-NOMOROBO" and "hush" not in notice.message
    assert _scored(stage, answer, "0", "5")[0].walk[0] == ("nomorobo", "continue 0")
    assert _scored(stage, answer, "5")[0].walk == [("nomorobo", "stop")]


def test_nomorobo_takes_the_highest_step_that_is_reached() -> None:
    keys = ["0", "10", "3", "6", "x", "03", "11"]
    assert [chosen(score, keys) for score in range(11)] == ["0"] * 3 + ["3"] * 3 + ["6"] * 4 + ["10"]
    assert chosen(2, ["5", "7"]) == "5" and chosen(2, ["_", "5"]) == "_" and chosen(2, []) == "_"
    assert [national(number) for number in ("+15550100123", "5550100123", "+4930123")] == [
        "5550100123",
        "5550100123",
        "4930123",
    ]


@pytest.mark.parametrize("depth", [1, 3])
def test_a_server_that_answers_with_itself_does_not_keep_the_call(stage: Stage, depth: int) -> None:
    """Flow after flow that asks the server again: a circle like that of callflows, with the same limit."""
    stage.set(callflow__max_branch_count=7)
    with serving() as server:
        flow = node("pivot", {"voice_url": f"{server.url}/voice"})
        for _ in range(depth):
            flow = node("noop", then=flow)
        server.answers["/voice"] = flow
        ran = _call(stage, server)
    assert len(server.came) == 8
    assert [notice.code for notice in ran.notices("error")] == ["CF-ENG-002"]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.mark.parametrize(
    "body",
    [
        '{"module": "sleep", "data": {"duration": ' + "9" * 100_000 + "}}",
        '{"module": "noop", "children": {"_": ' * 20_000,
        "<Response>" + "<Say>" * 30_000 + "</Say>" * 30_000 + "</Response>",
        '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><Response><Say>&b;</Say></Response>',
        '<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]><Response><Say>&f;</Say></Response>',
        "<Response>" + "<Hangup/>" * 1000 + "</Response>",
    ],
)
def test_bombs_are_answers_that_cannot_be_used(body: str) -> None:
    with pytest.raises(InvalidDocument):
        pivot.read_answer(_Answer(200, {}, body.encode()))


@pytest.mark.parametrize(
    "media", ["file:///etc/passwd", "/etc/passwd", "../../../etc/passwd", "local_stream://x", "shell://id"]
)
def test_an_answer_plays_no_file_of_the_server(stage: Stage, media: str) -> None:
    with serving(voice=node("play", {"id": media})) as server:
        ran = _call(stage, server)
    assert [notice.code for notice in ran.notices("error")] == ["CF-DOC-003"]
    assert ran.step("play").did == "failed"
