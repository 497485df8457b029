"""Call-IDs as an attacker chooses them."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from callflow.channels.sip.endpoint_calls import MOST_CALL_ID, CallTable
from callflow.clock import VirtualClock
from callflow.delivery.urls import upload_urls
from callflow.state.folder import safe_name
from tests.sip.session.ground import Side, invite, phone, side, virtual

HOSTILE = [
    "../../etc/passwd",
    "a/b?c#d",
    "%00%2e%2e",
    "x" * 20_000,
    "\x1b[2J",
    "C:\\x",
    ".",
    "a b=c call=other",
    "{0}",
]


class Counted(set[str]):
    """Counts how often it is asked."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)


def test_thousands_of_calls_with_one_call_id_do_not_slow_each_other() -> None:
    table = CallTable(VirtualClock())
    table._taken = taken = Counted()
    names = {table.fresh_id("same") for _ in range(3000)}
    assert len(names) == 3000 and "same-3000" in names and taken.asked < 3000 * 3


@pytest.mark.parametrize("call_id", HOSTILE)
def test_a_hostile_call_id_is_one_name_in_a_url_and_no_path(call_id: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            await _called(bob, ann, call_id)

    async def _called(bob: Side, ann: object, call_id: str) -> None:
        invite(ann, bob, call_id=call_id)  # type: ignore[arg-type]
        name = (await bob.next_call()).call_id
        assert len(name) <= MOST_CALL_ID and name.isprintable()
        url = urlsplit(next(upload_urls("http://h/base", name, "wav")))
        assert url.path.count("/") == 2 and not url.query and not url.fragment
        assert unquote(url.path) == f"/base/call_recording_{name}.wav"
        assert "/" not in safe_name(name) and ".." not in safe_name(name)

    virtual(main)
