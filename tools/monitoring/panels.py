"""The panels of the dashboard, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.monitoring.expressions import (
    ASKED,
    ERROR_SHARE,
    GPU_SECONDS_A_PAGE,
    LAG,
    PAGES,
    PRICE_A_SECOND,
    READY,
    REFUSED_SHARE,
    WHERE,
    quantile,
    rate,
    total,
)

COLUMNS = 24
"""Of Grafana's grid."""
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
class Section:
    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)


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
