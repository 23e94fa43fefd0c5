"""How subcommands fail: with an exit status and one sentence, never with a traceback."""

from __future__ import annotations

import sys
import unicodedata
from enum import IntEnum

from paddleocr_vl_client.connections import KEY_VARIABLE
from paddleocr_vl_client.errors import APIConnectionError, APIError, AuthenticationError

_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that terminals obey, or that stand for none. Spaces of any width are shown."""


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
        case AuthenticationError():
            return ExitStatus.FAILED, f"{error} This command takes it from {KEY_VARIABLE}."
        case APIError():
            return ExitStatus.FAILED, str(error)
        case BrokenPipeError():
            return ExitStatus.FAILED, ""
        case OSError():
            return ExitStatus.FAILED, describe_os_error(error)
        case KeyboardInterrupt():
            return ExitStatus.INTERRUPTED, "Interrupted."
    return None


def describe_os_error(error: OSError, about: str = "") -> str:
    """`about`: the file that the sentence is told of, which it need not name."""
    place = f"{error.filename}: " if error.filename and str(error.filename) != about else ""
    return f"{place}{error.strerror or error}."


def say(sentence: str) -> None:
    """To the standard error, where progress and messages go; results alone go to the standard output."""
    sys.stderr.write(f"{show_line(sentence)}\n")
    sys.stderr.flush()


def show_line(text: str) -> str:
    """As one line. Names of files and of jobs come from others, and terminals obey some characters."""
    return "".join("\ufffd" if unicodedata.category(one) in _UNSHOWN else one for one in text)
