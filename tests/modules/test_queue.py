"""Queues: callers in order, agents by strategy, recordings, login and pause kept; and the rules alone."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.channels.sim.scenario import (
    Answers,
    Callee,
    HangUp,
    NeverAnswers,
    Party,
    PressDigits,
    Rejects,
    Scenario,
    Timed,
    TransferTo,
)
from callflow.documents.accounts import Account
from callflow.documents.moduledata import prepare_document
from callflow.engine.meeting.queueing import REST_S, Agents, QueueRoom, QueueRules, Waiting
from callflow.errors import MissingDocument
from callflow.events import AgentChanged, CallEnded, PresenceChanged, QueueChanged
from tests.modules.several import Coming, comes, run_all
from tests.modules.stage import HIGH, LOW, ROOT, Ran, Stage, caller, level, loud, node, tone

QUEUE: dict[str, Any] = {"name": "Support", "agents": ["bob", "carol"], "agent_ring_timeout": 10}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Bob and carol are agents of the queue at 3000; *1 login, *2 logout, *3 pause, *4 resume."""
    for name in ("alice", "bob", "carol"):
        stage.has("user", name, {"first_name": name})
        stage.has("device", f"{name}-desk", {"owner_id": name})
    queue(stage)
    member = node("acdc_member", {"id": "support"}, then=node("tones", {"tones": ["%(100,0,800)"]}))
    actions = {"1": "login", "2": "logout", "3": "pause", "4": "resume"}
    stage.flows = {
        "member": {"numbers": ["3000"], "flow": member},
        **{
            id: {"numbers": [f"*{id}"], "flow": node("acdc_agent", {"action": action})}
            for id, action in actions.items()
        },
    }
    return stage


def queue(stage: Stage, **changed: Any) -> None:
    """The queue ``support``, with defaults filled in as an account on disk has them."""
    document = {"id": "support", **QUEUE, **changed}
    stage.has("queue", "support", prepare_document("queue", document).data)


def calls(at: float, *, leaves: float | None = None, callee: Callee | None = None, **parts: Any) -> Coming:
    scenario = Scenario(
        caller=caller(says=[tone(LOW, 100.0)], leaves=leaves), callee=callee or agent(1.0), **parts
    )
    return comes(at, "3000", scenario)


def agent(after: float, *, talks: float | None = None, **script: Any) -> Callee:
    """An agent who answers so late and hangs up after ``talks`` seconds."""
    ends = () if talks is None else (Timed(talks, HangUp()),)
    return Callee(Answers(after), Party(clips=(tone(HIGH, 100.0),), script=ends))


def phones(at: float, number: str, device: str) -> Coming:
    return comes(at, number, Scenario(device_id=device))


def story(ran: Ran) -> list[tuple[float, str, str]]:
    """What the queue did with a caller: when, what, and to whom or why."""
    return [(round(e.time, 2), e.change, e.agent or e.reason) for e in ran.of(QueueChanged)]


# ---- callers --------------------------------------------------------------------------------


def test_acdc_member_hears_music_and_talks_with_an_agent_who_is_recorded(office: Stage) -> None:
    queue(office, record_caller=True)
    (ran,) = run_all(office, calls(0, callee=agent(4.0, talks=10.0)))
    assert story(ran) == [
        (0, "entered", ""),
        (0, "offered", "bob"),
        (4, "connected", "bob"),
        (14, "handled", "bob"),
    ]
    assert ran.walk == [("acdc_member", "stop")]
    row = ran.row()
    assert (row.origin, row.samples, row.state) == ("acdc : support", 10 * 8000, "READY")
    sound = ran.sound(row)
    assert level(sound[:, 0], LOW, 0.1, 9.9) > 3000 and level(sound[:, 1], HIGH, 0.1, 9.9) > 3000


