"""A gateway as PaddleX's clients see it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.model import Region
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits: dict[str, Any] = {"max_upload_mb": 2, "max_documents": 2, "max_pixels": 2_000_000}
    with gateway(tmp_path_factory.mktemp("gateway"), url_fetch="any", **limits) as running:
        yield running


def ask(served: Gateway, file: bytes | str, **fields: Any) -> httpx.Response:  # noqa: ANN401 - whatever JSON can hold
    text = file if isinstance(file, str) else base64.b64encode(file).decode()
    return served.client.post("/layout-parsing", json={"file": text, **fields})


def result_of(answer: httpx.Response) -> dict[str, Any]:
    """The result of an answer that says in all three places that it is one."""
    envelope = answer.json()
    assert (answer.status_code, envelope.get("errorCode"), envelope.get("errorMsg")) == (200, 0, "Success"), answer.text
    assert set(envelope) == {"logId", "result", "errorCode", "errorMsg"}
    result: dict[str, Any] = envelope["result"]
    return result


def page_of(answer: httpx.Response) -> dict[str, Any]:
    (page,) = result_of(answer)["layoutParsingResults"]
    found: dict[str, Any] = page
    return found


def assert_refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    envelope: dict[str, Any] = answer.json()
    assert set(envelope) == {"logId", "errorCode", "errorMsg"}
    assert (answer.status_code, envelope["errorCode"]) == (status, status), answer.text
    for word in words:
        assert word in envelope["errorMsg"]
    return envelope


def regions_of(*labels: str) -> list[Region]:
    return [Region(label, (10, 40 * at, 210, 40 * at + 30), at + 1, 0.9) for at, label in enumerate(labels)]
