"""Layer 3: calls of an account meet: parking, picking up, queues, listening in.

Where to look; each line uses those above it:

    joining        how a call's party comes into another call; the other files only say when, and which
    pickup         whose calls are meant: the devices, their legs on other calls
    eavesdropping  listening to another call's talk
    slots          the parking slots, as values; parking: a caller in one
    queueing       who waits, which agents are free, who rings for whom, as values

Rooms (conferences, pages) are ``callflow/engine/rooms.py``.
"""
