"""Layer 6: ``/metrics``, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from callflow import __version__
from callflow.recording.farm import MediaFarm
from callflow.recording.inline import InlineMedia
from callflow.server.auth import authorize
from callflow.server.openapi import operation
from callflow.server.parts import Parts
from callflow.server.standing import Contents

PATHS: Mapping[str, Mapping[str, Any]] = {
    "/metrics": {
        "get": operation(
            "metrics",
            "What Prometheus asks for.",
            scope="metrics:read",
            content={
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        )
    }
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """``/metrics``."""

    async def metrics(request: web.Request) -> web.Response:
        await authorize(request, None, "metrics:read")
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(_Figures(parts, await parts.standing.contents()))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return [web.get("/metrics", metrics)]


class _Figures:
    """Gives the figures of one scrape."""

    def __init__(self, parts: Parts, contents: Contents) -> None:
        self._parts = parts
        self._contents = contents

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        info = InfoMetricFamily("callflow", "The program.")
        info.add_metric((), {"version": __version__})
        yield info
        yield from self._calls()
        yield from self._recordings()
        yield from self._deliveries()
        yield from self._media()
        yield from self._sip()
        yield from self._server()

    def _calls(self) -> Iterator[Metric]:
        meter = self._parts.meter
        yield _gauge("calls_live", "Calls at this moment.", len(self._parts.live))
        yield _counter("calls_started", "Calls that were taken.", meter.calls_started)
        yield _counters("calls_ended", "Calls that have ended, by cause.", ("cause",), meter.calls_ended)
        yield _counter("call_seconds", "Length of the calls that have ended.", meter.call_seconds)

    def _recordings(self) -> Iterator[Metric]:
        meter, contents = self._parts.meter, self._contents
        yield _gauges("recordings", "Recordings of the state folder.", "state", contents.recordings)
        yield _counters("recording_changes", "What became of recordings.", ("change",), meter.recordings)
        yield _counter("recorded_seconds", "Length of the recordings that are ready.", meter.recorded_seconds)
        yield _counters("transcript_changes", "What became of transcripts.", ("change",), meter.transcripts)
        yield _gauge("spool_recordings", "Recordings that are not finished.", contents.spools)
        yield _gauge("spool_bytes", "Bytes of their sound on disk.", contents.spool_bytes)
        yield _gauge("disk_bytes", "Size of the disk of the state folder.", contents.disk_bytes)
        yield _gauge("disk_free_bytes", "What is free of it.", contents.free_bytes)

    def _deliveries(self) -> Iterator[Metric]:
        meter, contents = self._parts.meter, self._contents
        age = max(0.0, self._parts.clock.wall() - contents.oldest_wall) if contents.oldest_wall else 0.0
        yield _gauges("deliveries", "Deliveries of the state folder.", "state", contents.deliveries)
        yield _counters("delivery_changes", "What became of deliveries.", ("change",), meter.deliveries)
        yield _gauge("outbox_depth", "Deliveries that are still to be made.", contents.waiting)
        yield _gauge("outbox_oldest_seconds", "Age of the oldest of them.", age)

    def _media(self) -> Iterator[Metric]:
        media, rtp = self._parts.engine.media, self._parts.meter.rtp
        for name, about in (
            ("sent", "RTP packets sent, of legs that have ended."),
            ("received", "RTP packets received, of legs that have ended."),
            ("lost", "RTP packets that never came."),
            ("late", "RTP packets that came after their time."),
            ("strangers", "RTP packets from elsewhere, refused."),
        ):
            yield _counter(f"rtp_packets_{name}", about, rtp[name])
        if isinstance(media, MediaFarm | InlineMedia):
            yield _counter("media_ticks", "Ticks of 10 ms in which sound was made.", media.ticks)
            yield _counter("media_ticks_late", "Those that began 10 ms late or more.", media.late_ticks)
        if isinstance(media, MediaFarm):
            yield _gauge("media_workers", "Media processes.", self._parts.exchange.options.media.workers)
            yield _gauge("media_workers_down", "Those that take no commands.", media.down)

    def _sip(self) -> Iterator[Metric]:
        exchange = self._parts.exchange
        answers = {(method, str(status)): count for (method, status), count in exchange.stack.answers.items()}
        yield _counters("sip_requests", "SIP requests, by our answer.", ("method", "status"), answers)
        yield _counters("sip_faults", "SIP messages of no use.", ("kind",), exchange.stack.counted)
        yield _gauge("sip_transactions", "SIP transactions at this moment.", exchange.stack.transactions)
        yield _gauge("registrations", "Phones that are registered.", exchange.registrations)

    def _server(self) -> Iterator[Metric]:
        meter = self._parts.meter
        yield _counters("http_requests", "HTTP requests.", ("method", "status"), meter.requests)
        yield _counters("notices", "Notices, by level.", ("level",), meter.notices)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"callflow_{name}", about, value=value)


def _gauges(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"callflow_{name}", about, labels=(label,))
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    return family


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"callflow_{name}", about, value=value)


def _counters(name: str, about: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    """``values``: by the label's value, or by a tuple of them."""
    family = CounterMetricFamily(f"callflow_{name}", about, labels=labels)
    for key, count in sorted(values.items()):
        family.add_metric(key if isinstance(key, tuple) else (key,), count)
    return family
