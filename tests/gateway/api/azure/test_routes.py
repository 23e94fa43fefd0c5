"""An analysis from its beginning to its deletion, and what is refused on the way."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import httpx
import pypdfium2 as pdfium
import pytest
from PIL import Image

from tests.gateway.api.azure.conftest import MODELS, analyze, begin, finish
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S

READ, LAYOUT = f"{MODELS}/prebuilt-read", f"{MODELS}/prebuilt-layout"
FORM_MODELS = "/formrecognizer/documentModels"
DOCUMENT = base64.b64encode(pdf(1)).decode()


def assert_refused(answer: httpx.Response, status: int, inner: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert (set(answer.json()), error["innererror"]["code"]) == ({"error"}, inner)
    assert error["message"]
    return error


def count_jobs(served: Gateway) -> int:
    return len([*(served.service.settings.data_dir / "jobs").iterdir()])


def test_the_searchable_pdf(served: Gateway) -> None:
    location = begin(served, pdf(2), "prebuilt-read", output="pdf")
    assert finish(served, location)["status"] == "succeeded"
    answer = served.client.get(f"{location}/pdf", headers={"accept": "application/pdf"})
    assert answer.headers["content-type"] == "application/pdf"
    texts = [page.get_textpage().get_text_range() for page in pdfium.PdfDocument(answer.content)]
    assert ["A title" in text for text in texts] == [True, True]


def test_figures_are_png(served: Gateway) -> None:
    location = begin(served, pdf(2), output="figures")
    finish(served, location)
    answer = served.client.get(f"{location}/figures/2.1")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(answer.content)).format == "PNG"
    for figure in ("2.2", "3.1", "1", "x", "1.1.1"):
        assert_refused(served.client.get(f"{location}/figures/{figure}"), 404, "NotFound")


def test_what_was_not_asked_for_is_not_there(served: Gateway) -> None:
    location = begin(served, pdf(1))
    finish(served, location)
    assert_refused(served.client.get(f"{location}/pdf"), 404, "NotFound")
    assert_refused(served.client.get(f"{location}/figures/1.1"), 404, "NotFound")


def test_json_and_base64(served: Gateway) -> None:
    begun = served.client.post(f"{READ}:analyze", json={"base64Source": DOCUMENT})
    assert begun.status_code == 202, begun.text
    assert int(begun.headers["retry-after"]) == 1
    assert begun.headers["operation-location"].endswith(f"/analyzeResults/{begun.headers['apim-request-id']}")
    operation = finish(served, begun.headers["operation-location"])
    assert operation["createdDateTime"] <= operation["lastUpdatedDateTime"]


def test_a_running_analysis_says_when_to_ask_again_and_has_no_pdf(served: Gateway) -> None:
    served.engine.answer = lambda _request: Reply("late", delay_s=WAIT_S)
    waiting = [begin(served, pdf(1), output="pdf") for _ in range(served.service.settings.max_jobs + 1)]
    location = waiting.pop()
    answer = served.client.get(location)
    # Some clients stop at Azure's `notStarted`.
    assert answer.json()["status"] == "running"
    assert "analyzeResult" not in answer.json()
    assert int(answer.headers["retry-after"]) == 1
    assert_refused(served.client.get(f"{location}/pdf"), 409, "JobNotFinished")
    for one in (location, *waiting):
        assert served.client.delete(one).status_code == 204
    assert_refused(served.client.get(location), 404, "NotFound")


def test_deletion_leaves_nothing(served: Gateway) -> None:
    before = count_jobs(served)
    location = begin(served, pdf(1))
    finish(served, location)
    assert served.client.delete(location).status_code == 204
    assert count_jobs(served) == before
    assert_refused(served.client.delete(location), 404, "NotFound")


def test_results_belong_to_their_key_and_model(served: Gateway) -> None:
    location = begin(served, pdf(1))
    for path in ("", "/pdf", "/figures/1.1"):
        other = served.client.get(location + path, headers={"ocp-apim-subscription-key": "two"})
        assert_refused(other, 404, "NotFound")
    assert_refused(served.client.get(location.replace("layout", "read")), 404, "NotFound")
    assert_refused(served.client.delete(location, headers={"ocp-apim-subscription-key": "two"}), 404, "NotFound")
    assert_refused(served.client.get(f"{LAYOUT}/analyzeResults/{'0' * 32}"), 404, "NotFound")
    assert_refused(served.client.get(f"{LAYOUT}/analyzeResults/..%2f..%2fx"), 404, "NotFound")


def test_keys(served: Gateway) -> None:
    wrong = served.client.post(f"{READ}:analyze", headers={"ocp-apim-subscription-key": "no"}, content=b"{}")
    assert assert_refused(wrong, 401, "Unauthorized")["code"] == "401"
    bearer = {"ocp-apim-subscription-key": "", "authorization": "Bearer one"}
    assert served.client.post(f"{READ}:analyze", headers=bearer, json={"base64Source": DOCUMENT}).status_code == 202


@pytest.mark.parametrize(
    ("body", "inner", "target"),
    [
        ({}, "ParameterMissing", None),
        ({"base64Source": DOCUMENT, "urlSource": "http://a"}, "ParameterMissing", None),
        ({"base64Source": "***"}, "InvalidBase64", "base64Source"),
        ({"base64Source": 7}, "InvalidParameter", "base64Source"),
        ({"base64Source": ""}, "InvalidContent", None),
        ({"base64Source": base64.b64encode(b"plain text").decode()}, "InvalidContent", None),
        ({"urlSource": ["http://a"]}, "InvalidParameter", "urlSource"),
    ],
)
def test_json_that_is_refused(served: Gateway, body: dict[str, Any], inner: str, target: str | None) -> None:
    before = count_jobs(served)
    error = assert_refused(served.client.post(f"{LAYOUT}:analyze", json=body), 400, inner)
    assert (error["target"], error["code"]) == (target, "InvalidRequest")
    assert count_jobs(served) == before


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"base64Source":', b"\xff", b"[]"])
def test_bodies_that_are_no_json(served: Gateway, content: bytes) -> None:
    answer = served.client.post(f"{LAYOUT}:analyze", content=content, headers={"content-type": "application/json"})
    assert_refused(answer, 400, "InvalidJson")


@pytest.mark.parametrize(
    "query",
    [
        {"pages": "one"},
        {"pages": "1,,2"},
        {"output": "docx"},
        {"features": "barcodes"},
        {"features": "formulas,keyValuePairs"},
        {"queryFields": "Total"},
        {"stringIndexType": "bytes"},
        {"outputContentFormat": "html"},
        {"pages": "0"},
        {"pages": "1,3-2"},
    ],
)
def test_parameters_that_are_refused(served: Gateway, query: dict[str, str]) -> None:
    answer = served.client.post(f"{LAYOUT}:analyze", params=query, json={"base64Source": DOCUMENT})
    error = assert_refused(answer, 400, "InvalidParameter")
    assert next(iter(query)) in error["message"]


def test_other_refusals(served: Gateway) -> None:
    binary = {"content-type": "application/octet-stream"}
    refused = served.client.post(f"{READ}:analyze", params={"output": "figures"}, content=pdf(1), headers=binary)
    assert_refused(refused, 400, "InvalidParameter")
    assert_refused(served.client.post(f"{MODELS}/prebuilt-invoice:analyze", json={}), 404, "ModelNotFound")
    assert_refused(served.client.post(f"{READ}:analyze", content=b"", headers=binary), 400, "InvalidContent")
    assert_refused(served.client.post(f"{READ}:analyze", content=b"plain text", headers=binary), 400, "InvalidContent")
    large = served.client.post(f"{READ}:analyze", content=bytes(3_000_000), headers=binary)
    assert_refused(large, 413, "InvalidContentLength")
    form = served.client.post(f"{READ}:analyze", files={"file": ("a.pdf", pdf(1))})
    assert_refused(form, 415, "UnsupportedContentType")
    assert_refused(served.client.get(f"{READ}:analyze"), 405, "MethodNotAllowed")


def test_an_analysis_that_fails(served: Gateway) -> None:
    """Of a file that only looks like a document, of pages that it lacks, and of one that the engine can't read at
    all."""
    served.engine.answer = lambda _request: Reply(status=400, text="no")
    for location, status in (
        (begin(served, b"%PDF-1.7 and no more"), "InvalidRequest"),
        (begin(served, pdf(1), pages="5"), "InvalidRequest"),
        (begin(served, pdf(1)), "InternalServerError"),
    ):
        operation = finish(served, location)
        assert (operation["status"], operation["error"]["code"]) == ("failed", status)
        assert operation["error"]["innererror"]["message"]
        assert "analyzeResult" not in operation


def test_a_service_that_takes_nothing_says_when_to_come_back(served: Gateway) -> None:
    served.service.draining = True
    try:
        answer = served.client.post(f"{READ}:analyze", json={"base64Source": DOCUMENT})
    finally:
        served.service.draining = False
    assert assert_refused(answer, 503, "ShuttingDown")["code"] == "ServiceUnavailable"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("model", ["prebuilt-read", "prebuilt-layout", "prebuilt-document"])
def test_form_recognizers_paths(served: Gateway, model: str) -> None:
    """What its clients find there, beside what today's clients find at theirs."""
    begun = served.client.post(
        f"{FORM_MODELS}/{model}:analyze",
        params={"api-version": "2023-07-31", "stringIndexType": "unicodeCodePoint"},
        content=pdf(2),
        headers={"content-type": "application/octet-stream"},
    )
    location = begun.headers["operation-location"]
    assert f"{FORM_MODELS}/{model}/analyzeResults/" in location
    result = finish(served, location)["analyzeResult"]
    assert (result["apiVersion"], result["modelId"]) == ("2023-07-31", model)
    today = "prebuilt-read" if model == "prebuilt-read" else "prebuilt-layout"
    expected = analyze(served, pdf(2), today, stringIndexType="unicodeCodePoint")
    assert expected["apiVersion"] == "2024-11-30"
    assert {name: result[name] for name in expected if name not in ("apiVersion", "modelId")} == {
        name: value for name, value in expected.items() if name not in ("apiVersion", "modelId")
    }
    assert result.get("keyValuePairs") == ([] if model == "prebuilt-document" else None)


def test_form_recognizers_paths_refuse_as_azure_does(served: Gateway) -> None:
    invoice = served.client.post(f"{FORM_MODELS}/prebuilt-invoice:analyze", json={})
    assert "prebuilt-document" in assert_refused(invoice, 404, "ModelNotFound")["message"]
    today = served.client.post(f"{MODELS}/prebuilt-document:analyze", json={"base64Source": DOCUMENT})
    assert_refused(today, 404, "ModelNotFound")
    wrong = served.client.post(f"{FORM_MODELS}/prebuilt-read:analyze", headers={"ocp-apim-subscription-key": "no"})
    assert_refused(wrong, 401, "Unauthorized")
    assert_refused(served.client.get("/formrecognizer/v2.1/layout/analyzeResults/1"), 404, "NotFound")
