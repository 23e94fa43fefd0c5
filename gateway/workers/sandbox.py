"""What a worker process does to itself before its first request: its limits, its priority, its end with the gateway."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import select
import signal
import socket
import threading
import warnings
from typing import IO

NICENESS = 5
"""A third of the share that the gateway gets when both want a core."""
_MAX_DESCRIPTORS = 64
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38


def start_worker(silenced: int = logging.CRITICAL) -> tuple[socket.socket, IO[bytes]]:
    """What every worker does first: it leaves a terminal's Ctrl-C to the gateway, takes a lower priority, and ends with
    it. Warnings, and log lines up to the level `silenced`, are dropped. Returns where requests come and answers go.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = take_private_ends()
    exit_with_parent(requests.fileno())
    os.nice(NICENESS)
    warnings.simplefilter("ignore")
    logging.disable(silenced)
    return requests, answers


def take_private_ends() -> tuple[socket.socket, IO[bytes]]:
    """stdin and stdout under other numbers, so that a stray print can't get between the answers."""
    requests, answers = socket.socket(fileno=os.dup(0)), os.fdopen(os.dup(1), "wb")
    silence(0)
    silence(1)
    return requests, answers


def silence(descriptor: int) -> None:
    """Puts the null device behind a descriptor."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def confine(memory_mb: int, file_mb: int = 0) -> None:
    """Address space, no core dumps, few descriptors, no new privileges, memory closed to debuggers.

    `file_mb`: the longest file that it may write. Comes before the first hostile byte.
    """
    _limit(resource.RLIMIT_AS, memory_mb * 2**20)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, file_mb * 2**20)
    _limit(resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS)
    libc = ctypes.CDLL(None)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        libc.prctl(option, value, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def exit_with_parent(pipe: int) -> None:
    """Ends this process as soon as the other end of `pipe` is closed, whatever native code is running.

    A watching thread and not PR_SET_PDEATHSIG: that one fires when the thread that started the worker ends.
    """
    threading.Thread(target=_exit_on_hangup, args=(pipe,), daemon=True).start()


def _exit_on_hangup(pipe: int) -> None:
    poll = select.poll()
    poll.register(pipe, 0)  # POLLHUP is always reported; unread data is not waited for
    poll.poll()
    os._exit(0)
