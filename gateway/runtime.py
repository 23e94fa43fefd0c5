"""How the process runs: its log lines, when it looks for garbage, what it does again and again."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from gateway.tracing import trace_ids


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.update(trace_ids())
    return event


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    _add_trace,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    structlog.processors.StackInfoRenderer(),
)
_QUIET = (
    "asyncio",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "multipart",
    "PIL",
    "python_multipart",
    "uvicorn",
)
"""Loggers that tell of every call, some with what it carried, or of what we log ourselves; their warnings pass."""
_OWN = ("gateway", "common", "textlines")
"""Whose DEBUG is logged. Libraries' would tell what they send: botocore's the bucket's signed requests with its key."""

_OLDEST = 2
"""Generation that a full search looks at."""
_STARTING_SEARCHES = 4
"""Full searches from the start of the server until all parts run, and the first documents are read; what is alive in
them of a request is looked at no more, so they are few."""

log = structlog.get_logger(__name__)


def shorten_pauses() -> None:
    """Takes all that is there now out of the search for garbage, which stops the event loop while it lasts; and what
    the first full searches find alive: libraries that parts load when they start, 130,000 objects or 80 ms each time.

    To be called once the modules are imported. How often it looks stays as it is: whatever leaves
    garbage in circles (libraries may) adds up between searches, 67 MB an hour at full load when they were rarer.
    """
    gc.collect()
    gc.freeze()
    full_searches = 0

    def freeze_what_is_left(phase: str, info: Mapping[str, int]) -> None:
        nonlocal full_searches
        if phase == "stop" and info["generation"] == _OLDEST and full_searches < _STARTING_SEARCHES:
            full_searches += 1
            gc.freeze()

    gc.callbacks.append(freeze_what_is_left)


async def repeat(work: Callable[[], Awaitable[None]], rest_s: float) -> None:
    """Does the work until it is cancelled, with a rest after each time. What it raises is logged, and costs that time
    only."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background_work_failed", work=getattr(work, "__qualname__", repr(work)))
        await asyncio.sleep(rest_s)


def configure_logs(level: str, style: Literal["json", "console"]) -> None:
    """Sets the process's logging. `style`: one JSON object a line, or coloured text for eyes."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(style))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(style: Literal["json", "console"]) -> structlog.stdlib.ProcessorFormatter:
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if style == "json":
        last += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        trace = structlog.dev.plain_traceback
        last.append(
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), timestamp_key="ts", exception_formatter=trace)
        )
    return structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=list(_SHARED))
