"""A server on TLS, and on all addresses of the machine: what a phone is told of where to send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from callflow.caller import Caller, CallerOptions, CallPlan
from callflow.cli.check import around
from callflow.clock import SystemClock
from callflow.events import Event, RecordingChanged
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions, TlsFiles
from tests.ports import free_ports
from tests.serve.accounts import PASSWORD, RECORD, account, catalog
from tests.serve.server import PORTS_EACH, wait_until


def in_exchange(
    folder: Path, binds: tuple[str, ...], use: Callable[[Exchange, list[Event]], Awaitable[None]], **more: Any
) -> None:
    """A server in this process, with media in its thread."""

    async def main() -> None:
        low = free_ports(PORTS_EACH)
        options = ExchangeOptions(
            state=folder / "state",
            accounts=folder / "one",
            around=around,
            bind=tuple(Bind.parse(text) for text in binds),
            media=MediaOptions(ports=(low, low + PORTS_EACH - 1), workers=0, **more.pop("media", {})),
            **more,
        )
        events: list[Event] = []
        exchange = Exchange(options, catalog(folder / "one"))
        exchange.bus.subscribe(events.append)
        async with exchange:
            await use(exchange, events)

    asyncio.run(main())


def ready(events: list[Event]) -> bool:
    return any(isinstance(event, RecordingChanged) and event.change == "ready" for event in events)


def phone(**options: Any) -> Caller:
    low = free_ports(PORTS_EACH)
    ports = (low, low + PORTS_EACH - 1)
    return Caller(
        CallerOptions(username="desk", password=PASSWORD, media_ports=ports, **options), SystemClock()
    )


def test_tls_with_srtp(tmp_path: Path) -> None:
    account(tmp_path / "one", {"100": RECORD}, devices=("desk",))
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def use(exchange: Exchange, events: list[Event]) -> None:
        (uri,) = exchange.uris
        assert uri.endswith(";transport=tls")
        at = uri.removeprefix("sip:")
        plan = CallPlan(f"sip:100@{at}", audio=("tone_stream://%(5000,0,440)",), hangup_after_s=0.6)
        async with phone(transport="tls", ca=tmp_path / "ca.pem", srtp="required") as trusting:
            result = await trusting.call(plan)
            assert result.answered, result
            await wait_until(lambda: ready(events))
        async with phone(transport="tls") as stranger:
            assert not (await stranger.call(plan)).answered, "nobody it trusts has signed the certificate"

    tls = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    in_exchange(tmp_path, ("tls:127.0.0.1:0",), use, tls=tls)


@pytest.mark.parametrize(("announced", "heard"), [("", "127.0.0.1"), ("192.0.2.77", "192.0.2.77")])
def test_on_all_addresses_sound_is_announced_where_the_peer_reaches_us(
    tmp_path: Path, announced: str, heard: str
) -> None:
    account(tmp_path / "one", {"100": RECORD}, devices=("desk",))
    bodies: list[str] = []

    async def use(exchange: Exchange, events: list[Event]) -> None:
        port = exchange.hops[0].port
        async with phone() as desk:
            respond = desk.stack.send_request

            def listen(request: Any, hop: Any, user: Any) -> Any:
                on_response = user.on_response

                def heard_it(response: Any, transaction: Any) -> None:
                    bodies.append(response.body.decode())
                    on_response(response, transaction)

                user.on_response = heard_it
                return respond(request, hop, user)

            desk.stack.send_request = listen  # type: ignore[method-assign]
            result = await desk.call(CallPlan(f"sip:100@127.0.0.1:{port}", hangup_after_s=0.4))
            assert result.answered, result

    in_exchange(tmp_path, ("0.0.0.0:0",), use, media={"address": announced})
    (sdp,) = {body for body in bodies if body}
    assert f"c=IN IP4 {heard}\r\n" in sdp