def test_a_recording_of_the_call_runs_through_wait_and_talk(office: Stage) -> None:
    flow = node(
        "record_call", {"action": "start", "format": "wav"}, then=node("acdc_member", {"id": "support"})
    )
    office.flows["member"] = {"numbers": ["3000"], "flow": flow}
    (ran,) = run_all(office, calls(0, callee=agent(6.0, talks=6.0)))
    sound = ran.sound(ran.row())
    assert ran.row().samples == 12 * 8000
    assert loud(sound[:, 1], 0.1, 5.9) > 20 and level(sound[:, 1], HIGH, 0.1, 5.9) < 30
    assert level(sound[:, 1], HIGH, 6.1, 11.9) > 3000 and level(sound[:, 0], LOW, 0.1, 11.9) > 3000


def test_callers_are_taken_in_order_and_those_of_a_higher_priority_first(office: Stage) -> None:
    queue(office, agents=["bob"], agent_wrapup_time=3)
    vip = node("acdc_member", {"id": "support", "priority": 5})
    office.flows["vip"] = {"numbers": ["3001"], "flow": vip}
    urgent = comes(3, "3001", calls(0, callee=agent(1.0, talks=5.0)).scenario)
    first, second, third = run_all(
        office, calls(0, callee=agent(1.0, talks=9.0)), calls(2, callee=agent(1.0, talks=5.0)), urgent
    )
    assert story(first)[-1] == (10, "handled", "bob")
    assert story(third)[1:] == [(13, "offered", "bob"), (14, "connected", "bob"), (19, "handled", "bob")]
    assert story(second)[1:] == [(22, "offered", "bob"), (23, "connected", "bob"), (28, "handled", "bob")]
    assert [e.position for e in second.of(QueueChanged)][:2] == [1, 1]


def test_agents_are_taken_in_turn_and_one_who_misses_a_call_rests(office: Stage) -> None:
    endpoints = {"bob-desk": Callee(NeverAnswers()), "carol-desk": agent(2.0, talks=5.0)}
    (ran,) = run_all(office, calls(0, endpoints=endpoints))
    assert story(ran)[1:] == [
        (0, "offered", "bob"),
        (10, "missed", "bob"),
        (10, "offered", "carol"),
        (12, "connected", "carol"),
        (17, "handled", "carol"),
    ]


def test_an_agent_who_rejects_at_once_is_not_hammered(office: Stage) -> None:
    queue(office, agents=["bob"], connection_timeout=12)
    (ran,) = run_all(office, calls(0, callee=Callee(Rejects("USER_BUSY"))))
    offers = [at for at, change, _ in story(ran) if change == "offered"]
    assert offers == [0, REST_S, 2 * REST_S]
    assert story(ran)[-1] == (12, "left", "timeout")
    assert ran.modules == ["acdc_member", "tones"]


def test_ring_all_rings_everybody_for_the_first_in_the_line(office: Stage) -> None:
    queue(office, strategy="ring_all")
    endpoints = {"bob-desk": Callee(NeverAnswers()), "carol-desk": agent(2.0, talks=5.0)}
    (ran,) = run_all(office, calls(0, endpoints=endpoints))
    assert story(ran)[1:] == [
        (0, "offered", "bob"),
        (0, "offered", "carol"),
        (2, "connected", "carol"),
        (7, "handled", "carol"),
    ]


def test_two_callers_talk_with_two_agents_at_once(office: Stage) -> None:
    one, two = run_all(office, calls(0, callee=agent(1.0, talks=9.0)), calls(1, callee=agent(1.0, talks=9.0)))
    assert story(one)[2] == (1, "connected", "bob") and story(two)[2] == (2, "connected", "carol")


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"max_queue_size": 1}, "full"), ({"agents": [], "enter_when_empty": False}, "empty")],
)
def test_who_is_not_let_in_goes_on(office: Stage, changed: dict[str, Any], why: str) -> None:
    queue(office, **changed)
    never = Callee(NeverAnswers())
    *_, late = run_all(office, calls(0, leaves=20.0, callee=never), calls(2, callee=never))
    assert story(late) == [(2, "left", why)] and late.modules == ["acdc_member", "tones"]


