"""What a running host tells Prometheus: answers and faults by code, batches, the disk, the activation counts."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from quorate import __version__
from quorate.host.admin.views import GroupCount

__all__ = ["HostMetrics"]

_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class HostMetrics:
    """One host's metrics in their own registry.

    Args:
        waiting: how many requests wait for the disk now.
        counts: the activation counts now; asked at each scrape.
        certificate_expires_s: when the host certificate ends; 0 without one.
        published: domains of DNS publication, and whether the record stands there; asked at each scrape.
    """

    def __init__(
        self,
        waiting: Callable[[], int],
        counts: Callable[[], Iterable[GroupCount]],
        certificate_expires_s: Callable[[], int],
        published: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        self._registry = registry = CollectorRegistry()
        self._answers = Counter(
            "quorate_host_answers",
            "Signed answers by outcome: ACTIVATED or the refusal's code.",
            ["code"],
            registry=registry,
        )
        self._faults = Counter(
            "quorate_host_faults", "Requests that got no signed answer, by error code.", ["code"], registry=registry
        )
        self._batch = Histogram(
            "quorate_host_batch_requests", "Requests committed together.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self._commit = Histogram(
            "quorate_host_commit_seconds",
            "Time of one transaction, its fsync included.",
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        queue = Gauge("quorate_host_waiting_requests", "Requests that wait for the disk.", registry=registry)
        queue.set_function(waiting)
        expires = Gauge(
            "quorate_host_certificate_expires_seconds", "When the host certificate ends; 0 without.", registry=registry
        )
        expires.set_function(certificate_expires_s)
        info = Gauge("quorate_host_info", "Always 1; the version is the label.", ["version"], registry=registry)
        info.labels(__version__).set(1)
        registry.register(_Counts(counts))
        registry.register(_Published(published))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def batch_done(self, outcomes: Tally[str], seconds: float) -> None:
        """One transaction was committed and its answers signed."""
        for code, number in outcomes.items():
            self._answers.labels(code).inc(number)
        self._batch.observe(outcomes.total())
        self._commit.observe(seconds)

    def fault_told(self, code: str) -> None:
        """One problem was sent."""
        self._faults.labels(code).inc()

    def exposition(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Counts(Collector):
    """Read at each scrape: the count follows requests and time, so there is nothing to keep up to date."""

    def __init__(self, counts: Callable[[], Iterable[GroupCount]]) -> None:
        self._counts = counts

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["group", "class"]
        current = GaugeMetricFamily("quorate_host_activation_count", "Count, up to twice the threshold.", labels=labels)
        threshold = GaugeMetricFamily("quorate_host_activation_threshold", "Count that is needed.", labels=labels)
        for each in self._counts():
            current.add_metric([each.group, each.machine_class], each.current)
            threshold.add_metric([each.group, each.machine_class], each.threshold)
        yield current
        yield threshold


class _Published(Collector):
    """Read at each scrape, as a command may publish as well."""

    def __init__(self, published: Callable[[], Mapping[str, bool]]) -> None:
        self._published = published

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "quorate_host_dns_published", "1 where the last try to publish the SRV record worked.", labels=["domain"]
        )
        for domain, is_published in self._published().items():
            family.add_metric([domain], is_published)
        yield family
