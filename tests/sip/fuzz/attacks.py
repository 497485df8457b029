"""Messages as an attacker makes them: of real dialogs, with fields that are wrong, long or strange."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NASTY = [
    *("", " ", "\t", "0", "-1", "4294967296", "9" * 400, "%00", "%0d%0a", "../../x", "a/b?c#d", "x" * 3000),
    *(
        "\x1b[31m",
        "\x00",
        "[red]",
        "{0.__class__}",
        "%s%n",
        "é\u202e",
        '"',
        '"\\',
        "<",
        ">",
        "<<>>",
        ";",
        ",",
        "*",
    ),
    *(
        "sip:",
        "sip:@",
        "sip:a@[::1",
        "tel:+1",
        "http://x",
        "sip:a@b:99999",
        "sip:a@127.0.0.1:1;transport=tls",
    ),
    *(
        "<sip:a@127.0.0.1:9;lr>",
        "<sip:a@0.0.0.0>",
        "sip:%00@x",
        "sip:a@b;transport=carrier-pigeon",
        "1 INVITE",
    ),
    *("Digest x", 'Digest username="a", realm="b", nonce="c", uri="d", response="e"', "Q.850;cause=999"),
    *(
        "100rel",
        "timer",
        "replaces",
        "no-such-thing",
        "0 0 INVITE",
        "application/sdp",
        "multipart/mixed;boundary=x",
    ),
]
HEADERS = [
    *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Route", "Record-Route", "Expires"),
    *(
        "Require",
        "Supported",
        "Allow",
        "Session-Expires",
        "Min-SE",
        "RAck",
        "RSeq",
        "Refer-To",
        "Referred-By",
    ),
    *(
        "Replaces",
        "Reason",
        "Authorization",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Content-Type",
        "Accept",
    ),
    *(
        "Content-Length",
        "Content-Encoding",
        "Content-Disposition",
        "Retry-After",
        "P-Asserted-Identity",
        "Date",
    ),
    *("User-Agent", "Event", "Subscription-State", "Refer-Sub", "Path", "Identity", "X-Odd"),
]
METHODS = [
    *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE"),
    *("SUBSCRIBE", "REGISTER", "PUBLISH", "DANCE"),
]
SDP_LINES = [
    *("m=audio 4000 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "m=audio 99999 RTP/AVP 0", "m=audio 4000 RTP/SAVP 0"),
    *(
        "m=video 4002 RTP/AVP 96",
        "m=audio 4000 RTP/AVP 000999 255 -1",
        "m=",
        "m=audio",
        "m=audio 4000 RTP/AVP",
    ),
    *(
        "c=IN IP4 0.0.0.0",
        "c=IN IP4 224.0.0.1",
        "c=IN IP6 ::1",
        "c=IN IP4 evil.example",
        "c=IN IP4 256.1.1.1",
        "c=",
    ),
    *(
        "a=rtpmap:999 PCMU/8000",
        "a=rtpmap:0 PCMA/0",
        "a=rtpmap:101 telephone-event/1",
        "a=ptime:0",
        "a=ptime:9e9",
    ),
    *(
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        "a=rtcp:0",
        "a=rtcp:70000",
        "a=sendonly",
        "a=inactive",
    ),
    *(
        "a=rtcp-mux",
        "a=fmtp:101 0-16",
        "o=- 9999999999999999999999 1 IN IP4 x",
        "s=",
        "t=0 0",
        "v=1",
        "a=\x00",
    ),
]
SIGNAL = [b"Signal=5\r\nDuration=999999", b"Signal=\xff", b"5", b"#" * 500, b"Signal=1\nSignal=2"]

Message = tuple[str, list[tuple[str, str]], bytes]


@dataclass
class Attacker:
    """Changes messages; ``luck`` seeds it, so that a failure can be repeated."""

    luck: random.Random

    def sdp(self, good: bytes) -> bytes:
        """A description that was good."""
        lines = good.decode("latin-1").split("\r\n")[:-1]
        for _ in range(self.luck.randint(1, 3)):
            at = self.luck.randrange(len(lines) + 1)
            match self.luck.randrange(4):
                case 0:
                    lines.insert(at, self.luck.choice(SDP_LINES))
                case 1 if lines:
                    lines[at % len(lines)] = self.luck.choice(SDP_LINES)
                case 2 if lines:
                    del lines[at % len(lines)]
                case _:
                    lines.insert(at, f"a={self.luck.choice(NASTY)}")
            lines = lines or ["v=0"]
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")

    def body(self, good: Callable[[], bytes]) -> tuple[str, bytes]:
        """A content type and a body."""
        match self.luck.randrange(7):
            case 0:
                return "", b""
            case 1:
                return "application/sdp", self.sdp(good())
            case 2:
                return "application/dtmf-relay", self.luck.choice(SIGNAL)
            case 3:
                return "multipart/mixed;boundary=x", b"--x\r\nContent-Type: application/sdp\r\n\r\n" + good()
            case 4:
                return self.luck.choice(NASTY), self.luck.randbytes(self.luck.randint(0, 300))
            case _:
                return "application/sdp", good()

    def spoil(self, data: bytes) -> bytes:
        """A whole message that was good, with some lines changed, or bytes of it."""
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        for _ in range(self.luck.choice((0, 1, 1, 2))):
            at = self.luck.randrange(1, len(lines)) if len(lines) > 1 else 0
            name = lines[at].partition(":")[0]
            match self.luck.randrange(6):
                case 0:
                    lines[at] = f"{name}: {self.luck.choice(NASTY)}"
                case 1:
                    lines.insert(at, f"{self.luck.choice(HEADERS)}: {self.luck.choice(NASTY)}")
                case 2:
                    lines.insert(at, lines[at])
                case 3:
                    lines[at] += self.luck.choice(NASTY)
                case 4:
                    del lines[at]
                    lines = lines or [""]
                case _:
                    lines[at] = lines[at].replace(
                        "127.0.0.1", self.luck.choice(("0.0.0.0", "[::1]", "x", "::"))
                    )
        spoilt = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body
        if self.luck.random() < 0.1:
            noise = bytearray(spoilt)
            for _ in range(self.luck.randint(1, 5)):
                noise[self.luck.randrange(len(noise))] = self.luck.randrange(256)
            spoilt = bytes(noise)
        return spoilt

    def headers(self) -> list[str]:
        """Some more."""
        count = self.luck.choice((0, 0, 1, 2))
        return [f"{self.luck.choice(HEADERS)}: {self.luck.choice(NASTY)}" for _ in range(count)]

    def one_of(self, things: Sequence[str]) -> str:
        return self.luck.choice(things)
