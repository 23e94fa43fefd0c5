"""What the engine asks of the machine beside its GPU and disk: a port, shared memory, a user with a name."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import socket
import time
from pathlib import Path

from vlm_backend.doctor.disk import write_error
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn

LOOPBACK = "127.0.0.1"
PATIENCE_S = 3
"""How long a port may stay taken: an engine that was killed lets go of it a moment later."""
LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""
SHM = Path("/dev/shm")
MIB = 1024 * 1024
ENOUGH_MIB = 64
"""Docker's default; measured to be enough with one GPU."""
ENOUGH_FOR_SEVERAL_MIB = 1024
"""KServe's template for vLLM gives as much."""
USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""What getpass.getuser() asks before the list of users."""


def check_port(facts: Facts) -> Finding:
    port = facts.settings.vlm_port
    until = time.monotonic() + PATIENCE_S
    while error := _bind_error(port):
        holder = _find_listener(port)
        if facts.engine_pid and holder and _process_group(holder) == facts.engine_pid:
            return ok(f"VLM_PORT={port} is held by this service's own engine (process {holder}).")
        if error.errno != errno.EADDRINUSE or time.monotonic() > until:
            return _report_taken_port(port, error, holder)
        time.sleep(0.2)
    return ok(f"VLM_PORT={port} is free.")


def _bind_error(port: int) -> OSError | None:
    """Why nothing can listen at `port`; None where something can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError as error:
            return error
    return None


def _find_listener(port: int) -> int | None:
    """The process that listens at `port`, where this user may see it."""
    inodes = {f"socket:[{inode}]" for inode in _find_listening_inodes(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if any(os.readlink(descriptor) in inodes for descriptor in folder.iterdir()):
                return int(folder.parent.name)
    return None


def _find_listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _report_taken_port(port: int, error: OSError, holder: int | None) -> Finding:
    if error.errno == errno.EADDRINUSE:
        by = f" by process {holder} ({_process_name(holder)})" if holder else ""
        return fail(f"VLM_PORT={port} is taken{by}.", "End that program, or set VLM_PORT to another port.")
    if error.errno == errno.EACCES:
        return fail(f"VLM_PORT={port} needs root.", "Set VLM_PORT to a port above 1023.")
    return fail(f"Nothing can listen at {LOOPBACK}:{port}: {error.strerror}.", "Set VLM_PORT to another port.")


def _process_name(pid: int) -> str:
    """Its arguments are left out: they may hold a secret, and what is said here stands in `/health`."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return "name unknown"


def _process_group(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getpgid(pid)
    return None


def check_shm(facts: Facts) -> Finding:
    if not SHM.is_dir():
        return warn(f"There is no {SHM}.", "Mount a tmpfs of 64 MB or more there.")
    if error := write_error(SHM):
        return fail(
            f"{SHM} cannot be written ({error.strerror}): Python makes no locks between processes without it.",
            f"Mount {SHM} writable for uid {os.getuid()}, and clear what is left in it.",
        )
    copies = facts.settings.vlm_data_parallel
    enough = ENOUGH_MIB if copies == 1 else ENOUGH_FOR_SEVERAL_MIB
    state = os.statvfs(SHM)
    size = state.f_blocks * state.f_frsize // MIB
    # 64m gives a little less than that in some runtimes.
    if size < enough * 0.95:
        return warn(
            f"{SHM} has {size} MiB; with VLM_DATA_PARALLEL={copies} it should have {enough}.",
            f"Start the container with --shm-size={enough}m (Kubernetes: an emptyDir of medium Memory on {SHM}).",
        )
    return ok(f"{SHM} has {size} MiB.")


def check_user(facts: Facts) -> Finding:
    uid = os.getuid()
    name = _user_name(uid)
    given = next((facts.environment[variable] for variable in USER_VARIABLES if facts.environment.get(variable)), None)
    if name is None and given is None:
        return warn(
            f"User id {uid} has no name, and neither USER nor LOGNAME is set: torch fails when it asks for it.",
            "Set USER and LOGNAME to any name.",
        )
    who = f"User {name} (id {uid})" if name else f"User id {uid} has no name; the engine is told {given}"
    return ok(f"{who}. HOME={facts.environment.get('HOME', '(not set)')}{_describe_replaced_home(facts)}.")


def _describe_replaced_home(facts: Facts) -> str:
    """HOME as it came, where the engine gets another one."""
    ours = os.environ.get("HOME")
    if ours == facts.environment.get("HOME"):
        return ""
    return f", because {ours or os.path.expanduser('~')} cannot be written"


def _user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
