"""Frameworks that show a picture to a model, unmodified, against this service."""

from __future__ import annotations

import pytest

from tests.clients.conftest import KEY, ROOT, run
from tests.support.server import Gateway

PROGRAM = "chat_client.py"
PICTURE = str(ROOT / "examples" / "article-en.png")
TEXT = "line one\nline two"
FRAMEWORKS = ["langchain_mistral", "pydantic_ai", "llama_index", "haystack", "semantic_kernel"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_picture_is_read(served: Gateway, framework: str) -> None:
    got = run("chat", PROGRAM, framework, served.url, KEY, PICTURE)
    assert set(got.values()) == {TEXT}, got


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_wrong_key_is_the_frameworks_own_error(served: Gateway, framework: str) -> None:
    got = run("chat", PROGRAM, framework, served.url, "wrong", PICTURE)
    assert "401" in got["message"], got
