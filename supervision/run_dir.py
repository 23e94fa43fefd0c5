"""What supervision keeps in a folder of its own for one run: only this user can look in, and it is writable even where
`TEMP_DIR` is not. `supervision/program.sh` uses the same names."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SUPERVISION_DIR"
"""Names the folder to supervisord and all it starts."""


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    path: Path

    @property
    def exit_code(self) -> Path:
        """Holds the code that the service is to end with, once the watchdog has ended it."""
        return self.path / "exit-code"

    @property
    def supervision(self) -> Path:
        """The watchdog's memory, should it be killed; what it publishes in `TEMP_DIR` is a copy."""
        return self.path / "supervision.json"

    def give_up_note(self, program: str) -> Path:
        """A note that keeps the program from being run again."""
        return self.path / f"{program}.given-up"

    def pid(self, program: str) -> int | None:
        """The process that `program` was started as last; it leads its process group."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / f"{program}.pid").read_text(encoding="utf-8"))
        return None

    def kill_group(self, program: str) -> None:
        """Ends what is left of the program's last start, whatever became of its leader."""
        if pid := self.pid(program):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def end_for_good(self, program: str) -> None:
        """Ends what is left of a program that is not started again. Its number may become another's from now on."""
        self.kill_group(program)
        with contextlib.suppress(OSError):
            (self.path / f"{program}.pid").unlink()


def private_folder() -> PrivateFolder:
    return PrivateFolder(Path(os.environ[VARIABLE]))
