"""What a worker process does to itself before its first request: its limits, its place behind the gateway, its end."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import threading
from typing import IO

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
_MAX_FILES = 64
BEHIND = 5
"""Niceness: a third of the share that the gateway gets when both want a core."""


def confine(memory_mb: int) -> None:
    """Address space, no core dumps, no file writing, few descriptors, no new privileges, memory closed to debuggers."""
    _limit(resource.RLIMIT_AS, memory_mb * 2**20)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_FILES)
    libc = ctypes.CDLL(None)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        libc.prctl(option, value, 0, 0, 0)


def go_behind() -> None:
    """Lets the gateway's event loop, which answers everybody, have a core first."""
    os.nice(BEHIND)


def ignore_interrupts() -> None:
    """Ctrl-C in a terminal is the gateway's business; a worker ends when the gateway does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def private_ends() -> tuple[socket.socket, IO[bytes]]:
    """stdin and stdout under other numbers, so that a stray print can't get between the answers."""
    requests, answers = socket.socket(fileno=os.dup(0)), os.fdopen(os.dup(1), "wb")
    silence(0)
    silence(1)
    return requests, answers


def silence(descriptor: int) -> None:
    """Has the null device behind it from now on."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)


def die_with_parent(pipe: int) -> None:
    """Ends this process as soon as the other end of `pipe` is closed, whatever native code is running.

    A watching thread and not PR_SET_PDEATHSIG: that one fires when the thread that started the worker ends.
    """
    threading.Thread(target=_exit_on_hangup, args=(pipe,), daemon=True).start()


def _exit_on_hangup(pipe: int) -> None:
    poll = select.poll()
    poll.register(pipe, 0)  # POLLHUP is always reported; unread data is not waited for
    poll.poll()
    os._exit(0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
