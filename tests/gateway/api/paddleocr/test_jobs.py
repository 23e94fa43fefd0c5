"""`/api/v2/ocr/jobs` as the clients of PaddleOCR's hosted service use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.api.paddleocr import routes
from gateway.model import Region
from tests.gateway.intake.files import pdf
from tests.support import local_http
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

PATH = "/api/v2/ocr/jobs"
EXAMPLE = Path(__file__).parents[4] / "examples" / "article-en.png"


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), jobs=True, api_keys="one,two") as running:
        running.client.headers["authorization"] = "bearer one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    labels = ("doc_title", "image", "text")
    _running.layout.regions = [
        Region(label, (10, 40 * at, 210, 40 * at + 30), at + 1, 0.9) for at, label in enumerate(labels)
    ]
    return _running


def submit(served: Gateway, data: bytes, model: str = "PaddleOCR-VL-1.6", **fields: Any) -> httpx.Response:  # noqa: ANN401
    payload = fields.pop("payload", {})
    form = {"model": model, "optionalPayload": json.dumps(payload), **fields}
    return served.client.post(PATH, files={"file": ("document.pdf", data)}, data=form)


def read(served: Gateway, answer: httpx.Response) -> list[dict[str, Any]]:
    """The lines of a job's result."""
    assert answer.status_code == 200, answer.text
    job = answer.json()["data"]["jobId"]
    state: dict[str, Any] = {}

    def is_over() -> bool:
        state.update(served.client.get(f"{PATH}/{job}").json()["data"])
        return state["state"] in ("done", "failed")

    wait_until(is_over, "the job's end")
    assert state["state"] == "done", state
    # As clients do it: the URL as it is, and no key.
    lines = local_http.get(state["resultUrl"]["jsonUrl"])
    assert lines.status_code == 200, lines.text
    return [json.loads(line) for line in lines.text.split("\n") if line.strip()]


def test_a_document_is_read_as_by_layout_parsing(served: Gateway) -> None:
    data = pdf(2)
    (first, second) = read(served, submit(served, data))
    assert (first["errorCode"], first["errorMsg"]) == (0, "Success")
    page = first["result"]["layoutParsingResults"][0]
    assert page["markdown"]["text"].startswith("# line one line two")
    blocks = page["prunedResult"]["parsing_res_list"]
    assert [block["block_label"] for block in blocks] == ["doc_title", "image", "text"]
    assert all(isinstance(block["block_content"], str) for block in blocks)
    assert second["result"]["dataInfo"]["numPages"] == 2
    assert set(page["outputImages"]) == {"layout_det_res"}


def test_pictures_are_urls_that_need_no_key(served: Gateway, png: bytes) -> None:
    (line,) = read(served, submit(served, png))
    page = line["result"]["layoutParsingResults"][0]
    urls = [*page["markdown"]["images"].values(), *page["outputImages"].values(), page["inputImage"]]
    assert len(urls) == 3
    for url in urls:
        picture = local_http.get(url)
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert picture.content.startswith(b"\xff\xd8")
    assert all(key in page["markdown"]["text"] for key in page["markdown"]["images"])


def test_a_changed_link_is_refused(served: Gateway, png: bytes) -> None:
    (line,) = read(served, submit(served, png))
    url = line["result"]["layoutParsingResults"][0]["inputImage"]
    assert local_http.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    assert local_http.get(url.replace("input_img", "layout_det_res")).status_code == 403
    parts = urlsplit(url)
    assert local_http.get(f"{parts.scheme}://{parts.netloc}{parts.path}").status_code == 400


def test_page_ranges_and_payload_are_heeded(served: Gateway) -> None:
    answer = submit(served, pdf(3), pageRanges="2-3", payload={"visualize": False, "unknown": 1})
    lines = read(served, answer)
    assert len(lines) == 2
    assert "outputImages" not in lines[0]["result"]["layoutParsingResults"][0]


