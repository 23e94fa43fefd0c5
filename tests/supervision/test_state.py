"""The real supervisord and the real configuration, with shell scripts in the place of the two tiers."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions

from common.memory import HUGE_PAGES
from gateway.settings import Settings as GatewaySettings
from supervision import launch
from supervision.settings import Settings as StartSettings
from tests.supervision.support import (
    ROOT,
    end,
    environment,
    family,
    is_running,
    launched,
    program,
    stand_ins,
    wait_until,
)
from tests.support.waiting import WAIT_S

LAUNCH = [sys.executable, "-m", "supervision.launch"]
ENDLESS = 'echo "$2 says $LOG_FORMAT"\nexec sleep 1000'


@pytest.fixture
def tiers(tmp_path: Path) -> dict[str, str]:
    return stand_ins(tmp_path, ENDLESS)


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [child for child in family(process)[1:] if child.name() == "sleep"]


def test_configuration_starts_the_vlm_first_and_stops_within_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in launch.environment(GatewaySettings(), StartSettings(), console=False).items():
        monkeypatch.setenv(name, value)
    options = ServerOptions()
    options.realize(["-c", str(ROOT / "supervisord.conf")])
    configured = [group.process_configs[0] for group in sorted(options.process_group_configs)]
    assert [program.name for program in configured] == ["watchdog", "vlm", "line_reader", "gateway"]
    assert all(program.killasgroup for program in configured[1:])
    # TERM is for the leader, which drains its children; nothing drains after KILL.
    assert all(program.stopasgroup == (program.stopsignal == signal.SIGKILL) for program in configured[1:])
    assert sum(program.stopwaitsecs for program in configured) < 30
    assert not options.server_configs


@pytest.mark.parametrize("chosen", [None, "glibc.malloc.check=0"])
def test_gateway_takes_large_memory_in_large_pieces(monkeypatch: pytest.MonkeyPatch, chosen: str | None) -> None:
    """Unless whoever runs the service has set glibc otherwise; the VLM tier is left as it is."""
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if chosen:
        monkeypatch.setenv("GLIBC_TUNABLES", chosen)
    for name, value in launch.environment(GatewaySettings(), StartSettings(), console=False).items():
        monkeypatch.setenv(name, value)
    options = ServerOptions()
    options.realize(["-c", str(ROOT / "supervisord.conf")])
    tunables = {
        group.process_configs[0].name: group.process_configs[0].environment.get("GLIBC_TUNABLES")
        for group in options.process_group_configs
    }
    assert tunables["gateway"] == (chosen or HUGE_PAGES.get("GLIBC_TUNABLES", ""))
    assert tunables["vlm"] is None


def test_both_tiers_start_and_share_one_log(tmp_path: Path, tiers: dict[str, str]) -> None:
    log = tmp_path / "log"
    with launched(log, LAUNCH, **tiers) as service:
        wait_until(lambda: len(children(service)) == 2, "both tiers")
        wait_until(lambda: log.read_text().count("RUNNING state") == 3, "supervisord's word")
    lines = log.read_text().splitlines()
    assert {"gateway says json", "vlm_backend says json"} <= {line for line in lines if "says" in line}
    assert not list(tmp_path.glob("temp/tmp*"))


@pytest.mark.parametrize("tier", ["vlm", "gateway"])
def test_a_killed_tier_comes_back(tmp_path: Path, tiers: dict[str, str], tier: str) -> None:
    log = tmp_path / "log"
    with launched(log, LAUNCH, **tiers) as service:
        wait_until(lambda: log.read_text().count("RUNNING state") == 3, "both tiers")
        before = children(service)
        victim = next(child for child in before if f"spawned: '{tier}' with pid {child.pid}" in log.read_text())
        victim.kill()
        wait_until(lambda: len([c for c in children(service) if c not in before]) == 1, "a new process")
        assert f"exited: {tier} (terminated by SIGKILL" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything(tmp_path: Path, tiers: dict[str, str], number: signal.Signals) -> None:
    log = tmp_path / "log"
    with launched(log, LAUNCH, **tiers) as service:
        wait_until(lambda: len(children(service)) == 2, "both tiers")
        everyone = family(service)
        service.send_signal(number)
        assert service.wait(WAIT_S) == 0
        wait_until(lambda: not any(map(is_running, everyone)), "the end of all processes")
    text = log.read_text()
    assert text.index("stopped: gateway") < text.index("stopped: vlm")
    assert not list(tmp_path.glob("temp/*.pid"))


def test_a_tier_that_ignores_the_signal_goes_with_its_own_children(tmp_path: Path, tiers: dict[str, str]) -> None:
    stubborn = "trap '' TERM\nsleep 1000 &\nwait\nsleep 1000"
    tiers["VLM_PYTHON"] = program(tmp_path / "stubborn", stubborn)
    with launched(tmp_path / "log", LAUNCH, **tiers) as service:
        wait_until(lambda: len(children(service)) == 2, "both tiers")
        everyone = family(service)
        service.terminate()
        service.wait(WAIT_S)
        wait_until(lambda: not any(map(is_running, everyone)), "the end of all processes")


def test_an_external_engine_leaves_the_vlm_tier_out(tmp_path: Path, tiers: dict[str, str]) -> None:
    log = tmp_path / "log"
    engine = {"VLM_ENGINE": "external", "VLM_BASE_URL": "http://127.0.0.1:1/v1"}
    with launched(log, LAUNCH, **tiers, **engine) as service:
        wait_until(lambda: "gateway entered RUNNING" in log.read_text(), "the gateway")
        assert len(children(service)) == 1
    assert "'vlm'" not in log.read_text()


def test_folders_that_cannot_be_written_are_warned_of_and_the_service_starts(
    tmp_path: Path, tiers: dict[str, str]
) -> None:
    log = tmp_path / "log"
    tiers |= {"TEMP_DIR": "/dev/null/temp", "OUTPUT_DIR": "/dev/null/output"}
    with launched(log, LAUNCH, **tiers) as service:
        wait_until(lambda: len(children(service)) == 2, "both tiers")
    text = log.read_text()
    for name in ("TEMP_DIR=/dev/null/temp", "OUTPUT_DIR=/dev/null/output"):
        assert sum(name in line and "not writable" in line for line in text.splitlines()) == 1
    assert "Traceback" not in text


def test_stdout_may_be_a_socket_as_under_systemd(tiers: dict[str, str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        service = subprocess.Popen(LAUNCH, cwd=ROOT, env=environment(**tiers), stdout=theirs.fileno())
        try:
            theirs.close()
            ours.settimeout(WAIT_S)
            heard = b""
            while b"gateway says" not in heard:
                heard += ours.recv(4096)
        finally:
            end(service)


def test_ctrl_c_at_a_terminal_stops_make_run_and_logs_are_for_eyes(tmp_path: Path, tiers: dict[str, str]) -> None:
    """`make run` itself needs the packages installed, so its last step is run here: make, then exec of the launcher."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} -m supervision.launch\n", encoding="utf-8")
    master, slave = pty.openpty()
    service = subprocess.Popen(
        ["setsid", "--ctty", "make", "-f", str(makefile), "run"],
        cwd=ROOT,
        env=environment(**tiers),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        heard = b""
        while b"gateway says console" not in heard:
            heard += os.read(master, 4096)
        everyone = family(service)
        os.write(master, b"\x03")
        service.wait(WAIT_S)
        wait_until(lambda: not any(map(is_running, everyone)), "the end of all processes")
    finally:
        end(service)
        os.close(master)
