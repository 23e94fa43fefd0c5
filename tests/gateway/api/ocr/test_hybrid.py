"""`recognition=hybrid` over a real socket, with a scripted VLM and the real embedded engine beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.model import Region
from tests.gateway.api.jobs.test_routes import end_of
from tests.support.answers import assert_problem
from tests.support.asgi import serving
from tests.support.ports import free_port
from tests.support.script_pages import FONT
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import wait_until
from vlm_backend.embedded.server import create_app
from vlm_backend.settings import Settings

PROSE = ["The reading room was open on three hundred days,", "and crews of many ships came up the stairs."]
FORMULA = ["So the sum of both is a + b = 12 for all of them."]
TOPS = (40, 240, 400)
REGIONS = [
    Region("text", (20, 30, 880, 140), 1, 0.9),
    Region("text", (20, 230, 880, 290), 2, 0.9),
    Region("table", (20, 390, 880, 460), 3, 0.9),
]


@pytest.fixture(scope="module")
def page() -> bytes:
    image = Image.new("RGB", (900, 600), "white")
    font, draw = ImageFont.truetype(FONT, 30), ImageDraw.Draw(image)
    for top, lines in zip(TOPS, (PROSE, FORMULA, ["one two"]), strict=True):
        for row, line in enumerate(lines):
            draw.text((40, top + 44 * row), line, font=font, fill="black")
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    port = free_port()
    engine = Settings(embedded_model_dir=tmp_path_factory.mktemp("models"), embedded_download=False, _env_file=None)
    with (
        serving(create_app(engine), "127.0.0.1", port),
        gateway(tmp_path_factory.mktemp("gateway"), engine=StubEngine(kind="vllm"), line_reader_port=port) as running,
    ):
        wait_until(lambda: line_reader(running)["state"] == "ready", "the embedded engine")
        yield running


@pytest.fixture
def two_readers(served: Gateway) -> Gateway:
    served.layout.regions = REGIONS
    served.engine.answer = lambda _request: Reply("read by the VLM")
    return served


def line_reader(served: Gateway) -> Any:  # noqa: ANN401 - JSON
    return served.client.get("/health").json()["line_reader"]


def test_each_block_says_who_read_it(two_readers: Gateway, page: bytes) -> None:
    answer = two_readers.read(page, recognition="hybrid", include="lines").json()
    prose, formula, table = answer["pages"][0]["blocks"]
    assert (prose["engine"], prose["content"].split("\n")) == ("embedded", PROSE)
    assert [line["source"] for line in prose["lines"]] == ["engine", "engine"]
    assert (formula["engine"], formula["content"]) == ("vllm", "read by the VLM")
    assert (table["engine"], table["content"]) == ("vllm", "read by the VLM")
    assert (answer["usage"]["regions"], answer["usage"]["line_reader_calls"]) == (2, 2)
    assert sorted(two_readers.engine.prompts) == ["OCR:", "Table Recognition:"]
    assert answer["status"] == "ok"


def test_text_is_easy_where_the_layout_tells_no_lines(two_readers: Gateway, page: bytes) -> None:
    two_readers.layout.lines = None
    answer = two_readers.read(page, recognition="hybrid").json()
    assert [block["engine"] for block in answer["pages"][0]["blocks"]] == ["embedded", "vllm", "vllm"]


def test_the_vlm_reads_all_by_default(two_readers: Gateway, page: bytes) -> None:
    answer = two_readers.read(page).json()
    assert {block["engine"] for block in answer["pages"][0]["blocks"]} == {"vllm"}
    assert (answer["usage"]["regions"], answer["usage"]["line_reader_calls"]) == (3, 0)


def test_the_service_tells_of_both_engines(two_readers: Gateway) -> None:
    told = two_readers.client.get("/v1/capabilities").json()
    assert (told["engine"]["kind"], told["line_reader"]["kind"]) == ("vllm", "embedded")
    assert "Latin" in told["line_reader"]["scripts"]
    metrics = two_readers.client.get("/metrics").text
    assert "ocr_line_reader_ready 1.0" in metrics


def test_calls_and_readings_taken_are_counted(two_readers: Gateway, page: bytes) -> None:
    before = counters(two_readers)
    two_readers.read(page, recognition="hybrid")
    calls, taken = (now - then for now, then in zip(counters(two_readers), before, strict=True))
    assert (calls, taken) == (2, 1)


def counters(served: Gateway) -> tuple[float, float]:
    values = dict(line.split() for line in served.client.get("/metrics").text.splitlines() if line[0] != "#")
    return float(values["ocr_line_reader_calls_total"]), float(values["ocr_line_reader_taken_total"])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("alone"), engine=StubEngine(kind="vllm"), jobs=True) as running:
        yield running


def test_hybrid_is_refused_in_words_without_an_embedded_engine(alone: Gateway, png: bytes) -> None:
    problem = assert_problem(alone.read(png, recognition="hybrid"), 422, "hybrid_unavailable")
    assert "LINE_READER_PORT" in problem["detail"]
    job = alone.client.post("/jobs", files={"file": ("a.png", png)}, data={"recognition": "hybrid"})
    assert_problem(job, 422, "hybrid_unavailable")
    assert alone.client.get("/v1/capabilities").json()["line_reader"] is None


def test_an_accepted_job_is_read_by_one_engine_where_the_other_is_gone(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, engine=StubEngine(kind="vllm"), jobs=True, line_reader_port=free_port()) as first:
        first.engine.answer = lambda _request: Reply("late", delay_s=3600)
        sent = first.client.post("/jobs", files={"file": ("a.png", png)}, data={"recognition": "hybrid"})
        assert sent.status_code == 202
    with gateway(tmp_path, engine=StubEngine(kind="vllm"), jobs=True) as second:
        ended = end_of(second, sent.json())
        result = second.client.get(f"/jobs/{ended['id']}/result").json()
    assert (ended["state"], result["status"]) == ("done", "ok")
    assert {block["engine"] for block in result["pages"][0]["blocks"]} == {"vllm"}
    assert any("LINE_READER_PORT" in warning for warning in result["warnings"])


def test_hybrid_is_refused_in_paddlex_words_too(alone: Gateway, png: bytes) -> None:
    body = {"file": base64.b64encode(png).decode(), "fileType": 1, "recognition": "hybrid"}
    answer = alone.client.post("/layout-parsing", json=body)
    assert answer.status_code == 422
    assert "recognition=hybrid" in answer.json()["errorMsg"]
