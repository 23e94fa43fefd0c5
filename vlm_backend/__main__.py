"""Picks the engine and becomes it (exec), so that signals and exit codes are the engine's own."""

from __future__ import annotations

import os
import sys
from typing import Literal

from vlm_backend.logs import configure_logging, log
from vlm_backend.settings import CONFIGURATION_ERROR, Settings, checked_settings

Engine = Literal["vllm", "embedded", "external"]

CANNOT_HOST_VLLM = (
    "VLM_ENGINE=vllm: this version cannot host vLLM; use VLM_ENGINE=embedded, or VLM_ENGINE=external with VLM_BASE_URL "
    "for a vLLM that runs elsewhere."
)
NOTHING_TO_HOST = "VLM_ENGINE=external: the engine runs elsewhere, there is nothing to start here.\n"


def choose_engine(settings: Settings) -> tuple[Engine, str]:
    """The engine to become, and why."""
    if settings.vlm_engine == "auto":
        return "embedded", "VLM_ENGINE=auto, and this build hosts no other engine"
    return settings.vlm_engine, f"VLM_ENGINE={settings.vlm_engine}"


def engine_command(engine: Literal["embedded"]) -> list[str]:
    return [sys.executable, "-m", f"vlm_backend.{engine}"]


def main() -> None:
    settings = checked_settings()
    engine, reason = choose_engine(settings)
    if engine == "vllm":
        sys.stderr.write(f"{CANNOT_HOST_VLLM}\n")
        sys.exit(CONFIGURATION_ERROR)
    if engine == "external":
        sys.stderr.write(NOTHING_TO_HOST)
        return
    configure_logging(settings.log_level, settings.log_format)
    log("starting engine", engine=engine, reason=reason, port=settings.vlm_port)
    command = engine_command(engine)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
