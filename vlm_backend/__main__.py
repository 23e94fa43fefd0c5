"""Picks the engine and becomes it (exec), so that signals and exit codes are the engine's own."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from vlm_backend.settings import Settings

Engine = Literal["vllm", "embedded", "external"]

CONFIGURATION_ERROR = 78
"""`EX_CONFIG` of sysexits.h: starting again with the same settings cannot help."""

CANNOT_HOST_VLLM = (
    "VLM_ENGINE=vllm: this version cannot host vLLM; use VLM_ENGINE=embedded, or VLM_ENGINE=external with VLM_BASE_URL "
    "for a vLLM that runs elsewhere.\n"
)
NOTHING_TO_HOST = "VLM_ENGINE=external: the engine runs elsewhere, there is nothing to start here.\n"


def choose_engine(settings: Settings) -> tuple[Engine, str]:
    """The engine to become, and why."""
    if settings.vlm_engine == "auto":
        return "embedded", "VLM_ENGINE=auto, and this build hosts no other engine"
    return settings.vlm_engine, f"VLM_ENGINE={settings.vlm_engine}"


def engine_command(engine: Literal["embedded"]) -> list[str]:
    return [sys.executable, "-m", f"vlm_backend.{engine}"]


def log_line(settings: Settings, event: str, **fields: object) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if settings.log_format == "json":
        return json.dumps({"ts": now, "level": "info", "logger": "vlm", "event": event, **fields}) + "\n"
    return " ".join([now, "[info]", "vlm:", event, *(f"{name}={value}" for name, value in fields.items())]) + "\n"


def checked_settings() -> Settings:
    """The settings; where one is not accepted, says which in one sentence each and exits."""
    try:
        return Settings()
    except ValidationError as error:
        for item in error.errors():
            sys.stderr.write(f"{str(item['loc'][0]).upper()}={item['input']} is not accepted: {item['msg']}.\n")
        sys.exit(CONFIGURATION_ERROR)


def main() -> None:
    settings = checked_settings()
    engine, reason = choose_engine(settings)
    if engine == "vllm":
        sys.stderr.write(CANNOT_HOST_VLLM)
        sys.exit(CONFIGURATION_ERROR)
    if engine == "external":
        sys.stderr.write(NOTHING_TO_HOST)
        return
    if settings.log_level in ("DEBUG", "INFO"):
        sys.stdout.write(log_line(settings, "starting engine", engine=engine, reason=reason, port=settings.vlm_port))
        sys.stdout.flush()
    command = engine_command(engine)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
