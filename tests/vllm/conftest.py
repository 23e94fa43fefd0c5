"""One service with the real vLLM for all tests here: `VLM_ENGINE=vllm`, started as `make run` starts it.

Its model folder says that the model's context is small: each start of vLLM takes the better part of a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervision.support import launched
from tests.support.vllm import vllm_python
from tests.vllm.lessons import Lesson, write_lessons
from tests.vllm.service import CONTEXT, VllmService, copy_checkpoint, settings
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
    model = copy_checkpoint(checkpoint, folder, max_position_embeddings=CONTEXT)
    names = settings(folder, model)
    url, vlm_port = f"http://127.0.0.1:{names['PORT']}", int(names["VLM_PORT"])
    with launched(folder / "log", LAUNCH, **names) as process:
        running = VllmService(process, url, vlm_port, folder / "log", model)
        running.wait_until_ready()
        yield running
