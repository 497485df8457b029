"""The url of an upload: the table of kazoo.md 1.10 as DESIGN section 5 decides it."""

from __future__ import annotations

import base64
from itertools import islice
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.delivery.urls import METADATA, add_metadata, check_url, parse_url, upload_urls, without_secrets
from callflow.errors import BadUrl


def first(base: str, call_id: str = "ID", extension: str = "mp3") -> str:
    return next(upload_urls(base, call_id, extension))


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h/p", "http://h/p/call_recording_ID.mp3"),
        ("http://h/p/", "http://h/p/call_recording_ID.mp3"),
        ("http://h/p///", "http://h/p/call_recording_ID.mp3"),
        ("http://h", "http://h/call_recording_ID.mp3"),
        ("http://h/", "http://h/call_recording_ID.mp3"),
        ("http://h?", "http://h/call_recording_ID.mp3"),
        ("http://h/p?token=abc", "http://h/p?token=abc&recording=call_recording_ID.mp3"),
        ("http://h/p?token=abc&", "http://h/p?token=abc&recording=call_recording_ID.mp3"),
        ("http://h/p?file=", "http://h/p?file=call_recording_ID.mp3"),
        ("http://h/p?file", "http://h/p?file=call_recording_ID.mp3"),
        ("http://h/p?a=1&file=", "http://h/p?a=1&file=call_recording_ID.mp3"),
        ("http://h/p?file=&a=1", "http://h/p?file=&a=1&recording=call_recording_ID.mp3"),
        ("http://h?token=abc", "http://h/?token=abc&recording=call_recording_ID.mp3"),
        ("https://h:8443/p", "https://h:8443/p/call_recording_ID.mp3"),
        ("https://h:443/p", "https://h/p/call_recording_ID.mp3"),
        ("HTTP://EXAMPLE.com:80/P", "http://example.com/P/call_recording_ID.mp3"),
        ("http://user:p%40ss@h/p", "http://user:p%40ss@h/p/call_recording_ID.mp3"),
        ("http://h/a%40b", "http://h/a%40b/call_recording_ID.mp3"),
        ("http://h/ünï", "http://h/%C3%BCn%C3%AF/call_recording_ID.mp3"),
        ("http://h/100%", "http://h/100%25/call_recording_ID.mp3"),
        ("http://[2001:DB8::1]:81/p", "http://[2001:db8::1]:81/p/call_recording_ID.mp3"),
        ("http://bücher.example/p", "http://xn--bcher-kva.example/p/call_recording_ID.mp3"),
    ],
)
def test_the_table(base: str, url: str) -> None:
    assert first(base) == url


@pytest.mark.parametrize(
    ("call_id", "name"),
    [
        ("a@b", "call_recording_a%40b.wav"),
        ("a/b", "call_recording_a%2Fb.wav"),
        ("a b", "call_recording_a%20b.wav"),
        ("../x", "call_recording_..%2Fx.wav"),
        ("a-b_c.d~e", "call_recording_a-b_c.d~e.wav"),
        ("50%", "call_recording_50%25.wav"),
        ("é?#&", "call_recording_%C3%A9%3F%23%26.wav"),
    ],
)
def test_the_call_id_is_percent_encoded(call_id: str, name: str) -> None:
    assert first("http://h/p", call_id, "wav") == f"http://h/p/{name}"


def test_later_names_count_up() -> None:
    names = list(islice(upload_urls("http://h/p", "c", "mp3"), 3))
    assert names == [f"http://h/p/call_recording_c{end}.mp3" for end in ("", "-2", "-3")]
    names = list(islice(upload_urls("http://h/p?file=", "c", "mp3"), 2))
    assert names == [f"http://h/p?file=call_recording_c{end}.mp3" for end in ("", "-2")]


def test_metadata_only_when_asked_for_in_kazoos_order() -> None:
    facts = {"from": "1001@a b", "call_id": "x@y", "duration_ms": 1500, "other": "never"}
    url = add_metadata(first("http://h/p", "x"), facts)
    assert url.startswith(
        "http://h/p/call_recording_x.mp3?from=1001%40a%20b&to=&caller_id_name=&caller_id_number=&call_id=x%40y&"
    )
    assert list(parse_qs(urlsplit(url).query, keep_blank_values=True)) == list(METADATA)
    assert url.endswith("&start=&duration_ms=1500&recording_id=")
    assert add_metadata("http://h/p?file=x", {}).startswith("http://h/p?file=x&from=&to=")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://h/p", "ftp"),
        ("//h/p", "no scheme"),
        ("h/p", "no scheme"),
        ("", "no scheme"),
        ("http:///p", "no host"),
        ("http://", "no host"),
        ("http://h/p#frag", "fragment"),
        ("http://h/p#", "fragment"),
        ("http://h/a b", "space"),
        ("http://h/a\r\nX: y", "control"),
        ("http://h:0/", "port 0"),
        ("http://h:99999/", "cannot be used"),
        ("http://h:x/", "cannot be used"),
        ("http://127.1/", "IPv4"),
        ("http://0x7f000001/", "IPv4"),
        ("http://2130706433/", "IPv4"),
        ("http://0177.0.0.1/", "IPv4"),
        ("http://[::1/", "cannot be used"),
        ("http://[zz]/", "cannot be used"),
        ("http://a..b/", "host name"),
        ("http://h\\@x/", "backslash"),
    ],
)
def test_what_cannot_be_sent_to(url: str, word: str) -> None:
    with pytest.raises(BadUrl, match=word) as caught:
        check_url(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:hunter2@h/p?token=hunter3",
        "http://user:hunter/2@h/p",
        "http://user:hunter#2@h/p",
        "hunter:2@h/p",
    ],
)
def test_a_bad_url_keeps_its_secrets(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        check_url(url)
    assert "hunter" not in str(caught.value)


def test_an_answer_that_repeats_the_url_is_kept_without_its_secrets() -> None:
    url = "http://me:hunter%2F2@h/p?token=se%20same&n=1&file="
    basic = base64.b64encode(b"me:hunter/2").decode()
    echoed = f"no {url} (se same, hunter/2, Basic {basic}) on port 1".encode()
    assert without_secrets(echoed, url).decode() == (
        "no http://me:***@h/p?token=***&n=1&file= (***, ***, Basic ***) on port 1"
    )


def test_a_url_taken_apart() -> None:
    url = parse_url("https://us%40er:p%3Aw@h.example/p?q=1")
    assert (url.url, url.host, url.port) == ("https://h.example/p?q=1", "h.example", 443)
    assert url.credentials == ("us@er", "p:w")
    assert url.whole == "https://us%40er:p%3Aw@h.example/p?q=1"
    assert parse_url("http://h/").credentials is None


@given(st.text(max_size=40))
def test_any_call_id_stays_one_step_of_the_path(call_id: str) -> None:
    url = first("http://h/p", call_id)
    path = urlsplit(url).path
    assert url.isascii()
    assert path.count("/") == 2
    assert unquote(path, errors="replace") == f"/p/call_recording_{call_id}.mp3"
    assert parse_url(url).url == url, "what is built goes out as it is"


@given(st.text(max_size=60))
def test_any_url_is_refused_or_fit_for_the_wire(text: str) -> None:
    try:
        url = parse_url(text).url
    except BadUrl:
        return
    assert url.isascii()
    assert not any(character.isspace() for character in url)
    assert parse_url(url).url == url
