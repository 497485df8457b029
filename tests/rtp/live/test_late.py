"""A leg that begins while the pump stands still: its sound is where it came, all of it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.media.listening import stereo
from tests.rtp.live.memory import MemoryNet
from tests.rtp.live.stage import Stage, tone

TICK_S = 0.01


@pytest.mark.parametrize(
    ("stall", "first", "hold_ms"), [(30, 2, 200), (70, 2, 60), (70, 24, 200), (120, 60, 60)]
)
def test_a_leg_that_begins_during_a_stall_is_heard_where_it_came(
    stall: int, first: int, hold_ms: int
) -> None:
    """Ticks are ``stall`` too late at once; a phone speaks from the ``first`` of them on."""
    net = MemoryNet(stamps=True)
    with Stage(net) as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000, latch=True, jitter_ms=hold_ms)
        tap = stereo("a")
        stage.pump.attach(tap)
        stage.tick(20)
        begin = stage.pump.now

        def time_goes_on(number: int) -> None:
            net.run(begin + number * TICK_S)
            if number >= first and (number - first) % 2 == 0:
                phone.say(tone(160, (number - first) * 80), port)

        for number in range(stall):
            time_goes_on(number)
        for number in range(stall, stall + 60):
            time_goes_on(number)
            while net.now - stage.pump.now > TICK_S / 2:
                stage.events += stage.pump.advance(net.now)[1]
        stage.pump.catch_up(tap)
        stats = stage.pump.plane(8000).io.stats(0)  # type: ignore[attr-defined]
        assert (stats.late, stats.lost, stats.concealed) == (0, 0, 0)
        said = tap.sound[0].astype(np.int64)
        begins = int(np.flatnonzero(np.abs(said) > 100)[0]) / 8000
        due = begin + first * TICK_S + hold_ms / 1000
        assert abs(begins - due) < 0.021, "where it came, and the hold"
        heard = said[round(begins * 8000) + 8 :]
        assert np.abs(heard[: len(heard) // 80 * 80].reshape(-1, 80)).mean(axis=1).min() > 3000, "all of it"


@pytest.mark.parametrize("first", [-20, 4])
def test_what_comes_while_a_leg_is_on_its_way_elsewhere_is_heard_where_it_came(first: int) -> None:
    """Who gives the leg away stands still for half a second in the middle of that; the phone has spoken since
    the ``first`` tick of it.
    """
    net = MemoryNet(stamps=True)
    with Stage(net) as here, Stage(net, 41000, 41200) as there:
        phone = here.phone(5000)
        port = here.leg("a", 5000, latch=True)
        tap = stereo("a")

        def time_goes_on(number: int) -> None:
            net.run(1 + number * TICK_S)
            if number >= first and (number - first) % 2 == 0:
                phone.say(tone(160, (number - first) * 80), port)

        for number in range(-100, 100):
            time_goes_on(number)
            if number < 0:
                here.events += here.pump.advance(net.now)[1]
                there.pump.advance(net.now)
            elif number == 50:
                legs, sockets = here.pump.give_away(["a"])
                there.pump.advance(net.now)
                there.pump.take_in(pickle.loads(pickle.dumps(legs)), sockets)
                there.pump.attach_since(tap, legs.tick)
            elif number > 50:
                there.pump.advance(net.now)
        there.pump.catch_up(tap)
        stats = there.pump.plane(8000).io.stats(0)  # type: ignore[attr-defined]
        assert (stats.late, stats.lost, stats.concealed) == (0, 0, 0)
        said = tap.sound[0].astype(np.int64)
        begins = int(np.flatnonzero(np.abs(said) > 100)[0]) / 8000
        assert abs(begins - max(0.0, first * TICK_S + 0.06)) < 0.021, "where it came, and the hold"
        heard = said[round(begins * 8000) + 8 :]
        assert np.abs(heard[: len(heard) // 80 * 80].reshape(-1, 80)).mean(axis=1).min() > 3000, "all of it"
