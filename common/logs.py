"""One log line an event, JSON or for eyes, for the VLM tier and what supervises it. Standard library only: any engine's
environment can load it. (The gateway's lines are structlog's: `gateway/runtime.py`.)"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["json", "console"]


class LineFormatter(logging.Formatter):
    """`logger.info("event", extra={"fields": {...}})` becomes one line; a trace is one field of it."""

    def __init__(self, log_format: LogFormat, logger: str) -> None:
        super().__init__()
        self._format = log_format
        self._logger = logger

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level, event = record.levelname.lower(), record.getMessage()
        if self._format == "json":
            line = {"ts": time, "level": level, "logger": self._logger, "event": event, **fields}
            return json.dumps(line, ensure_ascii=False, default=str)
        pairs = (f"{name}={value}" for name, value in fields.items())
        return " ".join([time, f"[{level}]", f"{self._logger}:", event, *pairs])


class BelowError(logging.Filter):
    """Leaves errors to the handler that writes them to stderr."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR


def configure_logging(level: str, log_format: LogFormat, logger: str) -> None:
    """Sets the process's logging. Errors go to stderr, where the watchdog listens for why a program ends, all else to
    stdout."""
    usual, errors = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    usual.addFilter(BelowError())
    errors.setLevel(logging.ERROR)
    for handler in (usual, errors):
        handler.setFormatter(LineFormatter(log_format, logger))
    logging.basicConfig(level=level, handlers=[usual, errors], force=True)


def log(message: str, *, level: int = logging.INFO, **fields: object) -> None:
    logging.getLogger().log(level, message, extra={"fields": fields})
