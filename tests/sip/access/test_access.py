"""Registrations that outlive the process, names of gateways, documents that change: in virtual time."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from callflow.channels.channel import DialTarget, Party
from callflow.channels.sip.access import Access
from callflow.channels.sip.admission import Admitted
from callflow.channels.sip.registrar import Binding
from callflow.channels.sip.registrar_file import NAME, read_bindings, write_bindings
from callflow.channels.sip.transport import Hop
from callflow.clock import VirtualClock, run_virtual
from callflow.state.folder import StateFolder
from tests.sip.access.support import ACME, PHONE, WALL, account, accounts, device, register, request, settings

WHO = Admitted("acme", Party("1001", "", device_id="desk"), "acme.example", username="desk7")
ROW = Binding(
    "acme",
    "desk",
    "sip:a@b",
    WALL + 100,
    0.5,
    "c",
    7,
    Hop("udp", "192.0.2.1", 5),
    ("sip:e;lr",),
    "<urn:x>",
    2,
    "P",
)


async def nowhere(name: str) -> tuple[str, ...]:
    return ()


def run(work: Callable[[VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock(WALL)

    async def whole() -> None:
        await work(clock)

    run_virtual(whole(), clock)


def test_bindings_survive_a_restart(tmp_path: Path) -> None:
    async def first(clock: VirtualClock) -> None:
        access = Access(accounts(ACME), settings(), clock, state=tmp_path, resolve=nowhere)
        await access.start()
        answer = access.registrar.register(register("<sip:desk7@10.0.0.9>;expires=600"), PHONE, WHO)
        assert answer.status == 200 and not (tmp_path / NAME).exists(), "not on the way of the answer"
        await clock.sleep(3.0)
        assert read_bindings(tmp_path)[0].contact == "sip:desk7@10.0.0.9"
        access.registrar.register(register("<sip:other@10.0.0.9>;expires=900", cseq=2), PHONE, WHO)
        await access.close()

    async def second(clock: VirtualClock) -> None:
        access = Access(accounts(ACME), settings(), clock, state=tmp_path, resolve=nowhere)
        await access.start()
        assert len(access.registrar.bindings("acme", "desk")) == 2
        (first, other) = access.locator.expand("acme", DialTarget("device", "desk"))
        way = access.locator.way("acme", first, Party("1", "2"))
        assert {first.contact, other.contact} == {
            "sip:desk7@10.0.0.9",
            "sip:other@10.0.0.9",
        } and way.hop == PHONE
        await access.reload(accounts(account(device={"new": device()})), settings())
        assert access.registrar.count == 0
        await access.close()
        assert read_bindings(tmp_path) == []

    run(first)
    run(second)


def test_the_file_holds_all_of_a_binding(tmp_path: Path) -> None:
    stream = Binding("acme", "desk", "sip:t@b", WALL, 1.0, "c", 1, Hop("tls", "192.0.2.2", 6, 77))
    write_bindings(tmp_path, [ROW, stream])
    first, second = read_bindings(tmp_path)
    assert first == ROW and second.hop == Hop("tls", "192.0.2.2", 6), "a connection ends with its process"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"bindings": 7}',
        '{"bindings": [7, null, {}, {"contact": 1}]}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=["empty", "cut", "a list", "no rows", "odd rows", "deep", "not UTF-8"],
)
def test_a_damaged_file_costs_only_itself(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_bindings(tmp_path) == []


@pytest.mark.parametrize("key", ["account_id", "contact", "expires_at", "cseq", "hop", "path", "q"])
def test_a_damaged_row_costs_only_itself(tmp_path: Path, key: str) -> None:
    write_bindings(tmp_path, [ROW, ROW])
    body = json.loads((tmp_path / NAME).read_text())
    body["bindings"][0][key] = {"what": "is this"}
    (tmp_path / NAME).write_text(json.dumps(body))
    assert read_bindings(tmp_path) == [ROW]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bindings(tmp_path, [ROW])
    monkeypatch.setattr("callflow.channels.sip.registrar_file.MAX_BYTES", 10)
    assert read_bindings(tmp_path) == []


def test_a_disk_that_cannot_be_written_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"

    async def work(clock: VirtualClock) -> None:
        access = Access(accounts(ACME), settings(), clock, state=state, resolve=nowhere)
        await access.start()
        access.registrar.register(register("<sip:a@b>"), PHONE, WHO)
        await clock.sleep(5.0)
        assert "registrations cannot be written" in caplog.text
        state.mkdir()
        await clock.sleep(5.0)
        assert len(read_bindings(state)) == 1
        await access.close()

    run(work)


def test_names_of_gateways_are_looked_up_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    addresses: dict[str, tuple[str, ...]] = {"sip.carrier.example": ("192.0.2.1",)}
    asked: list[str] = []

    async def resolve(name: str) -> tuple[str, ...]:
        asked.append(name)
        return addresses.get(name, ())

    carrier = {"name": "C", "gateways": [{"server": "sip.carrier.example"}, {"server": "192.0.2.9"}]}
    found = accounts(account(resource={"carrier": carrier}, device={"desk": device()}))

    async def work(clock: VirtualClock) -> None:
        access = Access(found, settings(), clock, resolve=resolve)
        await access.start()

        def known(host: str) -> bool:
            return isinstance(access.admission.judge(request(), Hop("udp", host, 5060)), Admitted)

        assert known("192.0.2.1") and known("192.0.2.9") and not known("192.0.2.2")
        addresses["sip.carrier.example"] = ("192.0.2.2", "2001:db8::2")
        await clock.sleep(61.0)
        assert known("192.0.2.2") and known("2001:db8::2") and not known("192.0.2.1")
        addresses.clear()
        await clock.sleep(60.0)
        assert known("192.0.2.2"), "what was known stays while the name has no address"
        assert "gateway sip.carrier.example has no address" in caplog.text
        await access.reload(found, settings())
        assert known("192.0.2.2")
        await access.close()
        assert asked == ["sip.carrier.example"] * 4, "once each time; never for a request"

    run(work)


def test_the_file_is_for_nobody_else(tmp_path: Path) -> None:
    """Nor is the state folder: it holds what people say on the phone."""
    folder = StateFolder.open(tmp_path / "state")
    write_bindings(folder.root, [ROW])
    assert folder.root.stat().st_mode & 0o077 == 0
    assert (folder.root / NAME).stat().st_mode & 0o077 == 0
