"""How subcommands fail: with an exit status and one sentence, never with a traceback."""

from __future__ import annotations

import sys
from enum import IntEnum

from paddleocr_vl_client.errors import APIConnectionError, APIError


class ExitStatus(IntEnum):
    """`docs/cli.md` lists them. argparse itself ends with USAGE, a shell's Ctrl-C with INTERRUPTED."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SERVICE = 3
    INCOMPLETE = 4
    INTERRUPTED = 130


class CommandError(Exception):
    """What a person has to know, as one sentence; `status` is what the command ends with."""

    def __init__(self, sentence: str, status: ExitStatus = ExitStatus.FAILED) -> None:
        super().__init__(sentence)
        self.status = status


def describe_failure(error: BaseException) -> tuple[ExitStatus, str] | None:
    """What a subcommand ends with, and what it says then; None for an error that nobody has foreseen."""
    match error:
        case CommandError():
            return error.status, str(error)
        case APIConnectionError():
            return ExitStatus.NO_SERVICE, str(error)
        case APIError():
            return ExitStatus.FAILED, str(error)
        case BrokenPipeError():
            return ExitStatus.FAILED, ""
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return ExitStatus.FAILED, f"{place}{error.strerror or error}."
        case KeyboardInterrupt():
            return ExitStatus.INTERRUPTED, "Interrupted."
    return None


def say(sentence: str) -> None:
    """To the standard error, where progress and messages go; results alone go to the standard output."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
