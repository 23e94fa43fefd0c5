"""How a worker process is started: with its end of a channel as stdin, and little of the gateway's environment."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from common.memory import HUGE_PAGES

ANSWER_PIPE = 2**20
"""Bytes that an answer's pipe holds: what Linux grants any process. A page has 11 MB at 200 dpi, and each time the pipe
is full or empty its two sides change places on a core."""
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class ChildProcess:
    """A worker process. Requests go to it by `_channel`, which is its stdin, and its answers come by `_stdout`. Not for
    two threads at once, except `kill` and `alive`.

    `environment` is all of it. Raises OSError where the command can't be run.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        self._channel, its_end = socket.socketpair()
        with its_end:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=its_end.fileno(),
                    stdout=subprocess.PIPE,
                    env=environment,
                    start_new_session=True,  # a terminal's Ctrl-C goes to the gateway alone
                )
            except OSError:
                self._channel.close()
                raise
        with suppress(OSError):  # past the share that the system grants one user
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, ANSWER_PIPE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends whatever a thread is waiting for here."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._channel.close()
        self._stdout.close()

    @property
    def _stdout(self) -> IO[bytes]:
        return cast(IO[bytes], self._process.stdout)


def worker_command(module: str, *arguments: str) -> list[str]:
    """What runs a module of ours as a worker, in this environment."""
    return [sys.executable, "-P", "-m", module, *arguments]


def worker_environment() -> dict[str, str]:
    """As little as Python needs to start: a hostile file has no use for our keys."""
    inherited = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "GLIBC_TUNABLES")
    passed = {name: os.environ[name] for name in inherited if name in os.environ}
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # One heap: each further one reserves 64 MB of the address space that is limited. No threads of OpenBLAS, which
    # NumPy and OpenCV bring: one that has its first turn only when the limit is set finds no room for its buffer, and
    # calls a null pointer then.
    return {**HUGE_PAGES, **passed, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
