"""What a fuzz has found that was read, and should not have been."""

from __future__ import annotations

import pytest

from callflow.clock import VirtualClock
from tests.sip.session.ground import Talk, phone, side, virtual


@pytest.mark.parametrize("name", ["From", "To"])
def test_a_star_is_the_address_of_nobody(name: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            whole = Talk(ann, bob.hop.port, "c1").text("OPTIONS").decode()
            lines = [f"{name}: *" if line.startswith(name) else line for line in whole.split("\r\n")]
            ann.send("\r\n".join(lines), bob.hop.port)
            await clock.sleep(1.0)
            assert ann.count(200) == 0

    virtual(main)
