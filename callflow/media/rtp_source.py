"""Layer 1: a leg whose party is on the network: its port, what was agreed for its sound (``messages.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RtpPlace:
    """A local UDP port for RTP (and the next one for RTCP), reserved from a ``MediaPort``'s pool.

    ``host``: the address that is announced in SDP; ``worker``: the media process that has it.
    """

    host: str
    port: int
    worker: int = 0


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """Keying of one direction (SDES, RFC 4568). ``key``: master key and salt, 30 bytes for both suites."""

    suite: str  # AES_CM_128_HMAC_SHA1_80 | AES_CM_128_HMAC_SHA1_32
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RtpStream:
    """What was agreed for a leg's sound (RFC 3264): all that the media needs of both descriptions.

    ``codec``: ``PCMU``, ``PCMA`` or ``G722``, sent with ``payload``. ``accepts``: payload type and codec of
    all that may come. ``host`` and ``port``: where the peer wants its RTP. ``ptime_ms``: of what is sent
    (what comes says by itself). ``event_payload``: of telephone-events, ``-1``: none were agreed (then
    digits are looked for in the sound, and sent as sound). ``noise_payload``: comfort noise (RFC 3389),
    ``-1``: none. ``sends`` and ``receives`` are ours: hold by the peer is ``receives`` or both False.
    ``latch``: follow the real source of the packets (symmetric RTP behind NAT) instead of taking only those
    from ``host:port``: it may be at another port of ``host`` or at an address of ``near`` (where the
    signalling comes from); ``near`` None: anywhere.
    ``rtcp_port`` 0: ``port + 1``; ``rtcp_mux``: RTCP on the RTP port. ``transmit_silence``: packets are sent
    whatever is in them; False: of lasting silence only some (``rtp/pauses.py``).
    """

    codec: str
    payload: int
    accepts: tuple[tuple[int, str], ...]
    host: str
    port: int
    ptime_ms: int = 20
    event_payload: int = -1
    event_rate: int = 8000
    noise_payload: int = -1
    sends: bool = True
    receives: bool = True
    latch: bool = True
    near: tuple[str, ...] | None = ()
    rtcp_port: int = 0
    rtcp_mux: bool = False
    transmit_silence: bool = True
    key_in: SrtpKey | None = None
    key_out: SrtpKey | None = None


@dataclass(frozen=True, slots=True)
class RtpSource:
    """A leg whose party is on the network. ``stream`` None: nothing is agreed yet (nothing is sent or taken).

    ``jitter_ms``: how long packets are held for those that come late (playout delay). ``timeout_s``:
    without any packet for so long, while the peer is to send, ``RtpLost`` is told (0: never).
    """

    place: RtpPlace
    stream: RtpStream | None = None
    jitter_ms: int = 60
    timeout_s: float = 0.0
