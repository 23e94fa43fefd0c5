"""What Prometheus warns of, and what whoever reads the warning is to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.monitoring.expressions import (
    ERROR_SHARE,
    FAILED_PAGES,
    LAG,
    READY,
    RECOGNITION,
    REFUSED_SHARE,
    WAS_THERE,
    WHERE,
)


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires when `expression` has held for `after`; `summary` and `remedy` are what its reader needs."""

    name: str
    expression: str
    after: str
    severity: Literal["critical", "warning"]
    summary: str
    remedy: str


ALERTS = (
    Alert(
        "PaddleOcrVlAbsent",
        "absent(ocr_ready)",
        "5m",
        "critical",
        "No gateway is scraped.",
        "No pod runs, or Prometheus may not read /metrics: with API keys set it needs one.",
    ),
    Alert(
        "PaddleOcrVlDown",
        f"sum by (namespace, job) ({READY}) == 0",
        "5m",
        "critical",
        "No gateway of {{ $labels.job }} can serve a document.",
        "/readyz and /health of a gateway give the reason; `python -m vlm_backend doctor` says what keeps an engine "
        "from starting.",
    ),
    Alert(
        "PaddleOcrVlNotReady",
        f"{READY} == 0",
        "30m",
        "warning",
        "{{ $labels.instance }} has not been ready for half an hour.",
        "Longer than a start with a download of weights takes: /health of this gateway gives the reason.",
    ),
    Alert(
        "PaddleOcrVlGatewayLost",
        f"up{{{WHERE}}} == 0 and on (job, instance) {WAS_THERE}",
        "5m",
        "warning",
        "{{ $labels.instance }} does not answer; it did within a day.",
        "Its process has ended, or Prometheus can't reach it. The others serve meanwhile, and go on with its jobs.",
    ),
    Alert(
        "PaddleOcrVlEngineLost",
        f"ocr_engine_ready{{{WHERE}}} == 0 and on (job, instance) {READY} == 1",
        "10m",
        "warning",
        "Engine {{ $labels.engine }} of {{ $labels.instance }} is away; others serve.",
        "`engines` in /health of this gateway give its address and the reason.",
    ),
    Alert(
        "PaddleOcrVlErrors",
        f"{ERROR_SHARE} > 0.01",
        "10m",
        "critical",
        "{{ $value | humanizePercentage }} of requests are answered 5xx.",
        "The gateway's log names each, with its code and request id.",
    ),
    Alert(
        "PaddleOcrVlRefuses",
        f"{REFUSED_SHARE} > 0.05",
        "15m",
        "warning",
        "{{ $value | humanizePercentage }} of requests are answered 429.",
        "More arrives than the engine reads, or a key is over its limits: add replicas, or look at the panel Keys.",
    ),
    Alert(
        "PaddleOcrVlPagesFail",
        f"{FAILED_PAGES} > 0.05",
        "15m",
        "warning",
        "{{ $value | humanizePercentage }} of pages can't be read.",
        "The answers' warnings say why; most often the engine fails, or a client sends damaged files.",
    ),
    Alert(
        "PaddleOcrVlSlow",
        f"{RECOGNITION} > 60",
        "15m",
        "warning",
        "One page in twenty waits {{ $value | humanizeDuration }} for its recognition.",
        "Calls wait for the engine (the panel Calls), or it has become slow; a trace shows which.",
    ),
    Alert(
        "PaddleOcrVlLoopLags",
        f"{LAG} > 0.25",
        "10m",
        "warning",
        "The gateway's event loop wakes {{ $value | humanizeDuration }} late.",
        "It has too few cores beside the engine and its own workers; probes may fail next.",
    ),
    Alert(
        "PaddleOcrVlJobsUnavailable",
        f"ocr_jobs_available{{{WHERE}}} == 0",
        "5m",
        "critical",
        "{{ $labels.instance }} takes no jobs.",
        "The jobs' database does not answer; `limitations` in /health gives the reason.",
    ),
    Alert(
        "PaddleOcrVlJobsStuck",
        f"max by (namespace, job) (ocr_jobs_unfinished{{{WHERE}}}) > 0 "
        f"and sum by (namespace, job) (ocr_jobs_reading{{{WHERE}}}) == 0",
        "30m",
        "warning",
        "Jobs wait, and no gateway reads one.",
        "An engine that is away, or a key whose limits keep its jobs waiting.",
    ),
)