@pytest.mark.parametrize("model", ["PP-OCRv5", "PP-OCRv6"])
def test_line_models_give_lines_with_their_places(served: Gateway, model: str) -> None:
    served.engine.answer = lambda _request: Reply("a line")
    (line,) = read(served, submit(served, EXAMPLE.read_bytes(), model))
    result = line["result"]["ocrResults"][0]["prunedResult"]
    count = len(result["rec_texts"])
    assert count > 20
    assert set(result["rec_texts"]) == {"a line"}
    assert len(result["rec_boxes"]) == len(result["rec_scores"]) == count
    assert all(right > left and bottom > top for left, top, right, bottom in result["rec_boxes"])
    heights = sorted(bottom - top for _, top, _, bottom in result["rec_boxes"])
    assert heights[count // 2] < 60


def test_restructured_pages_come_as_one_document(served: Gateway) -> None:
    lines = read(served, submit(served, pdf(2), payload={"restructurePages": True, "relevelTitles": True}))
    ids = [
        block["block_id"]
        for line in lines
        for page in line["result"]["layoutParsingResults"]
        for block in page["prunedResult"]["parsing_res_list"]
    ]
    assert len(ids) == 6
    assert all("inputImage" in line["result"]["layoutParsingResults"][0] for line in lines)


def test_a_batch_of_any_size_is_shown(served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_LISTED_AT_ONCE", 2)
    made = [submit(served, png, batchId="large").json()["data"]["jobId"] for _ in range(5)]
    shown = served.client.get(f"{PATH}/batch/large").json()["data"]["extractResult"]
    assert [job["jobId"] for job in shown] == made


def test_a_batch_shows_its_jobs(served: Gateway, png: bytes) -> None:
    made = [submit(served, png, batchId="mine").json()["data"]["jobId"] for _ in range(2)]
    shown = served.client.get(f"{PATH}/batch/mine").json()["data"]["extractResult"]
    assert [job["jobId"] for job in shown] == made
    assert served.client.get(f"{PATH}/batch/other").status_code == 404


def test_failures_have_code_and_msg(served: Gateway, png: bytes) -> None:
    unknown = submit(served, png, "GPT")
    assert (unknown.status_code, unknown.json()["code"]) == (400, 400)
    assert "PaddleOCR-VL" in unknown.json()["msg"]
    missing = served.client.get(f"{PATH}/{'0' * 32}")
    assert (missing.status_code, missing.json()["code"]) == (404, 404)
    assert served.client.post(PATH, json={"model": "PaddleOCR-VL"}).status_code == 400
    assert served.client.post(PATH, content=b"[]", headers={"content-type": "application/json"}).status_code == 400
    assert submit(served, png, payload={"temperature": "hot"}).status_code == 400
    for payload in ("[" * 30_000, '{"a":' * 500 + "1" + "}" * 500, "{"):
        fields = {"model": "PaddleOCR-VL", "optionalPayload": payload}
        deep = served.client.post(PATH, files={"file": ("a.png", png)}, data=fields)
        assert (deep.status_code, deep.json()["code"]) == (400, 400), deep.text
    wrong = served.client.post(PATH, json={}, headers={"authorization": "bearer three"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, 401)


def test_a_broken_document_fails_in_words(served: Gateway) -> None:
    job = submit(served, b"%PDF-1.4 nothing").json()["data"]["jobId"]
    shown: dict[str, Any] = {}

    def is_over() -> bool:
        shown.update(served.client.get(f"{PATH}/{job}").json()["data"])
        return shown["state"] not in ("pending", "running")

    wait_until(is_over, "the job's end")
    assert shown["state"] == "failed"
    assert "PDF" in shown["errorMsg"]


def test_jobs_of_this_dialect_are_jobs_like_others(served: Gateway, png: bytes) -> None:
    answer = submit(served, png)
    read(served, answer)
    job = answer.json()["data"]["jobId"]
    result = served.client.get(f"/jobs/{job}/result", params={"format": "markdown"})
    assert result.status_code == 200
    assert result.text.startswith("# line one line two")
    other = served.client.get(f"{PATH}/{job}", headers={"authorization": "bearer two"})
    assert other.status_code == 404


def test_another_api_s_job_has_no_pages_in_these_words(served: Gateway, png: bytes) -> None:
    """Not even its state is shown: its result would lead nowhere."""
    form = {"batch": "both"}
    job = served.client.post("/jobs", files={"file": ("a.png", png)}, data=form).json()["id"]
    assert served.client.get(f"{PATH}/{job}").status_code == 404
    own = submit(served, png, batchId="both").json()["data"]["jobId"]
    shown = served.client.get(f"{PATH}/batch/both").json()["data"]["extractResult"]
    assert [one["jobId"] for one in shown] == [own]
