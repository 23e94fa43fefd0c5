"""PaddleX's general OCR: `POST /ocr` with `file` in the place of `source`."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.gateway.api.paddlex.conftest import assert_refused, result_of
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

EXAMPLE = Path(__file__).parents[4] / "examples" / "article-en.png"


def ask(served: Gateway, data: bytes, **fields: Any) -> httpx.Response:  # noqa: ANN401 - whatever JSON can hold
    return served.client.post("/ocr", json={"file": base64.b64encode(data).decode(), **fields})


@pytest.fixture(scope="module")
def lines() -> bytes:
    """A part of a page, not larger than the service takes here."""
    data = BytesIO()
    Image.open(EXAMPLE).crop((0, 0, 1240, 700)).save(data, "PNG")
    return data.getvalue()


def test_lines_with_their_places(served: Gateway, lines: bytes) -> None:
    served.engine.answer = lambda _request: Reply("a line")
    result = result_of(ask(served, lines, fileType=1, logId="mine", textDetThresh=0.3))
    (page,) = result["ocrResults"]
    pruned = page["prunedResult"]
    count = len(pruned["rec_texts"])
    assert count > 8
    assert {*pruned["rec_texts"]} == {"a line"}
    assert len(pruned["rec_boxes"]) == len(pruned["rec_scores"]) == len(pruned["rec_polys"]) == count
    assert result["dataInfo"]["type"] == "image"
    for name in ("ocrImage", "inputImage"):
        assert base64.b64decode(page[name]).startswith(b"\xff\xd8")


def test_pages_without_pictures(served: Gateway) -> None:
    result = result_of(ask(served, pdf(2), visualize=False))
    assert result["dataInfo"]["numPages"] == len(result["ocrResults"]) == 2
    assert {*result["ocrResults"][0]} == {"prunedResult"}


def test_doubtful_lines_are_left_out(served: Gateway, lines: bytes) -> None:
    """`exp(-0.1)` is what the engine thinks of each here."""
    (some,), (none,) = (result_of(ask(served, lines, textRecScoreThresh=least))["ocrResults"] for least in (0.5, 0.95))
    assert some["prunedResult"]["rec_texts"]
    assert none["prunedResult"]["rec_texts"] == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"file": 7}, "file"),
        ({"file": ""}, "empty"),
        ({"file": "QUI=", "fileType": 3}, "fileType"),
        ({"file": "QUI=", "textRecScoreThresh": 2}, "textRecScoreThresh"),
        ({"file": "QUI=", "visualize": "perhaps"}, "visualize"),
        ({"file": "QUI="}, "Invalid input file"),
        ({"file": "http://127.0.0.1:1/a.png"}, "Invalid input file"),
    ],
)
def test_refusals_have_paddlex_s_envelope(served: Gateway, fields: dict[str, Any], words: str) -> None:
    answer = served.client.post("/ocr", json={"logId": "mine", **fields})
    assert assert_refused(answer, 422, words)["logId"] == "mine"


@pytest.mark.parametrize("file", ["x" * 10, "data:application/pdf;base64", "file:///etc/passwd", "é"])
def test_files_that_are_no_base64_have_paddlex_s_envelope(served: Gateway, file: str) -> None:
    answer = served.client.post("/ocr", json={"file": file})
    assert_refused(answer, 422, "Invalid input file")


def test_bodies_with_a_source_are_ours(served: Gateway) -> None:
    """Refusals too."""
    document = base64.b64encode(pdf(1)).decode()
    assert served.client.post("/ocr", json={"source": {"base64": "x" * 9}}).json()["code"] == "invalid_base64"
    for source in ({"base64": document}, {"url": "http://127.0.0.1:1"}):
        answer = served.client.post("/ocr", json={"source": source, "file": document})
        assert (answer.status_code, set(answer.json()) >= {"code", "detail"}) == (400, True)
    for file in ("x" * 10, "x" * 1_000_000):  # not looked at
        answer = served.client.post("/ocr", json={"source": {"url": "http://127.0.0.1:1"}, "file": file})
        assert answer.json()["code"] == "ambiguous_source"
    assert served.client.post("/jobs", json={"file": document}).json()["code"] in ("no_source", "jobs_unavailable")
    assert served.client.post("/ocr", json={}).json()["code"] == "no_source"
