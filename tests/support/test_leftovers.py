"""What a command leaves behind is found, named and ended."""

from __future__ import annotations

import re
import subprocess
import sys

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.waiting import WAIT_S

NOTHING = "no process, no port and no mount"


def run(*command: str, patience_s: float = WAIT_S) -> subprocess.CompletedProcess[str]:
    checked = [sys.executable, "-m", "tests.support.leftovers", "--patience", str(patience_s), *command]
    return subprocess.run(checked, capture_output=True, text=True, timeout=2 * WAIT_S, check=False)


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_that_leaves_nothing_ends_as_by_itself(code: int) -> None:
    done = run("sh", "-c", f"sleep 0.1 & exit {code}")
    assert done.returncode == code
    assert NOTHING in done.stderr


def test_a_process_that_has_hidden_itself_is_named_and_killed() -> None:
    """In a session of its own, and with another environment."""
    done = run("sh", "-c", "env -i setsid sleep 1234 >/dev/null 2>&1 & sleep 0.1", patience_s=1)
    assert done.returncode == 1
    found = re.search(r"process (\d+): sleep 1234$", done.stderr, re.M)
    assert found is not None, done.stderr
    assert not psutil.pid_exists(int(found[1]))


def test_its_ports_are_named() -> None:
    port = free_port()
    server = f"{sys.executable} -m http.server {port} --bind 127.0.0.1"
    asked = f"until echo >/dev/tcp/127.0.0.1/{port}; do sleep 0.1; done"
    done = run("bash", "-c", f"({server} >/dev/null 2>&1 &) ; {asked} 2>/dev/null", patience_s=1)
    assert done.returncode == 1
    assert f"which listens on {port}" in done.stderr


def test_orphans_vanish_while_the_command_runs() -> None:
    """Tests wait for the end of what is not theirs, and an orphan that nobody reaps is there for ever."""
    waits = "orphan=$(sleep 0.2 >/dev/null & echo $!); while kill -0 $orphan 2>/dev/null; do sleep 0.1; done; exit 5"
    assert run("bash", "-c", waits).returncode == 5


def test_a_failure_is_told_as_it_is_whatever_was_left() -> None:
    assert run("sh", "-c", "setsid sleep 1235 >/dev/null 2>&1 & exit 4", patience_s=1).returncode == 4
