"""A gateway as Mistral's clients see it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.pages import script_page
from tests.support.server import Gateway, gateway

OCR, FILES = "/v1/ocr", "/v1/files"


@pytest.fixture(scope="package")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, api_keys="one,two", max_upload_mb=2, files_max_gb=0.003) as running:
        running.client.headers["authorization"] = "Bearer one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    script_page(_running)
    return _running


def data_url(data: bytes) -> str:
    return "data:application/pdf;base64," + base64.b64encode(data).decode()


def ocr(served: Gateway, document: dict[str, Any], **fields: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return served.client.post(OCR, json={"model": "mistral-ocr-latest", "document": document, **fields})


def upload(served: Gateway, data: bytes, **fields: str) -> httpx.Response:
    form = {"purpose": "ocr", **fields}
    return served.client.post(FILES, files={"file": ("a.pdf", data, "application/pdf")}, data=form)


def assert_refused(answer: httpx.Response, status: int, *field: str | int) -> None:
    """As Mistral says it: fields at fault in `detail`, anything else as an `error` object."""
    body = answer.json()
    assert answer.status_code == status, answer.text
    if status == 422:
        assert set(body) == {"detail"}
        (error,) = body["detail"]
        assert set(error) == {"loc", "msg", "type"}
        assert tuple(error["loc"][1 : 1 + len(field)]) == field
    else:
        assert set(body) == {"object", "message", "type", "param", "code"}
        assert (body["object"], bool(body["message"])) == ("error", True)
