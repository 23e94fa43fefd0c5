"""Picks the engine and becomes it (exec), so that signals and exit codes are the engine's own.

`python -m vlm_backend`                starts the engine
`python -m vlm_backend doctor`         says what keeps it from starting
`python -m vlm_backend fetch-models`   downloads the weights
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import NoReturn

from common.contracts import Failure, TierState, TierStatus
from common.logs import configure_logging, log
from vlm_backend.choice import Choice, choose_engine
from vlm_backend.doctor import Report, examine
from vlm_backend.doctor import main as doctor
from vlm_backend.fetch_weights import main as fetch_models
from vlm_backend.settings import CONFIGURATION_ERROR, TEMPORARY_FAILURE, Settings, load_settings
from vlm_backend.status import describe_process, write_status
from vlm_backend.vllm import command, environment, sequences

NOTHING_TO_HOST = "VLM_ENGINE=external: the engine runs elsewhere, there is nothing to start here.\n"
LEVELS = {"ok": logging.DEBUG, "warn": logging.WARNING, "fail": logging.ERROR}


def start(settings: Settings) -> NoReturn:
    """Becomes the engine, unless the doctor knows that it could not work: then says why and ends."""
    choice, report = examine_choice(settings)
    if report.failures:
        exit_with_status(settings, choice, report)
    write_status(settings, describe_start(settings, choice))
    exec_engine(settings, choice)


def describe_start(settings: Settings, choice: Choice) -> TierStatus:
    if choice.engine != "vllm" or choice.installation is None:
        return describe_process("starting", choice.engine, choice.why)
    at_once = sequences(settings, choice.installation, choice.driver)
    takes_priority = settings.vlm_scheduling_policy == "priority"
    return describe_process("starting", choice.engine, choice.why, sequences=at_once, takes_priority=takes_priority)


def examine_choice(settings: Settings) -> tuple[Choice, Report]:
    """The engine of this machine; with `auto`, not a vLLM that this machine can't run whatever its settings."""
    choice = choose_engine(settings)
    # The doctor may need minutes where torch lies on a slow disk.
    write_status(settings, describe_start(settings, choice))
    report = examine(settings, choice.engine)
    log_report(choice, report)
    if settings.vlm_engine == "auto" and choice.engine == "vllm" and report.unusable:
        choice = Choice("embedded", f"VLM_ENGINE=auto, and vLLM cannot work here: {report.unusable[0].detail}")
        report = examine(settings, choice.engine)
        log_report(choice, report)
    return choice, report


def log_report(choice: Choice, report: Report) -> None:
    log("engine chosen", engine=choice.engine, why=choice.why)
    for check in report.checks:
        log("doctor", level=LEVELS[check.status], check=check.name, detail=check.detail, remedy=check.remedy)


def exit_with_status(settings: Settings, choice: Choice, report: Report) -> NoReturn:
    told = [Failure(check=check.name, detail=check.detail, remedy=check.remedy or "") for check in report.failures]
    state: TierState = "postponed" if report.can_pass else "refused"
    write_status(settings, describe_process(state, choice.engine, choice.why, told))
    detail = " ".join(failure.detail for failure in told)
    log("engine cannot start", level=logging.ERROR, engine=choice.engine, detail=detail, state=state)
    sys.exit(TEMPORARY_FAILURE if report.can_pass else CONFIGURATION_ERROR)


def exec_engine(settings: Settings, choice: Choice) -> NoReturn:
    line, named = [sys.executable, "-m", "vlm_backend.embedded"], dict(os.environ)
    if choice.engine == "vllm":
        assert choice.installation is not None, "the doctor lets no vLLM start that is not installed"
        line = command(settings, choice.installation, choice.driver)
        named = environment(settings, os.environ, choice.installation.build)
    log("starting engine", engine=choice.engine, port=settings.vlm_port, command=line)
    os.execve(line[0], line, named)


def add_arguments(_: argparse.ArgumentParser) -> None:
    """The engine takes settings, no arguments."""


def run(_: argparse.Namespace | None = None) -> int:
    """Becomes the engine. 0 where there is none to become."""
    settings = load_settings()
    if settings.vlm_engine == "external":
        sys.stderr.write(NOTHING_TO_HOST)
        return 0
    configure_logging(settings.log_level, settings.log_format, "vlm")
    start(settings)


def main() -> int:
    match sys.argv[1:]:
        case ["doctor", *arguments]:
            return doctor(arguments)
        case ["fetch-models", *arguments]:
            return fetch_models(arguments)
        case [unknown, *_]:
            sys.exit(f"{unknown!r} is none of: doctor, fetch-models; without a word the engine starts.")
    return run()


if __name__ == "__main__":
    sys.exit(main())
