from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from common.contracts import Failure, TierStatus
from gateway.engine.process_status import kill_tier, read_tier
from gateway.settings import Settings
from tests.support.waiting import wait_until
from vlm_backend.settings import Settings as TierSettings
from vlm_backend.status import describe_process, write_status

PORT, VLM_PORT = 18081, 18118
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"port": PORT, "vlm_port": VLM_PORT, "temp_dir": tmp_path})


@pytest.fixture
def family() -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """A program that leads a process group, as supervisord starts one, and its child."""
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout
        child = psutil.Process(int(leader.stdout.readline()))
        yield psutil.Process(leader.pid), child
        leader.kill()
        child.kill() if child.is_running() else None


def tell(settings: Settings, status: TierStatus) -> None:
    write_status(TierSettings.model_validate({"vlm_port": settings.vlm_port, "temp_dir": settings.temp_dir}), status)


def started(pid: int, **more: float) -> TierStatus:
    return describe_process("starting", "vllm", "because", pid=pid).model_copy(update=more)


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_nothing_is_known_before_the_tier_has_said_anything(settings: Settings) -> None:
    report = read_tier(settings)
    assert (report.reason, report.is_lost) == (None, False)


def test_an_engine_that_loads_is_said_to_load_and_for_how_long(settings: Settings) -> None:
    tell(settings, started(os.getpid(), started=time.time() - 75))
    report = read_tier(settings)
    assert "vllm" in (report.reason or "")
    assert "75 s" in (report.reason or "")
    assert not report.is_lost


def test_a_refusal_is_told_with_its_remedy_and_no_hope(settings: Settings) -> None:
    failure = Failure(check="driver", detail="There is no libcuda.so.1.", remedy="Start the container with --gpus all.")
    tell(settings, describe_process("refused", "vllm", "because", [failure]))
    report = read_tier(settings)
    assert report.is_lost
    assert "There is no libcuda.so.1. Start the container with --gpus all." in (report.reason or "")


def test_what_may_pass_is_told_and_waited_for(settings: Settings) -> None:
    failure = Failure(check="gpu-memory", detail="Another process holds the card.", remedy="Wait for it.")
    tell(settings, describe_process("postponed", "vllm", "because", [failure]))
    report = read_tier(settings)
    assert not report.is_lost
    assert "Another process holds the card. Wait for it." in (report.reason or "")


def test_an_engine_that_was_given_up_is_lost_in_the_words_of_the_watchdog(settings: Settings) -> None:
    tell(settings, started(os.getpid()))
    told = {"programs": {"vlm": {"gave_up": True, "sentence": "It ended 6 times in 10 minutes."}}}
    (settings.temp_dir / f"supervision-{PORT}.json").write_text(json.dumps(told))
    report = read_tier(settings)
    assert report.is_lost
    assert report.reason == "It ended 6 times in 10 minutes."


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "dancing"}'])
def test_a_file_that_makes_no_sense_tells_nothing(settings: Settings, content: str) -> None:
    (settings.temp_dir / f"vlm-{VLM_PORT}.json").write_text(content)
    assert read_tier(settings).reason is None
    assert not kill_tier(settings)


def test_the_engine_is_killed_with_its_children(
    settings: Settings, family: tuple[psutil.Process, psutil.Process]
) -> None:
    leader, child = family
    tell(settings, started(leader.pid))
    assert kill_tier(settings)
    for process in (leader, child):
        wait_until(partial(ended, process), "the end of the process")


def test_another_process_that_has_the_number_by_now_is_left_alone(
    settings: Settings, family: tuple[psutil.Process, psutil.Process]
) -> None:
    leader, _ = family
    tell(
        settings, describe_process("starting", "vllm", "because", pid=leader.pid).model_copy(update={"start_ticks": 1})
    )
    assert not kill_tier(settings)
    assert not ended(leader)


def test_an_engine_elsewhere_has_no_files_here(
    tmp_path: Path, settings: Settings, family: tuple[psutil.Process, psutil.Process]
) -> None:
    tell(settings, started(family[0].pid))
    elsewhere = settings.model_copy(update={"vlm_engine": "external"})
    assert read_tier(elsewhere).reason is None
    assert not kill_tier(elsewhere)
    assert not ended(family[0])


def test_why_the_last_start_failed_is_told_while_the_next_one_loads(settings: Settings) -> None:
    program = {"gave_up": False, "last_words": "CUDA out of memory."}
    file = settings.temp_dir / f"supervision-{settings.port}.json"
    file.write_text(json.dumps({"programs": {"vlm": program}}))
    tell(settings, started(os.getpid()))
    loading = read_tier(settings).reason or ""
    assert "is loading" in loading
    assert "CUDA out of memory." in loading
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        tell(settings, started(gone.pid))
    assert "CUDA out of memory." in (read_tier(settings).reason or "")
