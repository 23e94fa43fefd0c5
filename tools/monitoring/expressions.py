"""Expressions of PromQL over the gateway's metrics, by which panels and alerts speak of the same figures."""

from __future__ import annotations

WHERE, WINDOW = "@where", "@window"
"""Stand in an expression for which instances it is about, and for how long a rate looks back."""
ASKED = 'route!~"/livez|/readyz|/startupz|/ping|/v1/health/.*|/health|/metrics"'
"""Requests of clients: not those that platforms send every few seconds."""


def now(metric: str, over_all: str = "sum") -> str:
    """The figure as it is now, of all series together."""
    return f"{over_all}({metric}{{{WHERE}}})"


def rate(metric: str, labels: str = "") -> str:
    """Per second, of each series."""
    return f"rate({metric}{{{labels}{',' if labels else ''}{WHERE}}}[{WINDOW}])"


def total(metric: str, labels: str = "") -> str:
    """Per second, of all series together."""
    return f"sum({rate(metric, labels)})"


def quantile(share: float, metric: str, labels: str = "", by: str = "le") -> str:
    return f"histogram_quantile({share}, sum by ({by}) ({rate(f'{metric}_bucket', labels)}))"


READY = f"ocr_ready{{{WHERE}}}"
WAS_THERE = f"last_over_time(ocr_ready{{{WHERE}}}[1d])"
"""A gateway that was scraped within a day."""
REQUESTS, PAGES = total("ocr_requests_total", ASKED), total("ocr_pages_total")
REFUSED_SHARE = total("ocr_requests_total", f'status="429",{ASKED}') + f" / {REQUESTS}"
ERROR_SHARE = total("ocr_requests_total", f'status=~"5..",{ASKED}') + f" / {REQUESTS}"
FAILED_PAGES = total("ocr_pages_total", 'status="failed"') + f" / {PAGES}"
GPU_SECONDS_A_PAGE = total("ocr_engine_busy_seconds_total") + f" / {PAGES}"
PRICE_A_SECOND = now("ocr_price_per_gpu_hour", "max") + " / 3600"
LAG = quantile(0.99, "ocr_event_loop_lag_seconds")
RECOGNITION = quantile(0.95, "ocr_stage_duration_seconds", 'stage="recognition"')


def fill(expression: str, where: str, window: str) -> str:
    """The expression as PromQL."""
    filled = expression.replace(WHERE, where).replace(WINDOW, window)
    return filled.replace(",}", "}").replace("{}", "")
