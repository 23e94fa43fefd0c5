"""Clients that people use, unmodified, each in an environment of its own (`make test-clients`)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_app
from gateway.model import Region
from tests.clients.recorder import TRANSCRIPT, note, recorded
from tests.gateway.intake.files import pdf
from tests.support import server
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.waiting import WAIT_S

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
KEY = "one-key"


@pytest.fixture(scope="session", autouse=True)
def transcript() -> None:
    TRANSCRIPT.parent.mkdir(exist_ok=True)
    TRANSCRIPT.write_text("Clients that people use, and the gateway's answers; long texts are cut.\n")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that finds a title, a picture and a text on each page, and wants a key."""
    with recording_gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY) as running:
        running.layout.regions = regions()
        running.client.headers["Authorization"] = f"token {KEY}"
        yield running


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with recording_gateway(tmp_path_factory.mktemp("gateway")) as running:
        running.layout.regions = regions()
        yield running


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that finds each kind of block on each page, takes jobs, and wants a key."""
    with recording_gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True) as running:
        script_page(running)
        yield running


@pytest.fixture(scope="module")
def scripted_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """As `scripted`, for clients that send no key."""
    with recording_gateway(tmp_path_factory.mktemp("gateway"), jobs=True) as running:
        script_page(running)
        yield running


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A PDF of three pages."""
    file = tmp_path / "three.pdf"
    file.write_bytes(pdf(3))
    return file


@contextmanager
def recording_gateway(folder: Path, **names: Any) -> Iterator[Gateway]:  # noqa: ANN401 - settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "create_app", recorded(create_app))
        with gateway(folder, **names) as running:
            yield running


def regions() -> list[Region]:
    labels = ("doc_title", "image", "text")
    return [Region(label, (10, 40 * at, 210, 40 * at + 30), at + 1, 0.9) for at, label in enumerate(labels)]


def run(environment: str, program: str, *arguments: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """What the program in this folder prints, by the environment's interpreter; skips the test where there is none."""
    folder = ROOT / f".venv-clients-{environment}"
    if not (folder / "installed-requirements.txt").exists():
        pytest.skip(f"the clients of {environment}.txt are not installed (make test-clients)")
    names = {**os.environ, "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True", "NO_PROXY": "127.0.0.1"}
    note(
        "", f"== {os.environ['PYTEST_CURRENT_TEST'].partition('::')[2]}", f"   {program} with {_versions(environment)}"
    )
    command = [str(folder / "bin" / "python"), str(FOLDER / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, env=names)
    assert done.returncode == 0, done.stderr[-3000:]
    printed = done.stdout.splitlines()[-1]
    note(f"  = {printed}")
    return json.loads(printed)


def _versions(environment: str) -> str:
    lines = (FOLDER / f"{environment}.txt").read_text(encoding="utf-8").splitlines()
    return ", ".join(line for line in lines if not line.startswith("#"))
