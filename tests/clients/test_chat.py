"""Frameworks that show a picture to a model, unmodified, against this service."""

from __future__ import annotations

import pytest

from tests.clients.conftest import KEY, ROOT, run
from tests.support.server import Gateway

PROGRAM = "chat_client.py"
PICTURE = str(ROOT / "examples" / "article-en.png")
TEXT = "line one\nline two"
ENVIRONMENTS = {
    "langchain_mistral": "chat",
    "llama_index": "chat",
    "haystack": "chat",
    "semantic_kernel": "chat",
    "pydantic_ai": "mistral",
}


@pytest.mark.parametrize("framework", ENVIRONMENTS)
def test_a_picture_is_read(served: Gateway, framework: str) -> None:
    got = run(ENVIRONMENTS[framework], PROGRAM, framework, served.url, KEY, PICTURE)
    assert set(got.values()) == {TEXT}, got


@pytest.mark.parametrize("framework", ENVIRONMENTS)
def test_a_wrong_key_is_the_frameworks_own_error(served: Gateway, framework: str) -> None:
    got = run(ENVIRONMENTS[framework], PROGRAM, framework, served.url, "wrong", PICTURE)
    assert "401" in got["message"], got
