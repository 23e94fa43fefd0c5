"""A document whose second page fails, in each dialect: the rest comes, and what is missing is said in its own words."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.model import Region
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubRequest
from tests.support.waiting import wait_until

FILE = ("three.pdf", pdf(3), "application/pdf")
MODEL = "/documentintelligence/documentModels/prebuilt-layout"
Told = tuple[str, bool]
"""All text, and whether the answer says that something is missing."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), jobs=True) as running:
        running.layout.by_page = {page: [Region("text", (10, 10, 110 + 50 * page, 40), 1, 0.9)] for page in (1, 2, 3)}
        running.engine.answer = _read
        yield running


def _read(request: StubRequest) -> Reply:
    width, _ = request.size
    page = min((1, 2, 3), key=lambda page: abs(100 + 50 * page - width))
    return Reply(status=400, text="no") if page == 2 else Reply(f"page {page}")


def docling(served: Gateway) -> Told:
    answer = served.client.post("/v1/convert/file", files={"files": FILE}).json()
    return answer["document"]["md_content"], answer["status"] == "partial_success" and bool(answer["errors"])


def mistral(served: Gateway) -> Told:
    url = f"data:application/pdf;base64,{base64.b64encode(FILE[1]).decode()}"
    answer = served.client.post("/v1/ocr", json={"document": {"type": "document_url", "document_url": url}})
    pages = answer.json()["pages"]
    assert [page["index"] for page in pages] == [0, 1, 2]
    return "\n".join(page["markdown"] for page in pages), answer.headers.get("x-ocr-status") == "partial"


def mineru(served: Gateway) -> Told:
    answer = served.client.post("/file_parse", files={"files": FILE})
    return answer.json()["results"]["three"]["md_content"], answer.headers.get("x-ocr-status") == "partial"


def datalab(served: Gateway) -> Told:
    url = served.client.post("/api/v1/marker", files={"file": FILE}).json()["request_check_url"]
    wait_until(lambda: served.client.get(url).json()["status"] != "processing", "the document")
    answer: dict[str, Any] = served.client.get(url).json()
    return answer["markdown"], answer["success"] and bool(answer["metadata"]["warnings"])


def fastgpt(served: Gateway) -> Told:
    answer = served.client.post("/v2/parse/file", files={"file": FILE})
    assert answer.json()["pages"] == 3
    return answer.json()["markdown"], answer.headers.get("x-ocr-status") == "partial"


def openwebui(served: Gateway) -> Told:
    answer = served.client.put("/process", content=FILE[1])
    assert [page["metadata"]["page"] for page in answer.json()] == [0, 1, 2]
    texts = "\n".join(page["page_content"] for page in answer.json())
    return texts, answer.headers.get("x-ocr-status") == "partial"


def azure(served: Gateway) -> Told:
    begun = served.client.post(f"{MODEL}:analyze", content=FILE[1], headers={"content-type": "application/pdf"})
    location = begun.headers["operation-location"]
    wait_until(lambda: served.client.get(location).json()["status"] == "succeeded", "the analysis")
    result = served.client.get(location).json()["analyzeResult"]
    return result["content"], [one["target"] for one in result["warnings"]] == ["2"]


@pytest.mark.parametrize("read", [docling, mistral, mineru, datalab, fastgpt, openwebui, azure])
def test_what_was_read_comes_and_what_was_not_is_said(served: Gateway, read: Callable[[Gateway], Told]) -> None:
    text, is_said = read(served)
    assert [number in text for number in ("page 1", "page 2", "page 3")] == [True, False, True]
    assert is_said
