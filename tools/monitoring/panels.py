"""The panels of the dashboard, section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    now,
    quantile,
    rate,
    total,
)

COLUMNS = 24
"""Of Grafana's grid."""
Unit = Literal["short", "percentunit", "s", "bytes", "reqps", "none", "h"]


@dataclass(frozen=True, slots=True)
class Panel:
    """`lines`: expressions by their legends, which may name labels in double braces. `width`: columns of `COLUMNS`.
    `exemplars`: whether traces of examples are shown."""

    title: str
    unit: Unit
    lines: Mapping[str, str]
    description: str
    width: int = 8
    is_figure: bool = False
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)


def _figure(title: str, unit: Unit, lines: Mapping[str, str], description: str) -> Panel:
    """A narrow panel that shows what holds now."""
    return Panel(title, unit, lines, description, width=4, is_figure=True)


SECTIONS = (
    Section(
        "Objectives",
        (
            _figure(
                "Ready",
                "none",
                {"ready": f"sum({READY})", "gateways": f"count({READY})"},
                "Gateways that can serve a document now, as /readyz says, and all of them.",
            ),
            _figure(
                "Pages a second",
                "short",
                {"pages": PAGES},
                "Pages that were read, whatever their status.",
            ),
            _figure(
                "Refused",
                "percentunit",
                {"429": f"({REFUSED_SHARE}) or vector(0)"},
                "Share of requests that were answered 429: the service, or a key's limits, took no more.",
            ),
            _figure(
                "Errors",
                "percentunit",
                {"5xx": f"({ERROR_SHARE}) or vector(0)"},
                "Share of requests that were answered 5xx.",
            ),
            _figure(
                "GPU-hours a million pages",
                "h",
                {"GPU-hours": f"{GPU_SECONDS_A_PAGE} * 1e6 / 3600"},
                "By the seconds in which the engine had calls; idle time is not in it. For one GPU: where a gateway "
                "has several, multiply.",
            ),
            _figure(
                "Cost of 1,000 pages",
                "short",
                {
                    "busy": f"{PRICE_A_SECOND} * {GPU_SECONDS_A_PAGE} * 1000",
                    "rented": f"{PRICE_A_SECOND} * count({READY}) / {PAGES} * 1000",
                },
                "In the currency of PRICE_PER_GPU_HOUR, 0 without it. `busy`: of the seconds in which the engine had "
                "calls; `rented`: of all seconds, where each gateway has an engine of its own.",
            ),
        ),
    ),
    Section(
        "Traffic",
        (
            Panel(
                "Requests",
                "reqps",
                {"{{route}} {{status}}": f"sum by (route, status) ({rate('ocr_requests_total', ASKED)})"},
                "Answered requests; `refused` were turned away before the application saw them.",
            ),
            Panel(
                "Pages",
                "short",
                {"{{status}}": f"sum by (status) ({rate('ocr_pages_total')})"},
                "Pages a second.",
            ),
            Panel(
                "Blocks",
                "short",
                {"{{status}}": f"sum by (status) ({rate('ocr_blocks_total')})"},
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
                {f"p{share * 100:.0f}": quantile(share, "ocr_document_duration_seconds") for share in (0.5, 0.95)},
                "From the opening of a request's document to its last page.",
                exemplars=True,
            ),
            Panel(
                "Stages of a page, p95",
                "s",
                {"{{stage}}": quantile(0.95, "ocr_stage_duration_seconds", by="le, stage")},
                "Waiting for the engine is a part of recognition.",
                exemplars=True,
            ),
            Panel(
                "Event loop, p99",
                "s",
                {"lag": LAG},
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
                {
                    "running": now("ocr_regions_running"),
                    "waiting": now("ocr_regions_waiting"),
                    "limit": now("ocr_regions_limit"),
                },
                "Region calls at the engine, those that wait, and how many may run.",
            ),
            Panel(
                "Busy",
                "percentunit",
                {"{{instance}}": rate("ocr_engine_busy_seconds_total")},
                "Share of the time in which the engine had a call of this gateway.",
            ),
            Panel(
                "Calls asked twice and readings stopped",
                "short",
                {
                    "asked twice": total("ocr_hedges_total"),
                    "second answer first": total("ocr_hedges_won_total"),
                    "stopped in a loop": total("ocr_runaways_total"),
                },
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
                {
                    "documents": now("ocr_documents_in_work"),
                    "pages": now("ocr_pages_in_work"),
                    "chats": now("ocr_chats_in_work"),
                    "uploads": now("ocr_uploads"),
                },
                "Now.",
            ),
            Panel(
                "Connections",
                "short",
                {"open": now("ocr_connections"), "closed for others, a second": total("ocr_connections_evicted_total")},
                "Connections of clients.",
            ),
            Panel(
                "Keys",
                "short",
                {
                    "{{key}} pages": f"topk(10, sum by (key) ({rate('ocr_key_pages_total')}))",
                    "{{key}} refused": f"topk(10, sum by (key) ({rate('ocr_key_refused_total')}))",
                    "{{key}} requests": f"topk(10, sum by (key) ({rate('ocr_key_requests_total')}))",
                },
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
                {"unfinished": now("ocr_jobs_unfinished", "max"), "read": now("ocr_jobs_reading")},
                "Jobs that wait or are read, of all gateways on one store, and those that are read.",
            ),
            Panel(
                "Store",
                "bytes",
                {"stored": now("ocr_jobs_stored_bytes", "max")},
                "What all jobs take; STORE_MAX_GB bounds it.",
            ),
            Panel(
                "Gateways on the store",
                "short",
                {"gateways": now("ocr_jobs_gateways", "max"), "that take jobs": now("ocr_jobs_available")},
                "Gateways that were seen lately, and those whose database answers.",
            ),
        ),
    ),
)
