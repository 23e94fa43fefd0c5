"""The schema tells the truth: what schemathesis makes of it, right and wrong, is answered as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.hostile.conftest import StartService
from tests.support.waiting import WAIT_S

KEY = "alpha"
CONFIGURATION = """
[checks]
# What no schema can say: that bytes are a document, that two options don't go together, that a URL leads somewhere,
# that a link is signed, or that a job is still there.
positive_data_acceptance.expected-statuses = [
    "2xx", "400", "403", "404", "409", "410", "413", "415", "422", "429", "503",
]
"""
"""Statuses with which schema-valid requests may be refused; none of the other checks is loosened."""


def test_schema(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(api_keys=KEY, url_fetch="off")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "2", "--seed", "1", "--no-color"),
        *("--request-timeout", f"{WAIT_S:g}", "--max-response-time", f"{WAIT_S:g}", "--header", f"X-API-Key: {KEY}"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("keys", ["", KEY])
def test_security_stands_only_where_keys_are_asked_for(keys: str) -> None:
    schema = create_app(Settings(_env_file=None, api_keys=keys)).openapi()
    secured = [path for path, operations in schema["paths"].items() for one in operations.values() if "security" in one]
    assert bool(secured) == bool(keys)
    assert ("securitySchemes" in schema["components"]) == bool(keys)