def test_the_exit_key_leads_out_even_while_an_agent_rings(office: Stage) -> None:
    script = (Timed(4.0, PressDigits("5"), since="start"), Timed(6.0, PressDigits("#"), since="start"))
    scenario = Scenario(caller=Party(script=script), callee=Callee(NeverAnswers()))
    (ran,) = run_all(office, comes(0, "3000", scenario))
    assert story(ran)[-1] == (6, "left", "exit_key") and ran.modules == ["acdc_member", "tones"]


def test_a_caller_who_hangs_up_leaves_the_agent_free_for_the_next(office: Stage) -> None:
    queue(office, agents=["bob"], record_caller=True)
    slow = agent(8.0, talks=5.0)
    gone, served = run_all(office, calls(0, leaves=4.0, callee=slow), calls(1, callee=agent(1.0, talks=5.0)))
    assert story(gone)[-1] == (4, "left", "hangup") and gone.row().state == "CANCELLED"
    assert story(served)[1] == (4, "offered", "bob") and served.row().samples == 5 * 8000


def test_an_agent_may_transfer_the_caller(office: Stage) -> None:
    queue(office, agents=["bob"])
    office.flows["next"] = {"numbers": ["4000"], "flow": node("tones", {"tones": ["%(900,0,800)"]})}
    script = (Timed(3.0, TransferTo("4000")),)
    (ran,) = run_all(office, calls(0, callee=Callee(Answers(1.0), Party(script=script))))
    assert ran.modules == ["acdc_member", "tones"]
    assert [e.cause for e in ran.of(CallEnded)] == ["NORMAL_CLEARING"]


def test_callers_are_told_their_place(office: Stage) -> None:
    queue(office, agents=[], announcements={"position_announcements_enabled": True, "interval": 10})
    flow = node(
        "record_call", {"action": "start", "format": "wav"}, then=node("acdc_member", {"id": "support"})
    )
    office.flows["member"] = {"numbers": ["3000"], "flow": flow}
    (ran,) = run_all(office, calls(0, leaves=19.5))
    heard = ran.sound(ran.row())[:, 1]
    assert loud(heard, 10.1, 12.0) > 2 * loud(heard, 5.1, 7.0)  # words are louder than the music
    assert loud(heard, 13.0, 19.4) > 20  # and the music comes back


def test_a_queue_that_is_not_there(office: Stage) -> None:
    (ran,) = run_all(office, comes(0, "x", Scenario(), node("acdc_member", {"id": "nowhere"})))
    assert [notice.code for notice in ran.notices("error")] == [MissingDocument.code]


# ---- agents ---------------------------------------------------------------------------------


def test_acdc_agent_logs_out_for_good_and_in_again(office: Stage) -> None:
    queue(office, agents=["bob"])
    out, waiting = run_all(
        office, phones(0, "*2", "bob-desk"), calls(5, leaves=30.0, callee=agent(1.0, talks=5.0))
    )
    assert [(e.agent, e.status) for e in out.of(AgentChanged)] == [("bob", "logged_out")]
    assert story(waiting) == [(5, "entered", ""), (35, "left", "hangup")]
    # A new engine on the same state folder: bob is still out, until he logs in.
    waiting, login = run_all(office, calls(0, callee=agent(1.0, talks=5.0)), phones(8, "*1", "bob-desk"))
    assert login.modules == ["acdc_agent"] and story(waiting)[1][:2] == (story(waiting)[1][0], "offered")
    assert 8 <= story(waiting)[1][0] < 12


def test_acdc_agent_pauses_for_a_while(office: Stage) -> None:
    queue(office, agents=["bob"])
    pause = node("acdc_agent", {"action": "pause", "timeout": 20, "presence_id": "bob-p"})
    office.flows["3"] = {"numbers": ["*3"], "flow": pause}
    paused, waiting = run_all(office, phones(0, "*3", "bob-desk"), calls(3, callee=agent(1.0, talks=5.0)))
    assert [(e.presence_id, e.status) for e in paused.of(PresenceChanged)] == [("bob-p", "ringing")]
    assert story(waiting)[1] == (20, "offered", "bob")


