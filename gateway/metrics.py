"""Prometheus metrics, in a registry of their own for each app. Never labelled by document or client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway.model import PageResult
from gateway.tracing import exemplar

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("ocr_requests", "Requests answered", ["route", "status"], registry=self.registry)
        self._pages = Counter("ocr_pages", "Pages read", ["status"], registry=self.registry)
        self._blocks = Counter("ocr_blocks", "Blocks read", ["status"], registry=self.registry)
        self._stages = Histogram(
            "ocr_stage_duration_seconds",
            "Time that one page spent in a stage",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._documents = Histogram(
            "ocr_document_duration_seconds",
            "Time that a request's document took, from its opening to its last page",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.loop_lag = Histogram(
            "ocr_event_loop_lag_seconds",
            "How much later than asked the event loop woke a sampler",
            buckets=_LAG_SECONDS,
            registry=self.registry,
        )

    def count_page(self, result: PageResult, stages_ms: dict[str, int]) -> None:
        self._pages.labels(result.status).inc()
        for block in result.blocks:
            self._blocks.labels(block.status).inc()
        example = exemplar()
        for stage, ms in stages_ms.items():
            self._stages.labels(stage).observe(ms / 1000, example)

    def observe_document(self, ms: int) -> None:
        self._documents.observe(ms / 1000, exemplar())

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def watch_total(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A counter that is kept elsewhere and read when it is asked for; `name` without `_total`."""
        self.registry.register(_Total(name, text, value))

    def watch_keys(self, name: str, text: str, values: Callable[[], Mapping[str, float]]) -> None:
        """A counter for each name that `values` gives, kept elsewhere; `name` without `_total`."""
        self.registry.register(_Labelled(CounterMetricFamily(name, text, labels=["key"]), values))

    def watch_engines(
        self, name: str, text: str, values: Callable[[], Mapping[str, float]], *, is_total: bool = False
    ) -> None:
        """A gauge, or a counter (`name` without `_total`), for each engine's number that `values` gives. Numbers are
        given anew when an engine has left, so there are never more than engines have been there at once."""
        family = CounterMetricFamily if is_total else GaugeMetricFamily
        self.registry.register(_Labelled(family(name, text, labels=["engine"]), values))

    def render(self, accept: str) -> tuple[bytes, str]:
        """All of them and their media type: OpenMetrics, which has exemplars, where the header `Accept` asks for it,
        else Prometheus' text format."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


class _Total(Collector):
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name = name
        self._text = text
        self._value = value

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._text, self._value())


class _Labelled(Collector):
    """A family of one label, whose values are read when they are asked for."""

    def __init__(
        self, family: CounterMetricFamily | GaugeMetricFamily, values: Callable[[], Mapping[str, float]]
    ) -> None:
        self._family = family
        self._values = values

    def collect(self) -> Iterator[Metric]:
        family = copy(self._family)
        family.samples = []
        for label, value in self._values().items():
            family.add_metric([label], value)
        yield family
