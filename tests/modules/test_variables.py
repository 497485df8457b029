"""set_variable, set_variables, branch_variable, collect_dtmf: what a flow remembers, and goes by."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from tests.modules.stage import Stage, caller, keyed, node, presses


def _branch(variable: str, scope: str, **children: object) -> dict[str, object]:
    return node("branch_variable", {"variable": variable, "scope": scope}, then=node("noop"), **children)


def test_set_variable_sets_what_branch_variable_reads(stage: Stage) -> None:
    branch = keyed(_branch("call_priority", "custom_channel_vars"), k6=node("answer"))
    ran = stage.run(node("set_variable", {"variable": "call_priority", "value": "6"}, then=branch))
    assert ran.modules == ["set_variable", "branch_variable", "answer"]
    assert ran.notices() == []


def test_set_variable_knows_only_what_kazoo_knows(stage: Stage) -> None:
    ran = stage.run(node("set_variable", {"variable": "colour", "value": "red"}, then=node("noop")))
    (notice,) = ran.notices("warning")
    assert "colour" in notice.message and "set_variables" in notice.hint
    assert ran.walk == [("set_variable", "continue _"), ("noop", "stop")]


def test_set_variables_takes_any_name(stage: Stage) -> None:
    branch = _branch("tier", "custom_application_vars", gold=node("answer"))
    ran = stage.run(node("set_variables", {"custom_application_vars": {"tier": "gold"}}, then=branch))
    assert ran.walk[1] == ("branch_variable", "attempt gold")
    assert ran.modules[-1] == "answer"


def test_set_variables_fills_placeholders_of_later_nodes(stage: Stage) -> None:
    setting = {"custom_application_vars": {"LABEL": "spring"}}
    ran = stage.run(
        node("set_variables", setting, then=node("record_call", {"action": "start", "label": "{LABEL}"}))
    )
    assert ran.row().origin == "callflow : spring"


@pytest.mark.parametrize(
    ("variable", "scope", "child"),
    [
        ("plan.tier", "account", "gold"),
        ("vip", "user", "true"),
        ("floor", "device", "3"),
        ("floor", "merged", "3"),  # the device's before the user's
        ("vip", "merged", "true"),  # the user's before the account's
        ("plan.tier", "merged", "gold"),
        ("nothing", "merged", ""),
        ("plan", "account", ""),  # an object is no child's name
    ],
)
def test_branch_variable_reads_the_documents(stage: Stage, variable: str, scope: str, child: str) -> None:
    stage.has("user", "alice", {"vip": True, "floor": 9})
    stage.has("device", "desk", {"owner_id": "alice", "floor": 3})
    stage.account = type(stage.account)(
        stage.account.id, None, {"plan": {"tier": "gold"}, "vip": False}, stage.account.documents, {}
    )
    children = {key: node("answer") for key in ("gold", "true", "3", "9", "false")}
    branch = node("branch_variable", {"variable": variable, "scope": scope}, then=node("noop"))
    branch["children"].update(children)
    ran = stage.run(branch, Scenario(device_id="desk", caller=caller(leaves=9.0)))
    assert ran.walk[0] == ("branch_variable", f"attempt {child}" if child else "continue _")


def test_branch_variable_goes_on_where_no_child_has_the_name(stage: Stage) -> None:
    branch = _branch("tier", "custom_application_vars", silver=node("answer"))
    ran = stage.run(node("set_variables", {"custom_application_vars": {"tier": "gold"}}, then=branch))
    assert ran.modules[-1] == "noop"


def _collect(data: dict[str, object]) -> dict[str, object]:
    return node("collect_dtmf", data, then=node("noop"))


def test_collect_dtmf_ends_with_enough_digits(stage: Stage) -> None:
    ran = stage.run(
        _collect({"max_digits": 3, "collection_name": "pin"}),
        Scenario(caller=caller(presses(1.0, "123456"), leaves=30.0)),
    )
    assert ran.step("collect_dtmf").did == "collected 3 digits as pin"
    assert ran.report.steps[0].seconds < 2.0


def test_collect_dtmf_ends_with_a_terminator(stage: Stage) -> None:
    ran = stage.run(_collect({"max_digits": 9}), Scenario(caller=caller(presses(1.0, "42#"), leaves=30.0)))
    assert ran.step("collect_dtmf").did == "collected 2 digits as default"
    assert ran.report.steps[0].seconds < 2.0


def test_collect_dtmf_waits_for_its_timeouts(stage: Stage) -> None:
    nothing = stage.run(_collect({"timeout": 3000}), Scenario(caller=caller(leaves=30.0)))
    assert nothing.step("collect_dtmf").did == "collected no digits as default"
    assert nothing.step("collect_dtmf").seconds == pytest.approx(3.0, abs=0.05)
    one = stage.run(
        _collect({"max_digits": 4, "interdigit_timeout": 1500}),
        Scenario(caller=caller(presses(1.0, "7"), leaves=30.0)),
    )
    assert one.step("collect_dtmf").seconds == pytest.approx(2.5, abs=0.15)


def test_collect_dtmf_answers_first(stage: Stage) -> None:
    ran = stage.run(node("collect_dtmf", {"timeout": 100}, then=node("answer")))
    assert ran.step("answer").did == "was answered already"
