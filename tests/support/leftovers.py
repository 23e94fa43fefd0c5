"""Runs a command, and says at its end what it has left behind: processes with their ports, and mounts.

`python -m tests.support.leftovers COMMAND …` ends with the command's own exit code, and with 1 where that is 0 and
something was left. Processes that were left are killed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

PATIENCE_S = 30.0
"""For processes that are told to end, and are not waited for."""
POLL_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36
_MAX_COMMAND = 200


def adopt_orphans() -> None:
    """Whatever loses its parent among those below becomes a child of this process, however it was started."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def run(command: Sequence[str]) -> int:
    """Its exit code. Orphans are reaped meanwhile, as by a machine's first process: tests wait for their end."""
    child = os.posix_spawnp(command[0], list(command), os.environ)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGINT, lambda *_: None)  # which the terminal sends the command, too
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def list_children() -> list[psutil.Process]:
    """Those that run."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    children: list[psutil.Process] = psutil.Process().children(recursive=True)
    return children


def await_children(patience_s: float) -> list[psutil.Process]:
    """Those that are still there then."""
    give_up = time.monotonic() + patience_s
    while (children := list_children()) and time.monotonic() < give_up:
        time.sleep(POLL_S)
    return children


def describe(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        command = " ".join(process.cmdline())[:_MAX_COMMAND]
        ports = sorted({one.laddr.port for one in process.net_connections() if one.status == psutil.CONN_LISTEN})
        listens = f", which listens on {', '.join(map(str, ports))}" if ports else ""
        return f"process {process.pid}: {command}{listens}"
    return f"process {process.pid}"


def list_mounts() -> set[str]:
    """Where something is mounted, as this process sees it."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {line.split()[4] for line in lines}


def find_leftovers(mounts_before: set[str], patience_s: float) -> Iterator[str]:
    children = await_children(patience_s)
    yield from map(describe, children)
    for process in children:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(children, PATIENCE_S)
    yield from (f"mount: {place}" for place in sorted(list_mounts() - mounts_before))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.leftovers", description=__doc__)
    parser.add_argument("--patience", type=float, default=PATIENCE_S, metavar="SECONDS")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    mounts = list_mounts()
    adopt_orphans()
    code = run(options.command)
    found = list(find_leftovers(mounts, options.patience))
    for one in found:
        sys.stderr.write(f"The tests have left behind {one}\n")
    if not found:
        sys.stderr.write("The tests have left no process, no port and no mount behind.\n")
    return code or int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
