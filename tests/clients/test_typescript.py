"""A TypeScript client that is generated from `/openapi.json` compiles, strictly, and reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import FOLDER, KEY
from tests.clients.node_project import install, run_in
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway

SOURCES = FOLDER / "typescript"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True) as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the packages that it needs."""
    return install(tmp_path_factory.mktemp("typescript"), SOURCES)


def test_the_generated_client_reads_a_page(project: Path, served: Gateway) -> None:
    document = project / "two.pdf"
    document.write_bytes(pdf(2))
    generated = run_in(project, "npx", "openapi-typescript", f"{served.url}/openapi.json", "-o", "schema.d.ts")
    assert generated.returncode == 0, generated.stderr
    compiled = run_in(project, "npx", "tsc", "-p", ".")
    assert compiled.returncode == 0, compiled.stdout
    done = run_in(project, "node", "read_page.js", served.url, KEY, str(document))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": "ok",
        "page": 1,
        "texts": ["line one\nline two"] * 2,
        "code": "invalid_pages",
        "job": True,
    }
