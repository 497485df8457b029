"""What calls make the engine keep and do outside of them: files of sound, blocking work."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.engine.sound.kept import KeptSounds
from callflow.engine.turns import Turns
from callflow.events import DocumentChanged
from tests.modules.stage import Stage, caller, node


def test_sounds_that_were_not_used_for_the_longest_time_make_room(tmp_path: Path) -> None:
    """By number and by size; those of an earlier run count, too."""
    for name in ("x1", "x2"):
        (tmp_path / name).write_bytes(b"12345")
    kept = KeptSounds(most_files=4, most_bytes=18)

    def make(name: str, size: int) -> set[str]:
        (tmp_path / name).write_bytes(b"0" * size)
        kept.used(tmp_path / name)
        return {path.name for path in tmp_path.iterdir()}

    assert make("a", 1) == {"x1", "x2", "a"}
    assert make("b", 1) == {"x1", "x2", "a", "b"}
    kept.used(tmp_path / "x1")
    assert make("c", 1) == {"x1", "a", "b", "c"}
    assert make("d", 12) == {"x1", "d", "c"}
    assert make("e", 90) == {"e"}, "the latest stays, whatever its size"


def test_a_flow_whose_texts_differ_for_each_caller_fills_no_disk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callflow.media.speech.speak", lambda wanted, file: _write(file))
    monkeypatch.setattr(KeptSounds.__init__, "__defaults__", (3, 1 << 30))
    texts = [node("tts", {"text": f"Word {number}"}) for number in range(8)]
    for text, after in itertools.pairwise(texts):
        text["children"]["_"] = after
    stage.run(texts[0])
    assert len(list((stage.state / "fetched").iterdir())) == 3


def _write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((Path(__file__).parents[2] / "callflow/media/sounds/en-us/digits-1.wav").read_bytes())


def test_blocking_work_takes_turns_and_keeps_its_turn_when_nobody_waits_any_more() -> None:
    async def run() -> None:
        turns, go, running = Turns(2, 3), threading.Event(), threading.Semaphore(0)

        def work() -> int:
            running.release()
            go.wait(10)
            return 1

        tasks = [asyncio.create_task(turns.run(work)) for _ in range(5)]
        await asyncio.to_thread(lambda: [running.acquire(timeout=10) for _ in range(2)])
        assert [turns.full] == [True]
        tasks[0].cancel()
        tasks[4].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [turns.full] == [False]
        assert not running.acquire(blocking=False), "a third may not begin while two threads are at work"
        go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.cancelled() for task in tasks] == [True, False, False, False, True]

    asyncio.run(run())


def test_what_callers_dial_is_kept_only_if_it_can_be_a_number(stage: Stage) -> None:
    """Captured digits go into documents that are kept for good."""
    stage.has("user", "alice", {})
    stage.has("device", "desk", {"owner_id": "alice"})
    stage.flows = {
        "cf": {"patterns": ["^cf(.*)$"], "flow": node("call_forward", {"action": "activate"})},
        "lamp": {"patterns": ["^lp(.*)$"], "flow": node("manual_presence", {"status": "busy"})},
    }
    for at, end in enumerate(("1" * 500, "1\rX-Evil: 2", "4711")):
        for code in ("cf", "lp"):
            number = f"{code}{end}"
            scenario = Scenario(to_number=number, device_id="desk", caller=caller(leaves=60.0))
            ran = stage.dial(number, scenario)
            assert (len(ran.of(DocumentChanged)) == 1) == (at == 2)
