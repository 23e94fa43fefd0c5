from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.contracts import Failure, TierStatus, frozen_file
from gateway.engine.process_status import read_process_status
from gateway.engine.progress import report_frozen
from gateway.settings import Settings
from vlm_backend.settings import Settings as TierSettings
from vlm_backend.status import describe_process, write_status

PORT, VLM_PORT = 18081, 18118


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"port": PORT, "vlm_port": VLM_PORT, "temp_dir": tmp_path})


def tell(settings: Settings, status: TierStatus) -> None:
    write_status(TierSettings.model_validate({"vlm_port": settings.vlm_port, "temp_dir": settings.temp_dir}), status)


def started(pid: int, **more: float) -> TierStatus:
    return describe_process("starting", "vllm", "because", pid=pid).model_copy(update=more)


def test_nothing_is_known_before_the_tier_has_said_anything(settings: Settings) -> None:
    report = read_process_status(settings)
    assert (report.reason, report.gave_up) == (None, False)


def test_an_engine_that_loads_is_said_to_load_and_for_how_long(settings: Settings) -> None:
    tell(settings, started(os.getpid(), started=time.time() - 75))
    report = read_process_status(settings)
    assert "vllm" in (report.reason or "")
    assert "75 s" in (report.reason or "")
    assert not report.gave_up


def test_a_refusal_is_told_with_its_remedy_and_no_hope(settings: Settings) -> None:
    failure = Failure(check="driver", detail="There is no libcuda.so.1.", remedy="Start the container with --gpus all.")
    tell(settings, describe_process("refused", "vllm", "because", [failure]))
    report = read_process_status(settings)
    assert report.gave_up
    assert "There is no libcuda.so.1. Start the container with --gpus all." in (report.reason or "")


def test_what_may_pass_is_told_and_waited_for(settings: Settings) -> None:
    failure = Failure(check="gpu-memory", detail="Another process holds the card.", remedy="Wait for it.")
    tell(settings, describe_process("postponed", "vllm", "because", [failure]))
    report = read_process_status(settings)
    assert not report.gave_up
    assert "Another process holds the card. Wait for it." in (report.reason or "")


def test_an_engine_that_was_given_up_is_lost_in_the_words_of_the_watchdog(settings: Settings) -> None:
    tell(settings, started(os.getpid()))
    told = {"programs": {"vlm": {"gave_up": True, "sentence": "It ended 6 times in 10 minutes."}}}
    (settings.temp_dir / f"supervision-{PORT}.json").write_text(json.dumps(told))
    report = read_process_status(settings)
    assert report.gave_up
    assert report.reason == "It ended 6 times in 10 minutes."


def test_an_engine_beside_the_vlm_is_told_from_it(settings: Settings) -> None:
    beside = settings.model_copy(update={"line_reader_port": VLM_PORT + 1, "vlm_port": VLM_PORT + 1})
    told = {"programs": {"vlm": {"gave_up": True, "sentence": "Out of memory."}, "line_reader": {"state": "running"}}}
    (settings.temp_dir / f"supervision-{PORT}.json").write_text(json.dumps(told))
    assert read_process_status(settings).gave_up
    assert not read_process_status(beside).gave_up


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "dancing"}'])
def test_a_file_that_makes_no_sense_tells_nothing(settings: Settings, content: str) -> None:
    (settings.temp_dir / f"vlm-{VLM_PORT}.json").write_text(content)
    assert read_process_status(settings).reason is None
    assert not report_frozen(settings, 60)


def test_a_frozen_engine_is_reported_by_its_process(settings: Settings) -> None:
    status = started(os.getpid())
    tell(settings, status)
    assert report_frozen(settings, 61.5)
    report = json.loads(frozen_file(settings.temp_dir, settings.vlm_port).read_text(encoding="utf-8"))
    assert report == {"pid": os.getpid(), "started": status.started, "idle_s": 61.5}


def test_another_process_that_has_the_number_by_now_is_not_reported(settings: Settings) -> None:
    tell(settings, started(os.getpid(), start_ticks=1))
    assert not report_frozen(settings, 60)
    assert not frozen_file(settings.temp_dir, settings.vlm_port).exists()


def test_an_engine_elsewhere_has_no_files_here(settings: Settings) -> None:
    tell(settings, started(os.getpid()))
    elsewhere = settings.model_copy(update={"vlm_engine": "external"})
    assert read_process_status(elsewhere).reason is None
    assert not report_frozen(elsewhere, 60)


def test_why_the_last_start_failed_is_told_while_the_next_one_loads(settings: Settings) -> None:
    program = {"gave_up": False, "last_words": "CUDA out of memory."}
    file = settings.temp_dir / f"supervision-{settings.port}.json"
    file.write_text(json.dumps({"programs": {"vlm": program}}))
    tell(settings, started(os.getpid()))
    loading = read_process_status(settings).reason or ""
    assert "is loading" in loading
    assert "CUDA out of memory." in loading
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        tell(settings, started(gone.pid))
    assert "CUDA out of memory." in (read_process_status(settings).reason or "")
