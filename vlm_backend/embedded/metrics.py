"""The engine's numbers in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from vlm_backend.embedded.engine import Load


class _LoadCollector(Collector):
    def __init__(self, load: Load) -> None:
        self._load = load

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        requests = CounterMetricFamily("embedded_requests", "Requests that have ended", labels=["outcome"])
        for outcome in ("served", "cancelled", "rejected"):
            requests.add_metric([outcome], getattr(self._load, outcome))
        return [
            GaugeMetricFamily("embedded_requests_running", "Requests being read", value=self._load.running),
            GaugeMetricFamily("embedded_requests_waiting", "Requests waiting for a core", value=self._load.waiting),
            requests,
            CounterMetricFamily("embedded_lines", "Text lines found in crops", value=self._load.lines),
            CounterMetricFamily("embedded_steps", "Calls of recognisers, and other steps", value=self._load.steps),
        ]


def exposition(load: Load) -> str:
    registry = CollectorRegistry()
    registry.register(_LoadCollector(load))
    return generate_latest(registry).decode()
