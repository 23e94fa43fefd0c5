"""Picks the engine and becomes it (exec), so that signals and exit codes are the engine's own.

`python -m vlm_backend`                starts the engine
`python -m vlm_backend doctor`         says what keeps it from starting
`python -m vlm_backend fetch-models`   downloads the weights
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from vlm_backend.choice import Choice, choose_engine
from vlm_backend.doctor import Check, examine
from vlm_backend.doctor import main as doctor
from vlm_backend.fetch import main as fetch_models
from vlm_backend.logs import configure_logging, log
from vlm_backend.settings import CONFIGURATION_ERROR, Settings, checked_settings
from vlm_backend.status import Failure, TierStatus, write_status
from vlm_backend.vllm import command, environment

NOTHING_TO_HOST = "VLM_ENGINE=external: the engine runs elsewhere, there is nothing to start here.\n"
LEVELS = {"ok": logging.DEBUG, "warn": logging.WARNING, "fail": logging.ERROR}


def start(settings: Settings) -> NoReturn:
    """Becomes the engine, unless the doctor knows that it could not work: then says why and ends."""
    choice = choose_engine(settings)
    log("engine chosen", engine=choice.engine, why=choice.why)
    report = examine(settings, choice.engine)
    for check in report.checks:
        log("doctor", level=LEVELS[check.status], check=check.name, detail=check.detail, remedy=check.remedy)
    if report.failures:
        refuse(settings, choice, report.failures)
    write_status(settings, TierStatus("starting", choice.engine, choice.why))
    become(settings, choice)


def refuse(settings: Settings, choice: Choice, failures: Sequence[Check]) -> NoReturn:
    told = [Failure(check.name, check.detail, check.remedy or "") for check in failures]
    write_status(settings, TierStatus("refused", choice.engine, choice.why, told))
    log("engine cannot start", level=logging.ERROR, engine=choice.engine, failures=len(told))
    sys.exit(CONFIGURATION_ERROR)


def become(settings: Settings, choice: Choice) -> NoReturn:
    line, named = [sys.executable, "-m", "vlm_backend.embedded"], dict(os.environ)
    if choice.engine == "vllm":
        assert choice.installation is not None, "the doctor lets no vLLM start that is not installed"
        line, named = command(settings, choice.installation, choice.driver), environment(settings, os.environ)
    log("starting engine", engine=choice.engine, port=settings.vlm_port, command=line)
    os.execve(line[0], line, named)


def main() -> None:
    match sys.argv[1:]:
        case ["doctor", *arguments]:
            sys.exit(doctor(arguments))
        case ["fetch-models", *arguments]:
            sys.exit(fetch_models(arguments))
        case [unknown, *_]:
            sys.exit(f"{unknown!r} is none of: doctor, fetch-models; without a word the engine starts.")
    settings = checked_settings()
    if settings.vlm_engine == "external":
        sys.stderr.write(NOTHING_TO_HOST)
        return
    configure_logging(settings.log_level, settings.log_format)
    start(settings)


if __name__ == "__main__":
    main()