@pytest.mark.parametrize(("device", "did"), [("", "no agent"), ("alice-desk", "alice: ready → ready")])
def test_acdc_agent_that_makes_no_difference(office: Stage, device: str, did: str) -> None:
    (ran,) = run_all(office, phones(0, "*1", device))
    assert did in ran.report.steps[0].did


def test_acdc_queue_is_for_one_queue(office: Stage) -> None:
    queue(office, agents=["bob"])
    login = node("acdc_queue", {"action": "login", "id": "support"})
    logout = node("acdc_queue", {"action": "logout", "id": "support"})
    office.flows |= {"i": {"numbers": ["*5"], "flow": login}, "o": {"numbers": ["*6"], "flow": logout}}
    *_, waiting = run_all(
        office,
        phones(0, "*6", "bob-desk"),
        phones(0, "*5", "alice-desk"),
        calls(5, callee=agent(1.0, talks=5.0)),
    )
    assert story(waiting)[1:3] == [(5, "offered", "alice"), (6, "connected", "alice")]


def test_acdc_wait_time_goes_by_the_average(office: Stage) -> None:
    queue(office, agents=["bob"])
    tree = node("acdc_wait_time", {"id": "support", "window": 60})
    for key in ("2", "6", "30", "soon", "_"):
        tree["children"][key] = node("tones", {"tones": ["%(100,0,800)"]})
    ask = [comes(at, "x", Scenario(), tree) for at in (0, 20, 120)]
    before, after, later, *_ = run_all(
        office, *ask, calls(0, callee=agent(4.0, talks=3.0)), calls(1, callee=agent(4.0, talks=3.0))
    )
    assert [ran.walk[0][1] for ran in (before, after, later)] == ["continue _", "continue 6", "continue _"]


def test_the_example_queue_is_sound() -> None:
    account = Account.load(ROOT / "examples/office")
    assert not account.broken
    assert QueueRules.read(account.get("queue", "support") or {}).agents == ("bob", "carol")


# ---- the rules alone ------------------------------------------------------------------------


def rules(**changed: Any) -> QueueRules:
    said = {
        "strategy": "round_robin",
        "agents": (),
        "ring_s": 15.0,
        "wrapup_s": 0.0,
        "connection_timeout_s": 0.0,
        "max_size": 0,
        "enter_when_empty": True,
        "exit_key": "#",
        "simultaneously": 1,
    }
    return QueueRules(**{**said, **changed})


def test_most_idle_is_who_had_no_call_for_the_longest_time() -> None:
    agents = Agents()
    for name, at in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
        agents.offer(name)
        agents.handled(name, 0.0, at)
    assert agents.free(["a", "b", "c"], "most_idle", 40.0) == ["b", "c", "a"]
    assert agents.free(["a", "b", "c"], "round_robin", 40.0) == ["a", "b", "c"]
    agents.offer("b")
    assert agents.free(["a", "b", "c"], "most_idle", 40.0) == ["c", "a"]


def test_agents_are_for_those_who_wait_longer_and_are_not_rung_for_already() -> None:
    room = QueueRoom()
    one, two, three = (Waiting(name, 0, 0.0, lambda: None) for name in "123")
    for waiting in (one, two, three):
        room.enter(waiting)
    assert room.choose(two, ["a"], rules()) == [] and room.choose(one, ["a"], rules()) == ["a"]
    one.ringing = True
    assert room.choose(two, ["b"], rules()) == ["b"]
    assert room.choose(three, ["b", "c", "d", "e"], rules(simultaneously=2)) == ["d", "e"]
    assert room.choose(three, ["b", "c"], rules(strategy="ring_all")) == []
