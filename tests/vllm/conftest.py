"""One service with the real vLLM for all tests here: `VLM_ENGINE=vllm`, started as `make run` starts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervision.support import launched
from tests.support.vllm import vllm_python
from tests.vllm.lessons import Lesson, write_lessons
from tests.vllm.service import VllmService, settings
from tests.vllm.teaching import taught_checkpoint

LAUNCH = [sys.executable, "-m", "supervision.launch"]


@pytest.fixture(scope="session")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vllm_python()
    return tmp_path_factory.mktemp("school")


@pytest.fixture(scope="session")
def lessons(school: Path) -> list[Lesson]:
    return write_lessons(school)


@pytest.fixture(scope="session")
def checkpoint(school: Path, lessons: list[Lesson]) -> Path:
    """`lessons` has written the file that is read here."""
    return taught_checkpoint(school / "lessons.json", vllm_python())


@pytest.fixture(scope="session")
def service(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmService]:
    folder = tmp_path_factory.mktemp("vllm")
    names = settings(folder, checkpoint)
    with launched(folder / "log", LAUNCH, **names) as process:
        running = VllmService(process, f"http://127.0.0.1:{names['PORT']}", int(names["VLM_PORT"]), folder / "log")
        running.wait_until_ready()
        yield running
