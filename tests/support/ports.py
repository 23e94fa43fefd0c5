"""Ports for servers that tests start."""

from __future__ import annotations

import itertools
import os
import random
import re
import socket

FIRST, OF_A_WORKER, WORKERS = 15_000, 1000, 16
"""Below those that Linux gives to connections (32,768 and up): between the choice of a port and the server's start
nothing else takes it. Each worker of a run has its own."""


def _first_port() -> int:
    number = re.search(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return FIRST + OF_A_WORKER * (int(number[0]) % WORKERS if number else WORKERS - 1)


_OFFSETS = itertools.count(random.randrange(OF_A_WORKER))


def free_port() -> int:
    """One that nobody listens on, another each time."""
    first = _first_port()
    for offset in itertools.islice(_OFFSETS, OF_A_WORKER):
        port = first + offset % OF_A_WORKER
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port from {first} on is free")
