"""A TypeScript client that is generated from `/openapi.json` compiles, strictly, and reads."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import FOLDER, KEY
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway
from tests.support.waiting import WAIT_S

SOURCES = FOLDER / "typescript"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True) as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the packages that it needs."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    folder = tmp_path_factory.mktemp("typescript")
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
    done = run(folder, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
    if done.returncode:
        pytest.skip(f"npm can't install what is needed: {done.stderr[-200:]}")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_the_generated_client_reads_a_page(project: Path, served: Gateway) -> None:
    document = project / "two.pdf"
    document.write_bytes(pdf(2))
    generated = run(project, "npx", "openapi-typescript", f"{served.url}/openapi.json", "-o", "schema.d.ts")
    assert generated.returncode == 0, generated.stderr
    compiled = run(project, "npx", "tsc", "-p", ".")
    assert compiled.returncode == 0, compiled.stdout
    done = run(project, "node", "read_page.js", served.url, KEY, str(document))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": "ok",
        "page": 1,
        "texts": ["line one\nline two"] * 2,
        "code": "invalid_pages",
        "job": True,
    }
