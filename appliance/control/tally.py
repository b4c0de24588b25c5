"""Sums over the node's workers: what they counted, the failed guesses, and who holds how many connections.

Pure: no I/O, no clock. A worker reports totals since it began, so a lost report costs nothing; the last totals of a
worker that died are kept, so that no counter ever goes down. Gauges die with their worker.

A counter's key is its name and the values of its labels, with slashes: "logins/imap/ok", "hashes".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple


class Metric(NamedTuple):
    """One thing that workers count."""

    labels: tuple[str, ...]
    help: str
    is_gauge: bool = False
    is_timing: bool = False  # `le` is an upper bound in seconds; "sum": all of them together


# What workers report in `Counters`. In Prometheus: postern_NAME (gauges, timings), postern_NAME_total (counters).
METRICS: Final[dict[str, Metric]] = {
    "connections": Metric(("service",), "Client connections accepted."),
    "turned_away": Metric(
        ("service", "reason"), "Connections and log-ins turned away: reason is the limit, descriptors or proxy_header."
    ),
    "tls_failures": Metric(("service",), "TLS handshakes with clients that failed."),
    "logins": Metric(("service", "outcome"), "Log-ins that ended: outcome is ok, or the refusal."),
    "login_seconds": Metric(
        ("service", "le"), "How long log-ins took that succeeded, from the client's command to its OK.", is_timing=True
    ),
    "failover": Metric(("service",), "Log-ins sent to the failover because the user is in no map."),
    "standby": Metric(("backend",), "Log-ins sent to a standby because this back-end is down or drained."),
    "hash_refused": Metric((), "Password checks refused because their queue was full."),
    "hashes": Metric((), "Password hashes computed."),
    "hashes_spared": Metric((), "Password checks answered from the cache of right ones."),
    "breakers_opened": Metric((), "Back-ends that log-ins found to be down."),
    "retries": Metric(("service",), "Connections to back-ends tried again before any verdict."),
    "octets": Metric(("service", "direction"), "Octets relayed after log-in: in is from clients, out is to them."),
    "sessions": Metric(("service", "backend"), "Sessions that are logged in now.", is_gauge=True),
    "waiting": Metric(("service",), "Connections that are not logged in yet.", is_gauge=True),
}


def parsed(key: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a counter's key; an empty name if METRICS knows no such one (a worker of a later release)."""
    name, *values = key.split("/")
    metric = METRICS.get(name)
    if metric is None or len(values) != len(metric.labels):
        return "", {}
    return name, dict(zip(metric.labels, values, strict=True))


def _is_counter(key: str) -> bool:
    name = parsed(key)[0]
    return bool(name) and not METRICS[name].is_gauge


class Tally:
    """What all workers counted, the dead ones included."""

    def __init__(self) -> None:
        self._live: dict[object, Mapping[str, float]] = {}
        self._gone: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # what workers had counted when they were first heard

    def heard(self, worker: object, totals: Mapping[str, float]) -> None:
        """The worker's totals, in the place of its last ones."""
        if worker not in self._live:
            self._before.update(totals)
        self._live[worker] = totals

    def gone(self, worker: object) -> None:
        """The worker died: its counters stay, its gauges go."""
        for key, value in self._live.pop(worker, {}).items():
            if _is_counter(key):
                self._gone[key] += value  # type: ignore[assignment]

    def totals(self) -> dict[str, float]:
        """Every key and its sum."""
        sums: dict[str, float] = dict(self._gone)
        for totals in list(self._live.values()):  # other threads ask, too
            for key, value in totals.items():
                sums[key] = sums.get(key, 0) + value
        return sums

    def grown(self) -> dict[str, float]:
        """What was counted since this tally hears of it: workers live longer than a controller. No gauges."""
        counted = self.totals()
        return {key: counted[key] - self._before[key] for key in counted if _is_counter(key)}

    def by_label(self, name: str, label: str) -> Counter[str]:
        """The sums of one metric by one of its labels."""
        sums: Counter[str] = Counter()
        for key, value in self.totals().items():
            of, labels = parsed(key)
            if of == name and label in labels:
                sums[labels[label]] += int(value)
        return sums

    def timings(self, name: str) -> dict[str, dict[str, float]]:
        """What one timing counted, by service and `le`. Not cumulated; bounds that nothing fell under are left out."""
        found: dict[str, dict[str, float]] = {}
        for key, value in self.totals().items():
            of, labels = parsed(key)
            if of == name:
                found.setdefault(labels["service"], {})[labels["le"]] = value
        return found


class Failures:
    """Failed guesses by key (address or account), held until the workers that did not see them are told."""

    LIMIT: Final = 10_000  # keys held between two deliveries: a flood of made-up names costs no more than this

    def __init__(self) -> None:
        self._seen: dict[object, Counter[str]] = {}
        self._keys = 0

    def __bool__(self) -> bool:
        return bool(self._seen)

    def seen(self, worker: object, failures: Mapping[str, int]) -> None:
        """By this worker. What is beyond LIMIT is dropped: that worker still counts it for itself."""
        mine = self._seen.setdefault(worker, Counter())
        for key, count in failures.items():
            if key not in mine:
                if self._keys >= self.LIMIT:
                    continue
                self._keys += 1
            mine[key] += count

    def deliver(self, workers: Iterable[object]) -> dict[object, dict[str, int]]:
        """What each of these workers has not seen itself; then nothing is held any more."""
        total: Counter[str] = Counter()
        for counts in self._seen.values():
            total.update(counts)
        elsewhere = {}
        for worker in workers:
            unseen = total - self._seen[worker] if worker in self._seen else total
            if unseen:
                elsewhere[worker] = dict(unseen)
        self._seen, self._keys = {}, 0
        return elsewhere


class Holdings:
    """How many connections each worker holds of those of whom it matters (see wire.crowds): the others are told."""

    LIMIT: Final = 10_000  # keys; of one more each worker counts its own

    def __init__(self) -> None:
        self._by_key: dict[str, dict[object, int]] = {}
        self._changed: dict[str, set[object]] = {}  # by which workers; None: all are to be told

    def heard(self, worker: object, counts: Mapping[str, int]) -> None:
        """What this worker holds now."""
        for key, count in counts.items():
            held = self._by_key.get(key)
            if held is None:
                if not count or len(self._by_key) >= self.LIMIT:
                    continue
                held = self._by_key[key] = {}
            if held.get(worker, 0) != count:
                held[worker] = count
                if not count:
                    del held[worker]
                self._changed.setdefault(key, set()).add(worker)

    def gone(self, worker: object) -> None:
        """It died, and its connections with it."""
        self.heard(worker, {key: 0 for key, held in self._by_key.items() if worker in held})

    def came(self) -> None:
        """There is a worker that knows nothing yet."""
        for key in self._by_key:
            self._changed.setdefault(key, set()).add(None)

    def deliver(self, workers: Sequence[object]) -> dict[object, dict[str, int]]:
        """What all others hold, for each of these workers and of whom that has changed."""
        changed, self._changed = self._changed, {}
        news: dict[object, dict[str, int]] = {}
        for key, by in changed.items():
            held = self._by_key[key]
            total = sum(held.values())
            for worker in workers:
                if by != {worker}:
                    news.setdefault(worker, {})[key] = total - held.get(worker, 0)
            if not total:
                del self._by_key[key]
        return news
