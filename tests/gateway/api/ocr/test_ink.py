"""What clients are told of the text that a reading lacks, over a real socket; the engine reads what a test says."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.model import Region
from tests.support.script_pages import FONT
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine

WORDS = ["The reading room was open", "on three hundred days", "and quiet in the evening"]
PITCH, LEFT, TOP = 50, 40, 40
REGION = Region("text", (30, 30, 480, 190), 1, score=0.9)
Box = tuple[int, int, int, int]
LINES: list[Box] = [(LEFT, TOP + PITCH * row, 430, TOP + PITCH * row + 34) for row in range(3)]


@pytest.fixture(scope="module")
def page() -> bytes:
    image = Image.new("RGB", (500, 400), "white")
    for row, words in enumerate(WORDS):
        ImageDraw.Draw(image).text((LEFT, TOP + PITCH * row), words, font=ImageFont.truetype(FONT, 28), fill="black")
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), engine=StubEngine(kind="embedded")) as running:
        yield running


@pytest.fixture
def read(served: Gateway) -> Gateway:
    served.layout.regions, served.layout.lines = [REGION], LINES
    return served


def answer_lines(read: Gateway, rows: list[int]) -> None:
    """Has the engine read these lines of the region, with their places in its crop."""
    x, y = REGION.bbox[:2]
    lines = [
        {"text": WORDS[row], "bbox": [x1 - x, y1 - y, x2 - x, y2 - y], "confidence": 0.9}
        for row in rows
        for x1, y1, x2, y2 in [LINES[row]]
    ]
    message = {"role": "assistant", "content": "\n".join(WORDS[row] for row in rows), "lines": lines}
    answer = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    read.engine.answer = lambda _request: Reply(raw=json.dumps(answer))


def read_page(read: Gateway, page: bytes, **options: str) -> dict[str, Any]:
    answer = read.read(page, **options)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_a_page_that_was_read_whole(read: Gateway, page: bytes) -> None:
    answer_lines(read, [0, 1, 2])
    result = read_page(read, page)
    assert (result["status"], result["warnings"]) == ("ok", [])
    assert result["usage"]["ink"] > 1000
    assert result["usage"]["ink_read"] == 1.0
    assert result["pages"][0]["usage"] == result["usage"]


def test_a_line_that_the_engine_leaves_out(read: Gateway, page: bytes) -> None:
    answer_lines(read, [0, 2])
    result = read_page(read, page)
    assert result["status"] == "partial"
    assert result["usage"]["ink_read"] == pytest.approx(2 / 3, abs=0.08)
    [warning] = result["warnings"]
    assert "a line of text at (" in warning
    assert "not in what was read of it" in warning
    x1, y1, x2, y2 = map(int, warning.split("at (")[1].split(")")[0].split(","))
    assert (y1, y2) == pytest.approx((TOP + PITCH, TOP + PITCH + 34), abs=10)
    assert x1 < 60 < 350 < x2


def test_where_the_layout_tells_no_lines_much_has_to_be_missing(read: Gateway, page: bytes) -> None:
    read.layout.lines = None
    answer_lines(read, [0, 2])
    little = read_page(read, page)
    assert (little["status"], little["warnings"]) == ("ok", [])
    assert little["usage"]["ink_read"] == pytest.approx(2 / 3, abs=0.08)
    answer_lines(read, [0])
    much = read_page(read, page)
    assert much["status"] == "partial"
    assert "2 lines of text at (" in much["warnings"][0]


def test_the_end_of_a_stream_tells_the_share(read: Gateway, page: bytes) -> None:
    answer_lines(read, [0])
    events = read.read(page, stream="true").text
    done = next(part for part in events.split("\n\n") if part.startswith("event: done"))
    assert json.loads(done.split("data: ", 1)[1])["usage"]["ink_read"] == pytest.approx(1 / 3, abs=0.08)


def test_pages_read_as_a_whole_are_not_measured(read: Gateway, page: bytes) -> None:
    answer_lines(read, [0])
    result = read_page(read, page, task="text")
    assert (result["status"], result["usage"]["ink_read"]) == ("ok", None)


def test_paddlex_clients_get_the_warning_alone(read: Gateway, page: bytes) -> None:
    answer_lines(read, [0])
    sent = {"file": base64.b64encode(page).decode(), "fileType": 1}
    answer = read.client.post("/layout-parsing", json=sent)
    result = answer.json()["result"]
    assert "2 lines of text at (" in result["warnings"][0]
    assert "ink_read" not in answer.text
