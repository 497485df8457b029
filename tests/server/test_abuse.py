"""Who has a token, and wants more than it gives: the processor, the disk, other people's streams."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import callflow
from callflow.documents import check_numbers
from callflow.documents.check_numbers import NumberMap
from callflow.documents.judging import fault
from callflow.documents.patterns import compile_pattern
from callflow.engine.routing import MOST_SLOW, find_flow
from callflow.errors import ApiError
from callflow.server.turns import Turns
from callflow.server.v2 import bounds
from tests.server.stage import Stage, on_stage

ALL = "/v2/accounts/acme/callflows"
LEAF: dict[str, Any] = {"module": "response", "data": {"code": 486}}


def flow(**more: Any) -> dict[str, Any]:
    return {"id": "big", "numbers": ["77"], "flow": LEAF, **more}


def test_documents_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        many = {f"k{number}": LEAF for number in range(bounds.MOST_NODES)}
        large = (
            (flow(numbers=[str(number) for number in range(bounds.MOST_NUMBERS + 1)]), "numbers"),
            (
                flow(patterns=[f"^(a+)+(b|{number})*$" for number in range(bounds.MOST_PATTERNS + 1)]),
                "patterns",
            ),
            (flow(flow={"module": "menu", "data": {}, "children": many}), "flow"),
            (flow(flow={"children": {key: {"modul": 1} for key in many}}), "flow"),
        )
        for document, key in large:
            for method, path in (("PUT", ALL), ("POST", f"{ALL}/validate"), ("POST", f"{ALL}/draw")):
                answer = await stage.ask(method, path, data=document)
                if (path, key) != (f"{ALL}/draw", "numbers"):
                    assert answer.status == 400 and "maxItems" in answer.json["data"][key], (path, key)

    on_stage(tmp_path, main)


def test_not_every_problem_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        wrong = {f"k{number}": {"modul": 1} for number in range(500)}
        document = flow(flow={"module": "menu", "data": {}, "children": wrong})
        found = (await stage.ask("POST", f"{ALL}/validate", data=document)).json["data"]
        assert found["errors"] > bounds.MOST_TOLD == len(found["problems"])
        refused = await stage.ask("PUT", ALL, data=document)
        assert refused.status == 400 and len(refused.json["data"]) <= bounds.MOST_TOLD

    on_stage(tmp_path, main)


def test_an_account_has_room_for_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        monkeypatch.setattr(bounds, "MOST_BYTES", 2000)
        assert (await stage.ask("PUT", ALL, data=flow())).status == 201
        large = flow(description="x" * 2000)
        assert (await stage.ask("POST", f"{ALL}/big", data=large)).status == 409
        assert (await stage.ask("PATCH", f"{ALL}/big", data={"description": "x" * 2000})).status == 409
        assert (await stage.ask("PATCH", f"{ALL}/big", data={"name": "small"})).status == 200
        monkeypatch.setattr(bounds, "MOST_PATTERNS_OF_ACCOUNT", 1)
        two = flow(id="two", numbers=["79"], patterns=["^1$", "^2$"])
        assert (await stage.ask("PUT", ALL, data=two)).status == 409
        assert (await stage.ask("PATCH", f"{ALL}/big", data={"patterns": ["^1$", "^2$"]})).status == 409
        assert (await stage.ask("PATCH", f"{ALL}/big", data={"patterns": ["^1$"]})).status == 200
        monkeypatch.setattr(bounds, "MOST_CALLFLOWS", 1)
        assert (await stage.ask("PUT", ALL, data=flow(id="more", numbers=["78"]))).status == 409

    on_stage(tmp_path, main)


def test_long_work_takes_turns() -> None:
    async def main() -> None:
        turns, loop = Turns("documents", most_waiting=2), asyncio.get_running_loop()
        begun, free = asyncio.Event(), asyncio.Event()

        def long() -> str:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(free.wait(), loop).result()
            return "long"

        first = asyncio.ensure_future(turns.do(long))
        await begun.wait()
        first.cancel()  # its client leaves: the turn is not over
        rest = [asyncio.ensure_future(turns.do(lambda: "short")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as told:
            await turns.do(lambda: "one too many")
        assert told.value.status == 503
        assert not any(each.done() for each in rest)
        free.set()
        assert await asyncio.gather(*rest) == ["short", "short"]

    asyncio.run(main())


def test_lists_are_looked_through_once() -> None:
    unique = {"type": "array", "uniqueItems": True}
    many: list[Any] = [str(number) for number in range(50_000)]
    assert fault(many, unique) == ""  # it took a minute
    assert fault([*many, "7"], unique) and fault([{"a": 1}, {"a": 1}], unique) and fault([1, 1.0], unique)
    assert not fault([1, True, "1", [1], None], unique)


def test_shadows_of_patterns_are_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_numbers, "MOST_SEARCHES", 500)
    patterns = [f"^({number}\\d+)$" for number in range(1000, 1100)]
    numbers = NumberMap(
        {"a": {"patterns": patterns}, "z": {"patterns": [each[:-2] + "+)$" for each in patterns]}}
    )
    for each in patterns:
        numbers.shadow("a", each)
    assert numbers.searches <= 500 + 200 * 64


def test_slow_patterns_do_not_hold_up_every_call() -> None:
    slow = [rf"^(\d|[0-9]|x{number})*$" for number in range(20)]
    number = "1" * 60 + "a"
    found = find_flow(
        number, {"mean": {"patterns": slow}, "good": {"patterns": ["^1+$"]}, "x": {"numbers": [number]}}
    )
    assert found is not None and found.flow_id == "x", "numbers come first"
    assert find_flow(number, {"mean": {"patterns": slow}}) is None
    assert sum(compile_pattern(each).slow for each in slow) == MOST_SLOW, "the rest was not tried"


def test_secrets_are_read_for_what_operators_write_only() -> None:
    """Rules of hosts, webhooks, places of storage, the command line: who adds another place has to ask
    who can write there. Scripts, callflows and bodies of the API must name no secret of the process.
    """
    root = Path(callflow.__file__).parent
    files = {
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if "reveal(" in path.read_text()
    }
    assert files == {
        "documents/secrets.py",
        "delivery/hosts.py",
        "delivery/stores/opened.py",
        "delivery/destinations/http.py",
        "delivery/destinations/event.py",
        "cli/verify.py",
        "cli/receive.py",
    }
