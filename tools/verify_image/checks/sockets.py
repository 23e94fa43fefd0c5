"""Which ports are open, to whom, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tools.verify_image.finding import Finding, fail, ok
from tools.verify_image.trial import Trial

LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp."""
LOOPBACK = ("0100007F", "00000000000000000000000001000000")


@dataclass(frozen=True, slots=True)
class Listener:
    port: int
    user: int
    is_local: bool


def check_port(trial: Trial) -> Finding:
    """The gateway for everybody, the engine for nobody else."""
    found = {listener.port: listener for listener in listeners(trial)}
    ports = trial.ports
    if ports.gateway not in found:
        return fail("port.closed", port=ports.gateway)
    if found[ports.gateway].is_local:
        return fail("port.local", port=ports.gateway)
    if ports.vlm in found and not found[ports.vlm].is_local:
        return fail("port.open-engine", port=ports.vlm)
    return ok("port.ok", port=ports.gateway)


def check_user(trial: Trial) -> Finding:
    """Who holds the gateway's port is who runs it."""
    wished = int(trial.user.partition(":")[0])
    users = {listener.user for listener in listeners(trial) if listener.port == trial.ports.gateway}
    if users != {wished}:
        return fail("user.wrong", wished=wished, found=", ".join(map(str, sorted(users))))
    return ok("user.ok", user=wished)


def listeners(trial: Trial) -> list[Listener]:
    done = trial.execute(["sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true"])
    return list(_listeners(done.stdout.decode()))


def _listeners(table: str) -> Iterator[Listener]:
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 7 and fields[3] == LISTENING:
            address, _, port = fields[1].rpartition(":")
            yield Listener(int(port, 16), int(fields[7]), address in LOOPBACK)
