"""The loopback port of the VLM tier."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from pathlib import Path

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok

ADDRESS = "127.0.0.1"
PATIENCE_S = 3
"""How long a port may stay taken: an engine that was killed lets go of it a moment later."""
LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


def check_port(facts: Facts) -> Finding:
    port = facts.settings.vlm_port
    until = time.monotonic() + PATIENCE_S
    while error := bind_error(port):
        holder = listener(port)
        if facts.running and holder and _group(holder) == facts.running:
            return ok(f"VLM_PORT={port} is held by this service's own engine (process {holder}).")
        if error.errno != errno.EADDRINUSE or time.monotonic() > until:
            return _taken(port, error, holder)
        time.sleep(0.2)
    return ok(f"VLM_PORT={port} is free.")


def bind_error(port: int) -> OSError | None:
    """Why nothing can listen at `port`; None where something can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            probe.listen()
        except OSError as error:
            return error
    return None


def listener(port: int) -> int | None:
    """The process that listens at `port`, where this user may see it."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if any(os.readlink(descriptor) in inodes for descriptor in folder.iterdir()):
                return int(folder.parent.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _taken(port: int, error: OSError, holder: int | None) -> Finding:
    if error.errno == errno.EADDRINUSE:
        by = f" by process {holder} ({_name(holder)})" if holder else ""
        return fail(f"VLM_PORT={port} is taken{by}.", "End that program, or set VLM_PORT to another port.")
    if error.errno == errno.EACCES:
        return fail(f"VLM_PORT={port} needs root.", "Set VLM_PORT to a port above 1023.")
    return fail(f"Nothing can listen at {ADDRESS}:{port}: {error.strerror}.", "Set VLM_PORT to another port.")


def _name(pid: int) -> str:
    """Its arguments are left out: they may hold a secret, and what is said here stands in `/health`."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return "name unknown"


def _group(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getpgid(pid)
    return None
