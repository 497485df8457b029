"""Layer 1: how often the sockets of RTP legs are read in a tick: what a source sends too much is bounded."""

ROUNDS = 8
"""Packets of one socket a tick, at most: 16 times what a leg with packets of 20 ms sends."""
BEHIND_ROUNDS = 2
"""The same while late ticks are made up for: four times what comes, and the rest waits in the sockets."""
FAR_BEHIND_TICKS = 30
"""From so many late ticks on sockets are read every second tick: no faster than sound is played, since what
comes too long before its time finds no room.
"""


def rounds(tick: int, behind: int) -> int:
    """How often sockets are read in ``tick``, which is so many ticks late."""
    if behind < BEHIND_ROUNDS:
        return ROUNDS
    return BEHIND_ROUNDS if behind < FAR_BEHIND_TICKS else tick % 2
