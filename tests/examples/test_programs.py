"""The programs of `examples/`, run as they stand, against a gateway."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.gateway.intake.files import pdf
from tests.supervision.support import ROOT
from tests.support.server import Gateway, gateway
from tests.support.waiting import WAIT_S

KEY = "one-key"
EXAMPLES = ROOT / "examples"
COMPOSE = EXAMPLES / "openwebui.compose.yaml"
INTERPRETERS = {".py": sys.executable, ".sh": "sh", ".mjs": "node"}
NEEDS = {"curl.sh": "curl", "javascript.mjs": "node"}
TEXT = "line one line two"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True) as running:
        yield running


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "three.pdf"
    file.write_bytes(pdf(3))
    return file


def run(served: Gateway, program: str, document: Path, key: str = KEY) -> subprocess.CompletedProcess[str]:
    needed = NEEDS.get(program)
    if needed and shutil.which(needed) is None:
        pytest.skip(f"no {needed} on this machine")
    return subprocess.run(
        [INTERPRETERS[Path(program).suffix], str(EXAMPLES / program), str(document)],
        env={**os.environ, URL_VARIABLE: served.url, KEY_VARIABLE: key, "PYTHONPATH": str(ROOT)},
        cwd=document.parent,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_each_program_is_run_here() -> None:
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in INTERPRETERS}
    assert programs == set(OUTPUTS) | {"python_openai.py"}


OUTPUTS = {
    "curl.sh": ("event: meta\nevent: page\nevent: page\nevent: page\nevent: done\n", 6),
    "python_client.py": ("page 3  text  (10, 40, 210, 70)", 6),
    "javascript.mjs": ("page 3, 2 blocks", 6),
    "langchain_loader.py": ("'page': 3, 'total_pages': 3", 6),
}
"""What the output of each holds, and how often the engine's text stands in it as a paragraph."""


@pytest.mark.parametrize("program", sorted(OUTPUTS))
def test_a_document_is_read(served: Gateway, document: Path, program: str) -> None:
    done = run(served, program, document)
    assert done.returncode == 0, done.stderr
    holds, count = OUTPUTS[program]
    assert holds in done.stdout
    assert done.stdout.count(TEXT) == count


@pytest.mark.parametrize("program", sorted(OUTPUTS))
def test_a_refusal_is_told(served: Gateway, tmp_path: Path, program: str) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_text("no document")
    done = run(served, program, broken)
    assert done.returncode != 0
    assert "looks like plain text" in done.stdout + done.stderr


def test_a_picture_by_openai(served: Gateway) -> None:
    done = run(served, "python_openai.py", EXAMPLES / "slide-en.png")
    assert (done.returncode, done.stdout) == (0, "line one\nline two\n"), done.stderr


def test_open_webui_is_given_the_service_and_its_key() -> None:
    services = load_compose()
    ocr, webui = services["ocr"], services["open-webui"]["environment"]
    assert webui["CONTENT_EXTRACTION_ENGINE"] == "external"
    assert webui["EXTERNAL_DOCUMENT_LOADER_URL"] == "http://ocr:8081"
    assert webui["EXTERNAL_DOCUMENT_LOADER_API_KEY"] == ocr["environment"]["API_KEYS"]
    images = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert ocr["image"] == images["cpu"]["image"]


def test_open_webuis_file_is_one_of_compose() -> None:
    version = ["docker", "compose", "version"]
    if shutil.which("docker") is None or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("no docker compose on this machine")
    subprocess.run(["docker", "compose", "-f", str(COMPOSE), "config", "-q"], check=True, timeout=WAIT_S)


def load_compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return services
