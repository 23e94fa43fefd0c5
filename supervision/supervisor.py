"""Is supervisord, and ends with the code that the watchdog stored: supervisord's own is 0 whatever happened. Its lines
look like those of the programs."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys

from supervisor import loggers, supervisord

from common.logs import LineFormatter
from supervision.run_dir import PrivateFolder, private_folder
from supervision.state import TITLES

LEVELS = {"CRIT": logging.CRITICAL, "ERRO": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}
"""supervisord's names; what is not here is for its developers."""


class LineHandler(loggers.StreamHandler):  # type: ignore[misc]
    """Writes to standard output what supervisord says of itself."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        style = os.environ.get("LOG_FORMAT")
        self._formatter = LineFormatter("console" if style == "console" else "json", "supervisord")

    def emit(self, record: loggers.LogRecord) -> None:
        words = record.asdict()
        level = LEVELS.get(words["levelname"], logging.DEBUG)
        line = self._formatter.format(logging.LogRecord("supervisord", level, "", 0, words["message"], None, None))
        with contextlib.suppress(OSError):
            self.stream.write(f"{line}\n")
            self.flush()


def log_like_the_programs(logger: loggers.Logger, _line: str) -> None:
    """In place of supervisord's own function of this kind."""
    logger.addHandler(LineHandler())


def read_exit_code(folder: PrivateFolder) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(folder.exit_code.read_text(encoding="utf-8"))
    return 0


def main(arguments: list[str]) -> None:
    folder = private_folder()
    loggers.handle_stdout = log_like_the_programs
    try:
        supervisord.main(arguments)
        # A leader that ended in time may have left children of its own.
        for name in TITLES:
            folder.kill_group(name)
        sys.exit(read_exit_code(folder))
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
