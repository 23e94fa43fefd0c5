"""The port of the VLM tier, taken by others and by ourselves; shared memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.vlm_backend.doctor.conftest import Machine, Mount, fill
from vlm_backend.doctor import machine
from vlm_backend.settings import Settings
from vlm_backend.status import describe_process, write_status

LISTENS = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listener() -> Iterator[subprocess.Popen[str]]:
    """A process of its own group that listens at a port, which is the first line it writes."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS, "--key=a-secret"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def port_of(listener: subprocess.Popen[str]) -> int:
    assert listener.stdout is not None
    return int(listener.stdout.readline())


def test_who_holds_the_port_is_named(
    bare: Machine, listener: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PATIENCE_S", 0)
    taken = port_of(listener)
    check = bare.check("port", vlm_port=taken)
    assert check.status == "fail"
    assert f"VLM_PORT={taken} is taken by process {listener.pid}" in check.detail
    assert "python" in check.detail
    assert "secret" not in check.detail


def test_our_own_engine_may_hold_it(bare: Machine, listener: subprocess.Popen[str]) -> None:
    taken = port_of(listener)
    settings = Settings(**(bare.settings | {"vlm_port": taken}))
    write_status(
        settings,
        describe_process("starting", "vllm", "a test", pid=listener.pid),
    )
    check = bare.check("port", vlm_port=taken)
    assert check.status == "ok"
    assert "this service's own engine" in check.detail


def test_a_port_that_is_let_go_of_soon_is_free(bare: Machine) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    threading.Timer(0.5, server.close).start()
    assert bare.check("port", vlm_port=server.getsockname()[1]).status == "ok"


def test_a_failure_that_a_later_start_may_not_meet_is_told_from_a_lasting_one(
    cpu_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PATIENCE_S", 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        report = cpu_machine.report(vlm_port=taken)
        assert [check.name for check in report.failures] == ["port"]
        assert f"process {os.getpid()}" in report.failures[0].detail
        assert report.can_pass
        assert not cpu_machine.report(vlm_port=taken, vlm_chat_template="/nowhere").can_pass


def test_shared_memory_below_64_mb_is_a_warning(bare: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHM", mount("size=16m"))
    check = bare.check("shm")
    assert check.status == "warn"
    assert "16 MiB" in check.detail
    assert check.remedy is not None
    assert "--shm-size=64m" in check.remedy


def test_docker_s_64_mb_are_enough_for_one_gpu_only(
    bare: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SHM", mount("size=64m"))
    assert bare.check("shm").status == "ok"
    assert bare.check("shm", vlm_data_parallel=2).status == "warn"


def test_shared_memory_that_is_full_fails(bare: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    full = mount("size=256k")
    fill(full)
    monkeypatch.setattr(machine, "SHM", full)
    assert bare.check("shm").status == "fail"
