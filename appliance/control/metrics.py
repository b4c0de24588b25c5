"""The node's metrics in Prometheus' text format, at [metrics].listen, path /metrics.

Must never cost more than a scrape: bounded in connections, octets and seconds; nothing is computed between scrapes.
Names of what workers count: tally.METRICS. What the controller adds:

    postern_build_info{version, node}          always 1
    postern_generation                         revision of config.db that the node serves by
    postern_workers                            worker processes connected
    postern_workers_behind                     of these, how many serve by an older revision
    postern_backend_up{backend, service}       1 reachable, 0 not (probes and circuit breakers)
    postern_history_lost_total                 log-ins that could not be written to the history
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from appliance.control.hub import Hub
from appliance.control.tally import METRICS, Tally, parsed
from appliance.messages import LOGIN_SECONDS

CONNECTIONS: Final = 16
REQUEST_OCTETS: Final = 8192
REQUEST_SECONDS: Final = 5.0

log = logging.getLogger("postern.control")


class Measured(Collector):
    """What is known at the moment of a scrape."""

    def __init__(self, hub: Hub, node: str) -> None:
        self._hub = hub
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._own()
        yield from counted(self._hub.tally)
        yield timed(self._hub.tally)

    def _own(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("postern_build_info", "What runs here.", labels=("version", "node"))
        build.add_metric((version("postern"), self._node), 1)
        yield build
        hub = self._hub
        yield GaugeMetricFamily("postern_generation", "Revision that the node serves by.", value=hub.revision)
        yield GaugeMetricFamily("postern_workers", "Worker processes connected.", value=len(hub.workers()))
        behind = len(hub.laggards())
        yield GaugeMetricFamily("postern_workers_behind", "Workers that serve by an older revision.", value=behind)
        up = GaugeMetricFamily("postern_backend_up", "1 reachable, 0 not.", labels=("backend", "service"))
        for state in hub.states.all():
            up.add_metric((state.backend, state.service), int(state.up))
        yield up
        yield CounterMetricFamily("postern_history_lost", "Log-ins missing from the history.", hub.history.lost)


def counted(tally: Tally) -> Iterator[Metric]:
    """What the workers count. A key that is not in the table, of another release, is left out."""
    totals = tally.totals()
    for name, metric in METRICS.items():
        if metric.is_timing:
            continue
        family = GaugeMetricFamily if metric.is_gauge else CounterMetricFamily
        shown = family(f"postern_{name}", metric.help, labels=metric.labels)
        for key, value in totals.items():
            of, labels = parsed(key)
            if of == name:
                shown.add_metric(list(labels.values()), value)
        yield shown


def timed(tally: Tally) -> Metric:
    """How long log-ins took. Bounds of another release's workers are left out."""
    shown = HistogramMetricFamily("postern_login_seconds", METRICS["login_seconds"].help, labels=("service",))
    bounds = [*map(str, LOGIN_SECONDS), "+Inf"]
    for service, by_bound in tally.timings("login_seconds").items():
        so_far = accumulate(by_bound.get(bound, 0) for bound in bounds)
        shown.add_metric((service,), list(zip(bounds, so_far, strict=True)), by_bound.get("sum", 0))
    return shown


class Page:
    """A very small HTTP/1.0 server (RFC 1945) with one page."""

    def __init__(self, hub: Hub, node: str) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Measured(hub, node))
        self._servers: dict[str, asyncio.Server] = {}
        self._open = 0
        self.problems: list[str] = []  # what could not be opened, and why

    async def listen(self, addresses: Sequence[str]) -> list[str]:
        """Be at these addresses and no others. Returns `problems`."""
        for address in self._servers.keys() - set(addresses):
            self._servers.pop(address).close()
        problems = []
        for address in [address for address in addresses if address not in self._servers]:
            host, _, port = address.rpartition(":")
            try:
                self._servers[address] = await asyncio.start_server(
                    self._serve, host.strip("[]"), int(port), limit=REQUEST_OCTETS
                )
            except (OSError, ValueError) as error:
                why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
                problems.append(f"cannot listen on {address} for metrics: {why}")
        self.problems = problems
        return problems

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1

    def _response(self, head: bytes) -> bytes:
        method, path, *_ = [*head.split(b"\r\n", 1)[0].split(b" "), b"", b""]
        if path.partition(b"?")[0] != b"/metrics":
            return _http("404 Not Found", "text/plain", b"metrics are at /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return _http("405 Method Not Allowed", "text/plain", b"GET\n")
        return _http("200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry), method == b"HEAD")


def _http(status: str, content_type: str, body: bytes, only_head: bool = False) -> bytes:
    head = f"HTTP/1.0 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + (b"" if only_head else body)
