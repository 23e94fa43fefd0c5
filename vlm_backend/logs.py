"""One log line an event, JSON or for eyes, for all of the VLM tier. Errors go to stderr, where the watchdog listens for
why a program ends, all else to stdout. Standard library only: any engine's environment can load it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vlm_backend.settings import Settings

LogFormat = Literal["json", "console"]
_FOREIGN = ("vllm", "uvicorn", "uvicorn.error")


class LineFormatter(logging.Formatter):
    """`logger.info("event", extra={"fields": {...}})` becomes one line; a trace is one field of it."""

    def __init__(self, log_format: LogFormat, logger: str = "vlm") -> None:
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


def configure_logging(level: str, log_format: LogFormat) -> None:
    usual, errors = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    usual.addFilter(BelowError())
    errors.setLevel(logging.ERROR)
    for handler in (usual, errors):
        handler.setFormatter(LineFormatter(log_format))
    logging.basicConfig(level=level, handlers=[usual, errors], force=True)


def write_configuration(target: Path, settings: Settings) -> Path | None:
    """Puts a file of `logging.config.dictConfig` there that makes another program's lines look like ours; None where
    nothing can be written: its lines keep their own look."""
    loggers = {
        name: {"handlers": ["stdout", "stderr"], "level": settings.log_level, "propagate": False} for name in _FOREIGN
    }
    handler = {"class": "logging.StreamHandler", "formatter": "line"}
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "vlm_backend.logs.LineFormatter", "log_format": settings.log_format}},
        "filters": {"below_error": {"()": "vlm_backend.logs.BelowError"}},
        "handlers": {
            "stdout": {**handler, "stream": "ext://sys.stdout", "filters": ["below_error"]},
            "stderr": {**handler, "stream": "ext://sys.stderr", "level": "ERROR"},
        },
        "loggers": loggers,
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(configuration), encoding="utf-8")
    except OSError:
        return None
    return target


def log(message: str, *, level: int = logging.INFO, **fields: object) -> None:
    logging.getLogger("vlm").log(level, message, extra={"fields": fields})
