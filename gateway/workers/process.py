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
from common.processes import read_stat
from gateway.workers.sandbox import AUTOGROUP, LEAST_NICENESS, set_group_niceness

ANSWER_PIPE = 2**20
"""Bytes that an answer's pipe holds: what Linux grants any process. A page has 11 MB at 200 dpi, and each time the pipe
is full or empty its two sides change places on a core."""
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Places in `read_stat`."""
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
        self._group = self._open_group()
        with suppress(OSError):  # past the share that the system grants one user
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, ANSWER_PIPE)

    def _open_group(self) -> int | None:
        """The file of the niceness of its session: opened before it closes its files to us; None without such."""
        try:
            return os.open(AUTOGROUP.format(self._process.pid), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """CPU time that it has taken so far; 0 of one that has ended."""
        fields = read_stat(self.pid)
        if fields is None:
            return 0.0
        return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")

    def yield_cores(self) -> None:
        """From now on others go before it; an ordinary user can't take that back. Not for the event loop."""
        with suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, self.pid, LEAST_NICENESS)
            if self._group is not None:
                set_group_niceness(self._group, LEAST_NICENESS)

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
        group, self._group = self._group, None
        if group is not None:
            os.close(group)

    @property
    def _stdout(self) -> IO[bytes]:
        return cast(IO[bytes], self._process.stdout)


def worker_command(module: str, *arguments: str) -> list[str]:
    """What runs a module of ours as a worker, in this environment."""
    return [sys.executable, "-P", "-m", module, *arguments]


def worker_environment() -> dict[str, str]:
    """As little as Python needs to start: a hostile file has no use for our keys."""
    inherited = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    passed = {name: os.environ[name] for name in inherited if name in os.environ}
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # One heap: each further one reserves 64 MB of the address space that is limited. No threads of OpenBLAS, which
    # NumPy and OpenCV bring: one that has its first turn only when the limit is set finds no room for its buffer, and
    # calls a null pointer then.
    return {**HUGE_PAGES, **passed, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
