"""`python -m vlm_backend doctor`: the report for eyes or as JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from vlm_backend.choice import choose_engine
from vlm_backend.doctor.examination import Engine, examine
from vlm_backend.doctor.report import Check, Report, Status
from vlm_backend.settings import Settings, load_settings

MARKS: Mapping[Status, str] = {"ok": "✔", "warn": "!", "fail": "✘"}
WORDS: Mapping[Status, str] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
NAMES = {"vllm": "vLLM", "embedded": "The embedded engine"}
MAX_WIDTH = 110
DESCRIPTION = "Examines everything that the engine needs on this machine."
LAST_START_REMEDY = "Mend that first; the log has all that it said before."


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m vlm_backend doctor", description=DESCRIPTION)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    parser.add_argument("--engine", choices=("vllm", "embedded"), help="default: the one that VLM_ENGINE gives")


def run(options: argparse.Namespace) -> int:
    """Prints the report; 1 where something failed, else 0."""
    settings = load_settings()
    if options.engine is None and settings.vlm_engine == "external":
        _write("VLM_ENGINE=external: the engine runs elsewhere, there is nothing to examine here.\n")
        return 0
    engine, why = _engine(settings, options.engine)
    report = examine(settings, engine)
    if check := _last_start(settings):
        report = Report((*report.checks, check))
    _write(format_json(report, engine, why) if options.json else format_text(report, engine, why))
    return 0 if report.is_ok else 1


def _last_start(settings: Settings) -> Check | None:
    """What the watchdog heard from the engine as it ended last, in the file of `common/contracts.py`."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        newest = max(settings.temp_dir.glob("supervision-*.json"), key=lambda file: file.stat().st_mtime)
        if words := json.loads(newest.read_text(encoding="utf-8"))["programs"]["vlm"]["last_words"]:
            return Check("last-start", "warn", f"The engine's last start failed: {words}", LAST_START_REMEDY)
    return None


def _engine(settings: Settings, wished: Engine | None) -> tuple[Engine, str]:
    if wished:
        return wished, f"--engine {wished}"
    choice = choose_engine(settings)
    return choice.engine, choice.why


def format_json(report: Report, engine: Engine, why: str) -> str:
    checks = [asdict(check) for check in report.checks]
    return f"{json.dumps({'engine': engine, 'why': why, 'ok': report.is_ok, 'checks': checks}, indent=2)}\n"


def format_text(report: Report, engine: Engine, why: str) -> str:
    marks = MARKS if _can_write("".join(MARKS.values())) else WORDS
    width = max(len(check.name) for check in report.checks)
    lines = [line for check in report.checks for line in _lines(check, marks[check.status], width)]
    return "\n".join([f"{NAMES[engine]} is examined ({why}).", "", *lines, "", _verdict(report, engine), ""])


def _lines(check: Check, mark: str, width: int) -> list[str]:
    """Name and detail, and below it the remedy, each folded and in line with the others."""
    first = f"{mark} {check.name:<{width}}  "
    margin = " " * len(first)
    remedy = _fold(f"-> {check.remedy}", margin, f"{margin}   ") if check.remedy else []
    return [*_fold(check.detail, first, margin), *remedy]


def _fold(text: str, first: str, others: str) -> list[str]:
    width = min(shutil.get_terminal_size((MAX_WIDTH, 0)).columns, MAX_WIDTH)
    return textwrap.wrap(
        text,
        width=max(width, len(others) + 30),
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(report: Report, engine: Engine) -> str:
    if report.failures:
        names = ", ".join(check.name for check in report.failures)
        return f"{NAMES[engine]} cannot work here: {_count(len(report.failures), 'failure')} ({names})."
    if report.warnings:
        names = ", ".join(check.name for check in report.warnings)
        return f"{NAMES[engine]} can start, with {_count(len(report.warnings), 'warning')} ({names})."
    return f"{NAMES[engine]} can start: everything is as it should be."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _can_write(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _write(text: str) -> None:
    """To stdout, whatever it is: closed, a pipe without a reader, or not able to carry some of the characters."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except (OSError, ValueError):
        # Or the interpreter would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
