"""Programs that can't be kept running, under the real supervisord: how the service ends, or stays."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.engine.progress import report_frozen
from gateway.settings import Settings as GatewaySettings
from tests.supervision.support import ROOT, environment, is_running, launched, program, stand_ins, wait_until
from tests.support.waiting import WAIT_S
from vlm_backend.settings import Settings as TierSettings
from vlm_backend.status import describe_process, write_status

LAUNCH = [sys.executable, "-m", "supervision.launch"]
ENDLESS = "exec sleep 1000"


@pytest.fixture
def names(tmp_path: Path) -> dict[str, str]:
    """Settings under which both tiers run and run, and few failures are enough."""
    return stand_ins(tmp_path, ENDLESS) | {"START_TRIES": "1"}


GIVEN_UP = (70, 71)
"""It did not start, or it started and ended: on a busy machine a program that ends at once may live for the second that
tells the two apart."""


def supervision(names: dict[str, str]) -> dict[str, Any]:
    """What the gateway can read of each program."""
    try:
        text = Path(names["TEMP_DIR"], f"supervision-{names['PORT']}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    programs: dict[str, Any] = json.loads(text)["programs"]
    return programs


def count_ends(names: dict[str, str]) -> int:
    """Of the VLM tier, as the watchdog has noticed them."""
    return len(supervision(names).get("vlm", {}).get("ends", ()))


def has_given_up(names: dict[str, str], tier: str) -> bool:
    return bool(supervision(names).get(tier, {}).get("gave_up"))


def tier_process(service: subprocess.Popen[bytes], log: Path, tier: str) -> psutil.Process | None:
    """The process that supervisord started as `tier` last, if it runs."""
    pids = re.findall(rf"spawned: '{tier}' with pid (\d+)", log.read_text())
    running = {child.pid: child for child in psutil.Process(service.pid).children()}
    return running.get(int(pids[-1])) if pids else None


def started_again(service: subprocess.Popen[bytes], log: Path, tier: str, before: psutil.Process) -> bool:
    process = tier_process(service, log, tier)
    return process is not None and process.pid != before.pid


def test_a_tier_that_cant_start_ends_the_service(tmp_path: Path, names: dict[str, str]) -> None:
    log = tmp_path / "log"
    names["VLM_PYTHON"] = program(tmp_path / "dying", "exit 1")
    names["GATEWAY_PYTHON"] = program(tmp_path / "draining", "trap 'echo drained; exit 0' TERM\nsleep 1000 &\nwait")
    # A refusal of a service before this one says nothing about this one.
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / f"vlm-{names['VLM_PORT']}.json").write_text('{"state": "refused", "pid": 1}')
    with launched(log, LAUNCH, **names) as service:
        assert service.wait(WAIT_S) in GIVEN_UP
    text = log.read_text()
    assert text.count("spawned: 'vlm'") == 2
    assert text.index("The VLM tier is given up") < text.index("drained") < text.index("stopped: gateway")


def test_a_gateway_that_cant_start_stops_the_vlm_tier_too_and_make_names_the_code(
    tmp_path: Path, names: dict[str, str]
) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} -m supervision.launch\n", encoding="utf-8")
    names |= {"GATEWAY_PYTHON": str(tmp_path / "missing"), "START_TRIES": "0"}
    done = subprocess.run(
        ["make", "-f", str(makefile), "run"],
        cwd=ROOT,
        env=environment(**names),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode != 0
    assert "stopped: vlm" in done.stdout
    assert "Error 70" in done.stderr


def test_a_refusal_of_the_vlm_tier_ends_the_service_with_78(tmp_path: Path, names: dict[str, str]) -> None:
    body = 'echo "{\\"state\\": \\"refused\\", \\"pid\\": $$}" >"$TEMP_DIR/vlm-$VLM_PORT.json"\nexit 78'
    names["VLM_PYTHON"] = program(tmp_path / "refusing", body)
    with launched(tmp_path / "log", LAUNCH, **names) as service:
        assert service.wait(WAIT_S) == 78
    assert "doctor" in supervision(names)["vlm"]["sentence"]


def test_a_tier_that_starts_well_and_dies_again_and_again_ends_the_service_with_71(
    tmp_path: Path, names: dict[str, str]
) -> None:
    names["VLM_PYTHON"] = program(tmp_path / "fragile", "sleep 1.3")
    with launched(tmp_path / "log", LAUNCH, **names) as service:
        assert service.wait(WAIT_S) == 71


def test_the_rest_stays_up_and_can_say_why(tmp_path: Path, names: dict[str, str]) -> None:
    log = tmp_path / "log"
    names |= {"VLM_PYTHON": program(tmp_path / "dying", "exit 1"), "ON_FATAL": "stay"}
    with launched(log, LAUNCH, **names) as service:
        wait_until(lambda: has_given_up(names, "vlm"), "the watchdog's verdict", log=log)
        vlm = supervision(names)["vlm"]
        assert vlm["exit_code"] in GIVEN_UP
        assert len(vlm["ends"]) == 2
        assert "The VLM tier is given up" in vlm["sentence"]
        assert tier_process(service, log, "gateway")
        assert not supervision(names)["gateway"]["gave_up"]
        service.terminate()
        assert service.wait(WAIT_S) == 0


def test_a_crash_loop_stops_though_the_rest_stays_up_and_no_folder_is_writable(
    tmp_path: Path, names: dict[str, str]
) -> None:
    log, runs = tmp_path / "log", tmp_path / "runs"
    names["VLM_PYTHON"] = program(tmp_path / "fragile", f"echo run >>{runs}\nsleep 1.3")
    names |= {"ON_FATAL": "stay", "TEMP_DIR": "/dev/null/temp"}
    with launched(log, LAUNCH, **names) as service:
        wait_until(lambda: "gave up: vlm entered FATAL" in log.read_text(), "the end of the tries", log=log)
        # One run may have begun before the verdict; from then on the program itself is not run.
        assert runs.read_text().count("run") <= 3
        assert tier_process(service, log, "gateway")
        service.terminate()
        assert service.wait(WAIT_S) == 0


def test_a_stop_while_a_tier_waits_for_its_next_try_is_no_failure(tmp_path: Path, names: dict[str, str]) -> None:
    log = tmp_path / "log"
    names |= {"VLM_PYTHON": program(tmp_path / "dying", "exit 1"), "START_TRIES": "20"}
    with launched(log, LAUNCH, **names) as service:
        # After the third failure there are three seconds to hit.
        wait_until(lambda: log.read_text().count("exited: vlm") == 3, "the third try", log=log)
        service.terminate()
        assert service.wait(WAIT_S) == 0
    assert not has_given_up(names, "vlm")
    assert list(Path(names["TMPDIR"]).glob("*supervisor*")) == []  # supervisord's own log of its listener


def test_a_killed_watchdog_comes_back_and_remembers(tmp_path: Path, names: dict[str, str]) -> None:
    log = tmp_path / "log"
    with launched(log, LAUNCH, **names) as service:
        wait_until(lambda: log.read_text().count("RUNNING state") == 3, "all programs", log=log)
        first = tier_process(service, log, "vlm")
        watchdog = tier_process(service, log, "watchdog")
        assert first
        assert watchdog
        first.kill()
        wait_until(lambda: count_ends(names) == 1, "the watchdog's notice", log=log)
        watchdog.kill()
        wait_until(lambda: started_again(service, log, "watchdog", watchdog), "a new watchdog", log=log)
        second = tier_process(service, log, "vlm")
        assert second
        second.kill()
        assert service.wait(WAIT_S) == 71


@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["the group", "the leader alone"])
def test_a_kill_is_one_end_and_leaves_nothing_behind(
    tmp_path: Path, names: dict[str, str], kill: Callable[[int, int], None]
) -> None:
    log = tmp_path / "log"
    names |= {"VLM_PYTHON": program(tmp_path / "with workers", "sleep 1000 &\nsleep 1000 &\nwait"), "START_TRIES": "5"}

    def group() -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if leader := tier_process(service, log, "vlm"):
                return [leader, *leader.children()]
        return []

    with launched(log, LAUNCH, **names) as service:
        wait_until(lambda: len(group()) == 3, "a leader and its workers", log=log)
        killed = group()
        kill(killed[0].pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, killed)), "the end of the group", log=log)
        wait_until(lambda: len(group()) == 3 and group()[0] not in killed, "the tier's return", log=log)
        wait_until(lambda: count_ends(names) == 1, "the watchdog's notice", log=log)
        returned = group()
        service.terminate()
        assert service.wait(WAIT_S) == 0
        wait_until(lambda: not any(map(is_running, returned)), "the end of all workers")
    assert count_ends(names) == 1


def test_an_engine_that_the_gateway_reports_frozen_is_killed_and_started_again(
    tmp_path: Path, names: dict[str, str]
) -> None:
    log = tmp_path / "log"
    tier = {"vlm_port": names["VLM_PORT"], "temp_dir": names["TEMP_DIR"]}
    with launched(log, LAUNCH, **(names | {"START_TRIES": "5"})) as service:
        wait_until(lambda: tier_process(service, log, "vlm"), "the tier", log=log)
        frozen = tier_process(service, log, "vlm")
        assert frozen
        write_status(TierSettings.model_validate(tier), describe_process("starting", "vllm", "", pid=frozen.pid))
        assert report_frozen(GatewaySettings.model_validate(tier), 60)
        wait_until(lambda: started_again(service, log, "vlm", frozen), "the tier's return", log=log)
        assert not is_running(frozen)


COMPLAINT = "vllm serve: error: unrecognized arguments: --nonsense"


def test_what_a_program_says_before_it_ends_is_the_reason(tmp_path: Path, names: dict[str, str]) -> None:
    words = (
        f"echo usage >&2; echo 'Grüße: 50 %' >&2; printf 'a\\r\\n' >&2; echo '{COMPLAINT}' >&2; echo 'see above' >&2"
    )
    names["VLM_PYTHON"] = program(tmp_path / "vlm", f"{words}; exit 2")
    with launched(tmp_path / "log", LAUNCH, **names, ON_FATAL="stay"):
        wait_until(lambda: has_given_up(names, "vlm"), "giving up", log=tmp_path / "log")
        assert COMPLAINT in supervision(names)["vlm"]["sentence"]
