"""Writes the Grafana dashboard and the Prometheus alert rules from one definition, so that both speak of the same
figures: deploy/monitoring/ for everybody, and copies of them where the Helm chart finds them.

python -m tools.dashboard
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (ROOT / "deploy" / "monitoring", ROOT / "deploy" / "helm" / "paddleocr-vl-service" / "files")
DASHBOARD, RULES = "dashboard.json", "alerts.yaml"
RUNBOOK = "docs/operation.md#dashboard-and-alerts"

WHERE, WINDOW = "@where", "@window"
"""Stand in an expression for which instances it is about, and for how long a rate looks back."""
COLUMNS, HEIGHT = 24, 8
"""Of Grafana's grid, and of each panel in it."""
ASKED = 'route!~"/livez|/readyz|/startupz|/ping|/v1/health/.*|/health|/metrics"'
"""Requests of clients: not those that platforms send every few seconds."""

Unit = Literal["short", "percentunit", "s", "bytes", "reqps", "none", "h"]


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` names its lines, by labels in double braces."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`width` in columns of `COLUMNS`; `exemplars`: whether traces of examples are shown."""

    title: str
    unit: Unit
    queries: Sequence[Query]
    description: str
    width: int = 8
    is_figure: bool = False
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires when `expression` has held for `after`; `summary` and `remedy` are what its reader needs."""

    name: str
    expression: str
    after: str
    severity: Literal["critical", "warning"]
    summary: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)


def rate(metric: str, labels: str = "") -> str:
    """Per second, of each series."""
    return f"rate({metric}{{{labels}{',' if labels else ''}{WHERE}}}[{WINDOW}])"


def total(metric: str, labels: str = "") -> str:
    """Per second, of all series together."""
    return f"sum({rate(metric, labels)})"


def quantile(share: float, metric: str, labels: str = "", by: str = "le") -> str:
    return f"histogram_quantile({share}, sum by ({by}) ({rate(f'{metric}_bucket', labels)}))"


READY = f"ocr_ready{{{WHERE}}}"
REQUESTS, PAGES = total("ocr_requests_total", ASKED), total("ocr_pages_total")
REFUSED_SHARE = total("ocr_requests_total", f'status="429",{ASKED}') + f" / {REQUESTS}"
ERROR_SHARE = total("ocr_requests_total", f'status=~"5..",{ASKED}') + f" / {REQUESTS}"
FAILED_PAGES = total("ocr_pages_total", 'status="failed"') + f" / {PAGES}"
GPU_SECONDS_A_PAGE = total("ocr_engine_busy_seconds_total") + f" / {PAGES}"
PRICE_A_SECOND = f"max(ocr_price_per_gpu_hour{{{WHERE}}}) / 3600"
LAG = quantile(0.99, "ocr_event_loop_lag_seconds")
RECOGNITION = quantile(0.95, "ocr_stage_duration_seconds", 'stage="recognition"')

SECTIONS = (
    Section(
        "Objectives",
        (
            Panel(
                "Ready",
                "none",
                [Query(f"sum({READY})", "ready"), Query(f"count({READY})", "gateways")],
                "Gateways that can serve a document now, as /readyz says, and all of them.",
                width=4,
                is_figure=True,
            ),
            Panel(
                "Pages a second",
                "short",
                [Query(PAGES, "pages")],
                "Pages that were read, whatever their status.",
                width=4,
                is_figure=True,
            ),
            Panel(
                "Refused",
                "percentunit",
                [Query(f"({REFUSED_SHARE}) or vector(0)", "429")],
                "Share of requests that were answered 429: the service, or a key's limits, took no more.",
                width=4,
                is_figure=True,
            ),
            Panel(
                "Errors",
                "percentunit",
                [Query(f"({ERROR_SHARE}) or vector(0)", "5xx")],
                "Share of requests that were answered 5xx.",
                width=4,
                is_figure=True,
            ),
            Panel(
                "GPU-hours a million pages",
                "h",
                [Query(f"{GPU_SECONDS_A_PAGE} * 1e6 / 3600", "GPU-hours")],
                "By the seconds in which the engine had calls; idle time is not in it. For one GPU: where a gateway "
                "has several, multiply.",
                width=4,
                is_figure=True,
            ),
            Panel(
                "Cost of 1,000 pages",
                "short",
                [
                    Query(f"{PRICE_A_SECOND} * {GPU_SECONDS_A_PAGE} * 1000", "busy"),
                    Query(f"{PRICE_A_SECOND} * count({READY}) / {PAGES} * 1000", "rented"),
                ],
                "In the currency of PRICE_PER_GPU_HOUR, 0 without it. `busy`: of the seconds in which the engine had "
                "calls; `rented`: of all seconds, where each gateway has an engine of its own.",
                width=4,
                is_figure=True,
            ),
        ),
    ),
    Section(
        "Traffic",
        (
            Panel(
                "Requests",
                "reqps",
                [Query(f"sum by (route, status) ({rate('ocr_requests_total', ASKED)})", "{{route}} {{status}}")],
                "Answered requests; `refused` were turned away before the application saw them.",
            ),
            Panel(
                "Pages",
                "short",
                [Query(f"sum by (status) ({rate('ocr_pages_total')})", "{{status}}")],
                "Pages a second.",
            ),
            Panel(
                "Blocks",
                "short",
                [Query(f"sum by (status) ({rate('ocr_blocks_total')})", "{{status}}")],
                "Blocks a second; `failed` and `truncated` ones are named in the answers' warnings.",
            ),
        ),
    ),
    Section(
        "Latency",
        (
            Panel(
                "Documents",
                "s",
                [
                    Query(quantile(share, "ocr_document_duration_seconds"), f"p{share * 100:.0f}")
                    for share in (0.5, 0.95)
                ],
                "From the opening of a request's document to its last page.",
                exemplars=True,
            ),
            Panel(
                "Stages of a page, p95",
                "s",
                [Query(quantile(0.95, "ocr_stage_duration_seconds", by="le, stage"), "{{stage}}")],
                "Waiting for the engine is a part of recognition.",
                exemplars=True,
            ),
            Panel(
                "Event loop, p99",
                "s",
                [Query(LAG, "lag")],
                "How much later than asked the gateway's loop woke; it answers probes.",
            ),
        ),
    ),
    Section(
        "Engine",
        (
            Panel(
                "Calls",
                "short",
                [
                    Query(f"sum(ocr_regions_running{{{WHERE}}})", "running"),
                    Query(f"sum(ocr_regions_waiting{{{WHERE}}})", "waiting"),
                    Query(f"sum(ocr_regions_limit{{{WHERE}}})", "limit"),
                ],
                "Region calls at the engine, those that wait, and how many may run.",
            ),
            Panel(
                "Busy",
                "percentunit",
                [Query(rate("ocr_engine_busy_seconds_total"), "{{instance}}")],
                "Share of the time in which the engine had a call of this gateway.",
            ),
            Panel(
                "Calls asked twice and readings stopped",
                "short",
                [
                    Query(total("ocr_hedges_total"), "asked twice"),
                    Query(total("ocr_hedges_won_total"), "second answer first"),
                    Query(total("ocr_runaways_total"), "stopped in a loop"),
                ],
                "A second: calls that fell silent, and readings that repeated themselves.",
            ),
        ),
    ),
    Section(
        "Gateway",
        (
            Panel(
                "In work",
                "short",
                [
                    Query(f"sum(ocr_documents_in_work{{{WHERE}}})", "documents"),
                    Query(f"sum(ocr_pages_in_work{{{WHERE}}})", "pages"),
                    Query(f"sum(ocr_chats_in_work{{{WHERE}}})", "chats"),
                    Query(f"sum(ocr_uploads{{{WHERE}}})", "uploads"),
                ],
                "Now.",
            ),
            Panel(
                "Connections",
                "short",
                [
                    Query(f"sum(ocr_connections{{{WHERE}}})", "open"),
                    Query(total("ocr_connections_evicted_total"), "closed for others, a second"),
                ],
                "Connections of clients.",
            ),
            Panel(
                "Keys",
                "short",
                [
                    Query(f"topk(10, sum by (key) ({rate('ocr_key_pages_total')}))", "{{key}} pages"),
                    Query(f"topk(10, sum by (key) ({rate('ocr_key_refused_total')}))", "{{key}} refused"),
                    Query(f"topk(10, sum by (key) ({rate('ocr_key_requests_total')}))", "{{key}} requests"),
                ],
                "The busiest API keys, a second; nothing without keys.",
            ),
        ),
    ),
    Section(
        "Jobs",
        (
            Panel(
                "Jobs",
                "short",
                [
                    Query(f"max(ocr_jobs_unfinished{{{WHERE}}})", "unfinished"),
                    Query(f"sum(ocr_jobs_reading{{{WHERE}}})", "read"),
                ],
                "Jobs that wait or are read, of all gateways on one store, and those that are read.",
            ),
            Panel(
                "Store",
                "bytes",
                [Query(f"max(ocr_jobs_stored_bytes{{{WHERE}}})", "stored")],
                "What all jobs take; STORE_MAX_GB bounds it.",
            ),
            Panel(
                "Gateways on the store",
                "short",
                [
                    Query(f"max(ocr_jobs_gateways{{{WHERE}}})", "gateways"),
                    Query(f"sum(ocr_jobs_available{{{WHERE}}})", "that take jobs"),
                ],
                "Gateways that were seen lately, and those whose database answers.",
            ),
        ),
    ),
)

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


def fill(expression: str, where: str, window: str) -> str:
    """The expression as PromQL."""
    filled = expression.replace(WHERE, where).replace(WINDOW, window)
    return filled.replace(",}", "}").replace("{}", "")


def make_dashboard() -> dict[str, Any]:
    """A dashboard of Grafana 10 or newer, to be imported or provisioned."""
    return {
        "uid": "paddleocr-vl",
        "title": "PaddleOCR-VL",
        "tags": ["ocr"],
        "editable": True,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source_variable(), _instance_variable()]},
        "panels": list(_place_panels()),
    }


def make_rules() -> dict[str, Any]:
    """Prometheus' rule file; a PrometheusRule's `spec` too."""
    rules = [
        {
            "alert": alert.name,
            "expr": fill(alert.expression, "", "5m"),
            "for": alert.after,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.remedy, "runbook": RUNBOOK},
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "paddleocr-vl", "rules": rules}]}


def make_files() -> Mapping[str, str]:
    """What stands in each of `FOLDERS`, by name."""
    preface = "# Written by `make dashboard` from tools/dashboard.py; edit that.\n"
    rules = yaml.safe_dump(make_rules(), sort_keys=False, width=120, allow_unicode=True)
    return {DASHBOARD: json.dumps(make_dashboard(), indent=1, ensure_ascii=False) + "\n", RULES: preface + rules}


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _instance_variable() -> dict[str, Any]:
    return {
        "name": "instance",
        "type": "query",
        "label": "Gateway",
        "datasource": _SOURCE,
        "query": {"query": "label_values(ocr_ready, instance)", "refId": "instances"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _place_panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for section in SECTIONS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        x, y = 0, y + 1
        for panel in section.panels:
            number += 1
            yield {"id": number, "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT}, **_describe_panel(panel)}
            x += panel.width
        y += HEIGHT


def _describe_panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": fill(query.expression, 'instance=~"$instance"', "$__rate_interval"),
            "legendFormat": query.legend,
            "exemplar": panel.exemplars,
        }
        for index, query in enumerate(panel.queries)
    ]
    return {
        "type": "stat" if panel.is_figure else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def main() -> None:
    for folder in FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in make_files().items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
