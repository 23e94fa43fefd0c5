"""A gateway as the clients of Document Intelligence see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until

MODELS = "/documentintelligence/documentModels"


@pytest.fixture(scope="package")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, api_keys="one,two", max_upload_mb=2, url_fetch="off") as running:
        running.client.headers["ocp-apim-subscription-key"] = "one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    script_page(_running)
    return _running


def begin(served: Gateway, data: bytes, model: str = "prebuilt-layout", **query: str) -> str:
    """Where the analysis of the document is to be asked for."""
    begun = served.client.post(
        f"{MODELS}/{model}:analyze",
        params={"api-version": "2024-11-30", **query},
        content=data,
        headers={"content-type": "application/octet-stream"},
    )
    assert (begun.status_code, begun.content) == (202, b""), begun.text
    return begun.headers["operation-location"]


def finish(served: Gateway, location: str) -> dict[str, Any]:
    """The operation when it has ended."""
    answers: list[httpx.Response] = []

    def has_ended() -> bool:
        answers.append(served.client.get(location))
        return answers[-1].json()["status"] not in ("notStarted", "running")

    wait_until(has_ended, "the analysis")
    operation: dict[str, Any] = answers[-1].json()
    return operation


def analyze(served: Gateway, data: bytes, model: str = "prebuilt-layout", **query: str) -> dict[str, Any]:
    """Its result."""
    operation = finish(served, begin(served, data, model, **query))
    assert operation["status"] == "succeeded", operation
    result: dict[str, Any] = operation["analyzeResult"]
    return result
