"""The torture messages of RFC 4475, built anew: one per section, with the same trap in it.

``expected`` is what the stack does with it: READ (it is valid: the user agent answers), a status that the
stack answers itself, or SILENCE. docs/sip.md says why, where the RFC leaves a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

READ = 0
SILENCE = -1
SDP = b"v=0\r\no=a 1 1 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0\r\n"


@dataclass(frozen=True)
class Torture:
    section: str
    name: str
    data: bytes
    expected: int


def message(start: str, *lines: str, body: bytes = b"") -> bytes:
    """``lines`` with LF where a header is folded."""
    head = "\r\n".join((start, *lines)).replace("\r\n", "\n").replace("\n", "\r\n")
    return head.encode() + b"\r\n\r\n" + body


def request(
    start: str,
    *more: str,
    via: str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw",
    to: str = "To: <sip:callee@example.net>",
    from_: str = "From: <sip:caller@example.org>;tag=3413an",
    call_id: str = "Call-ID: torture.2398@192.0.2.1",
    cseq: str = "",
    hops: str = "Max-Forwards: 70",
    length: str = "Content-Length: 0",
    body: bytes = b"",
) -> bytes:
    """A sound request but for what is given; "" leaves a header out."""
    cseq = cseq or f"CSeq: 8 {start.split(' ')[0]}"
    lines = [line for line in (via, hops, to, from_, call_id, cseq, *more, length) if line and line != "-"]
    return message(start, *lines, body=body)


def response(start: str, *more: str, cseq: str = "CSeq: 8 INVITE", via: str = "") -> bytes:
    return message(
        start,
        via or "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw",
        "From: <sip:caller@example.org>;tag=3413an",
        "To: <sip:callee@example.net>;tag=2",
        "Call-ID: torture.2398@192.0.2.1",
        cseq,
        *more,
        "Content-Length: 0",
    )


def _sdp(*more: str) -> tuple[str, ...]:
    return (*more, "Content-Type: application/sdp")


_LENGTH = f"Content-Length: {len(SDP)}"
_INVITE = "INVITE sip:callee@example.net SIP/2.0"
_OPTIONS = "OPTIONS sip:callee@example.net SIP/2.0"
_REGISTER = "REGISTER sip:example.net SIP/2.0"
_ODD_METHOD = "!interesting-Method0123456789_*+`.%indeed'~"

VALID = (
    Torture(
        "3.1.1.1",
        "wsinv",
        message(
            "INVITE sip:callee@example.net;unknownparam SIP/2.0",
            "TO :\n sip:callee@example.net ;   tag    = 1918181833n",
            'from   : "A. Caller \\\\\\""       <sip:caller@example.com>\n  ;\n  tag = 98asjd8',
            "MaX-fOrWaRdS: 0068",
            "Call-ID: wsinv.ndaksdj@192.0.2.1",
            f"Content-Length   : {len(SDP)}",
            "cseq: 0009\n  INVITE",
            "Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw",
            "s :",
            "NewFangledHeader:   newfangled value\n continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;",
            "Content-Type: application/sdp",
            "Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239",
            'm:"Quoted string \\"\\"" <sip:caller@example.com> ; newparam =\n      newvalue ;\n'
            "  secondparam ; q = 0.33",
            body=SDP,
        ),
        READ,
    ),
    Torture(
        "3.1.1.2",
        "intmeth",
        request(
            f"{_ODD_METHOD} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*"
            "pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
            "extensionHeader-!.%*+_`'~: \ufeff大停電",
            via="Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
            to='To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" '
            "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>",
            from_="From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
            ";fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
            call_id="Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            hops="Max-Forwards: 255",
        ),
        READ,
    ),
    Torture(
        "3.1.1.3",
        "esc01",
        request(
            "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
            *_sdp("Contact:\n <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>"),
            to="To: sip:%75se%72@example.com",
            from_="From: <sip:I%20have%20spaces@example.net>;tag=938",
            length=_LENGTH,
            body=SDP,
        ),
        READ,
    ),
    Torture(
        "3.1.1.4",
        "escnull",
        request(
            _REGISTER,
            "Contact: <sip:%00@host5.example.com>",
            "Contact: <sip:%00%00@host5.example.com>",
            to="To: sip:null-%00-null@example.com",
            from_="From: sip:null-%00-null@example.com;tag=839923423",
        ),
        READ,
    ),
    Torture(
        "3.1.1.5",
        "esc02",
        request(
            "RE%47IST%45R sip:registrar.example.com SIP/2.0",
            "Contact: <sip:alias1@host1.example.com>",
            'Contact: "%Z%45" <sip:alias3@host2.example.com>',
            to='To: "%Z%45" <sip:resource@example.com>',
            from_='From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23',
        ),
        READ,
    ),
    Torture(
        "3.1.1.6",
        "lwsdisp",
        request(_OPTIONS, from_="From: caller<sip:caller@example.com>;tag=323"),
        READ,
    ),
    Torture(
        "3.1.1.7",
        "longreq",
        request(
            _INVITE,
            *(f"Unknown-{'Long' * 20}-Name-{n}: unknown-{'long' * 20}-value" for n in range(3)),
            *_sdp(
                "Contact: <sip:" + "amazinglylongcallername" * 5 + "@host5.example.net>",
                *(f"Via: SIP/2.0/TCP sip{n}.example.com;branch=z9hG4bK{'long' * 20}{n}" for n in range(33)),
            ),
            to=f'To: "I have a user name of {"extreme" * 10} proportion"<sip:user@example.com:6000'
            ";unknownparam1=very" + "long" * 20 + "value;longparam" + "name" * 25 + "=shortvalue>",
            from_="F: sip:" + "amazinglylongcallername" * 5 + "@example.net;tag=12" + "982" * 50 + "424;"
            "unknownheaderparam" + "name" * 20 + "=value",
            call_id="Call-ID: longreq.one" + "really" * 20 + "longcallid",
            length=f"l: {len(SDP)}",
            body=SDP,
        ),
        READ,
    ),
    Torture(
        "3.1.1.8",
        "dblreq",
        request(_REGISTER, "Contact: <sip:j@192.0.2.1>")
        + request(_INVITE, *_sdp(), length=_LENGTH, body=SDP),
        READ,
    ),
    Torture(
        "3.1.1.9",
        "semiuri",
        request("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
        READ,
    ),
    Torture(
        "3.1.1.10",
        "transports",
        request(
            _OPTIONS,
            *(
                f"Via: SIP/2.0/{name} t{n}.example.com;branch=z9hG4bK{n}"
                for n, name in enumerate(("SCTP", "TLS", "UNKNOWN", "TCP"))
            ),
        ),
        READ,
    ),
    Torture(
        "3.1.1.11",
        "mpart01",
        request(
            "MESSAGE sip:callee@example.net SIP/2.0",
            "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655",
            length="Content-Length: 69",
            body=b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\n\x30\x82\x01\x52\x00\r\n"[:47]
            + b"--7a9cbec02ceef655--\r\n",
        ),
        READ,
    ),
    Torture(
        "3.1.1.12",
        "unreason",
        response("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"),
        READ,
    ),
    Torture("3.1.1.13", "noreason", response("SIP/2.0 100 "), READ),
)

INVALID = (
    Torture(
        "3.1.2.1",
        "badinv01",
        request(
            _INVITE,
            'Contact: "Joe" <sip:joe@example.org>;;;;',
            *_sdp(),
            via="Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
            length=_LENGTH,
            body=SDP,
        ),
        400,
    ),
    Torture(
        "3.1.2.2",
        "clerr",
        request(_INVITE, *_sdp("Contact: <sip:c@h5.example.net>"), length="Content-Length: 9999", body=SDP),
        400,
    ),
    Torture(
        "3.1.2.3",
        "ncl",
        request(_INVITE, *_sdp("Contact: <sip:c@h5.example.net>"), length="Content-Length: -999", body=SDP),
        400,
    ),
    Torture(
        "3.1.2.4",
        "scalar02",
        request(
            _REGISTER,
            "Expires: 1000000000000000000000000000000000000000",
            "Contact: <sip:user@host129.example.com>;expires=280297596632815",
            cseq="CSeq: 36893488147419103232 REGISTER",
            hops="Max-Forwards: 300",
        ),
        400,
    ),
    Torture(
        "3.1.2.5",
        "scalarlg",
        response(
            "SIP/2.0 503 Service Unavailable",
            "Retry-After: 949302838503028349304023988",
            'Warning: 1812 overture "In Progress"',
            cseq="CSeq: 9292394834772304023312 OPTIONS",
        ),
        SILENCE,
    ),
    Torture(
        "3.1.2.6",
        "quotbal",
        request(_INVITE, *_sdp(), to='To: "Mr. J. User <sip:j.user@example.com>', length=_LENGTH, body=SDP),
        400,
    ),
    Torture("3.1.2.7", "ltgtruri", request("INVITE <sip:user@example.com> SIP/2.0"), 400),
    Torture("3.1.2.8", "lwsruri", request("INVITE sip:user@example.com; lr SIP/2.0"), 400),
    Torture("3.1.2.9", "lwsstart", request("INVITE  sip:user@example.com  SIP/2.0"), 400),
    Torture("3.1.2.10", "trws", request("OPTIONS sip:remote-target@example.com SIP/2.0  "), 400),
    Torture(
        "3.1.2.11",
        "escruri",
        request("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
        400,
    ),
    Torture("3.1.2.12", "baddate", request(_INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"), 400),
    Torture(
        "3.1.2.13",
        "regbadct",
        request(_REGISTER, "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
        400,
    ),
    Torture(
        "3.1.2.14",
        "badaspec",
        request(_OPTIONS, to='To: "Watson, Thomas" < sip:t.watson@example.org >'),
        400,
    ),
    Torture(
        "3.1.2.15",
        "baddn",
        request(_OPTIONS, from_="From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
        READ,
    ),
    Torture("3.1.2.16", "badvers", request("OPTIONS sip:t.watson@example.org SIP/7.0"), 505),
    Torture("3.1.2.17", "mismatch01", request(_OPTIONS, cseq="CSeq: 8 INVITE"), 400),
    Torture(
        "3.1.2.18",
        "mismatch02",
        request("NEWMETHOD sip:user@example.com SIP/2.0", cseq="CSeq: 8 INVITE"),
        400,
    ),
    Torture("3.1.2.19", "bigcode", response("SIP/2.0 4294967301 better not break the receiver"), SILENCE),
)

LATER = (
    Torture(
        "3.2.1",
        "badbranch",
        request(_OPTIONS, via="Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
        400,
    ),
    Torture(
        "3.3.1",
        "insuf",
        request(_INVITE, via="Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bK8", to="-", from_="-", call_id="-"),
        400,
    ),
    Torture(
        "3.3.2",
        "unkscm",
        request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
        416,
    ),
    Torture("3.3.3", "novelsc", request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), 416),
    Torture(
        "3.3.4",
        "unksm2",
        request(
            _REGISTER,
            "Contact: <name:John_Smith>",
            to="To: isbn:2983792873",
            from_="From: <http://www.example.com>;tag=3234233",
        ),
        400,
    ),
    Torture(
        "3.3.5",
        "bext01",
        request(
            _OPTIONS,
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
        ),
        420,
    ),
    Torture(
        "3.3.6",
        "invut",
        request(
            _INVITE, "Content-Type: application/unknownformat", length="Content-Length: 9", body=b"<audio />"
        ),
        READ,
    ),
    Torture(
        "3.3.7",
        "regaut01",
        request(_REGISTER, "Authorization: NoOneKnowsThisScheme opaque-data=here"),
        READ,
    ),
    Torture(
        "3.3.8",
        "multi01",
        request(
            _INVITE,
            "CSeq: 59 INVITE",
            "Call-ID: multi01.98asdh@192.0.2.2",
            "From: <sip:other@example.com>;tag=3413an",
            "To: <sip:other@example.com>",
            "Max-Forwards: 5",
            *_sdp(),
            length=_LENGTH,
            body=SDP,
        ),
        400,
    ),
    Torture(
        "3.3.9",
        "mcl01",
        request(_OPTIONS, "Content-Length: 13", length="Content-Length: 5", body=b"There's no way"),
        400,
    ),
    Torture(
        "3.3.10",
        "bcast",
        response(
            "SIP/2.0 200 OK",
            via="Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n"
            "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        ),
        READ,
    ),
    Torture("3.3.11", "zeromf", request(_OPTIONS, hops="Max-Forwards: 0"), READ),
    Torture(
        "3.3.12",
        "cparam01",
        request(_REGISTER, "Contact: sip:+19725552222@gw1.example.net;unknownparam"),
        READ,
    ),
    Torture(
        "3.3.13",
        "cparam02",
        request(_REGISTER, "Contact: <sip:+19725552222@gw1.example.net;unknownparam>"),
        READ,
    ),
    Torture(
        "3.3.14",
        "regescrt",
        request(_REGISTER, "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"),
        READ,
    ),
    Torture(
        "3.3.15",
        "sdp01",
        request(_INVITE, *_sdp("Accept: text/nobodyKnowsThis"), length=_LENGTH, body=SDP),
        READ,
    ),
    Torture(
        "3.4.1",
        "inv2543",
        message(
            "INVITE sip:UserB@example.com SIP/2.0",
            "Via: SIP/2.0/UDP iftgw.example.com",
            "From: <sip:+13035551111@ift.client.example.net;user=phone>",
            "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
            "To: sip:+16505552222@ss1.example.net;user=phone",
            "Call-ID: inv2543.1717@ift.client.example.com",
            "CSeq: 56 INVITE",
            "Content-Type: application/sdp",
            body=SDP,
        ),
        READ,
    ),
)

ALL = (*VALID, *INVALID, *LATER)
