"""The engine through its HTTP API, with the official client, on crops of the example documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from rapidfuzz import fuzz

from tests.support import local_http
from tests.support.asgi import serving
from tests.support.examples import TruthBlock, load_truth
from tests.support.missing import needs_russian
from tests.support.ports import free_port
from tests.support.server import leave_when
from tests.support.waiting import wait_until
from tests.vlm_backend.embedded.conftest import data_url, pixels
from textlines.detection import Pixels
from vlm_backend.embedded.server import create_app
from vlm_backend.settings import Settings


def ask(client: OpenAI, crop: Pixels, prompt: str = "OCR:", **options: Any) -> ChatCompletion:  # noqa: ANN401
    answer: ChatCompletion = client.chat.completions.create(
        model=client.models.list().data[0].id, messages=messages(crop, prompt), **options
    )
    return answer


def messages(crop: Pixels, prompt: str = "OCR:") -> Any:  # noqa: ANN401 - the client's own union of dicts
    image = {"type": "image_url", "image_url": {"url": data_url(crop)}}
    return [{"role": "user", "content": [image, {"type": "text", "text": prompt}]}]


def block(name: str, label: str) -> TruthBlock:
    """The longest block of a kind on the first page of an example."""
    return max((b for b in load_truth()[name].pages[0].blocks if b.label == label), key=lambda b: len(b.text))


def text_of(answer: ChatCompletion) -> str:
    return answer.choices[0].message.content or ""


def crop_of(name: str, wanted: TruthBlock) -> Pixels:
    x1, y1, x2, y2 = wanted.bbox
    return pixels(name, (x1 - 4, y1 - 4, x2 + 4, y2 + 4))


@pytest.mark.parametrize(
    "name", ["article-en.png", "article-zh.png", pytest.param("article-ru.png", marks=needs_russian)]
)
def test_a_paragraph_is_read_with_its_line_breaks(client: OpenAI, name: str) -> None:
    wanted = block(name, "text")
    read = text_of(ask(client, crop_of(name, wanted)))
    assert fuzz.ratio(read.replace("\n", ""), wanted.text.replace(" ", "")) > 80
    line_height = 34 if "zh" in name else 30
    lines = (wanted.bbox[3] - wanted.bbox[1]) / line_height
    assert abs(len(read.splitlines()) - lines) <= 0.25 * lines + 1


def test_columns_of_a_whole_page_are_read_one_after_the_other(client: OpenAI) -> None:
    read = " ".join(text_of(ask(client, pixels("article-en.png"))).split())
    page = load_truth()["article-en.png"].pages[0]
    paragraphs = [b.text for b in page.blocks if b.label == "text" and len(b.text) > 100]
    places = [fuzz.partial_ratio_alignment(text[:60], read).dest_start for text in paragraphs]  # type: ignore[union-attr]
    assert places == sorted(places)


def test_confidence_travels_as_one_logprob_for_each_token(client: OpenAI) -> None:
    answer = ask(client, crop_of("article-en.png", block("article-en.png", "text")), logprobs=True)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == text_of(answer)
    assert bytes(byte for token in logprobs.content for byte in token.bytes or []).decode() == text_of(answer)
    assert 0.9 < math.exp(np.mean([token.logprob for token in logprobs.content])) <= 1
    assert answer.usage is not None
    assert answer.usage.completion_tokens == len(logprobs.content)


def test_a_blurred_crop_is_read_with_less_confidence(client: OpenAI) -> None:
    import cv2

    sharp = crop_of("article-en.png", block("article-en.png", "text"))
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3.2), dtype=np.uint8)

    def confidence(crop: Pixels) -> float:
        logprobs = ask(client, crop, logprobs=True).choices[0].logprobs
        values = [token.logprob for token in (logprobs.content if logprobs else None) or []]
        return math.exp(np.mean(values)) if values else 0.0

    assert confidence(blurred) < confidence(sharp)


def test_streaming_gives_the_same_text_in_pieces(client: OpenAI) -> None:
    crop = crop_of("article-en.png", block("article-en.png", "text"))
    whole = ask(client, crop)
    chunks = list(
        client.chat.completions.create(
            model=whole.model, messages=messages(crop), stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(pieces) == text_of(whole)
    assert len([piece for piece in pieces if piece]) > 1
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage


def test_max_tokens_cuts_and_says_so(client: OpenAI) -> None:
    crop = crop_of("article-en.png", block("article-en.png", "text"))
    cut = ask(client, crop, max_tokens=10)
    assert cut.choices[0].finish_reason == "length"
    assert text_of(ask(client, crop)).startswith(text_of(cut))
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 10


def test_a_crop_upside_down_is_read_all_the_same(client: OpenAI) -> None:
    wanted = block("article-en.png", "doc_title")
    turned = np.ascontiguousarray(crop_of("article-en.png", wanted)[::-1, ::-1])
    assert fuzz.ratio(text_of(ask(client, turned)), wanted.text) > 80


def test_an_empty_crop_gives_empty_text(client: OpenAI) -> None:
    answer = ask(client, np.full((120, 400, 3), 255, dtype=np.uint8), logprobs=True)
    assert text_of(answer) == ""
    assert answer.choices[0].finish_reason == "stop"


def test_the_model_is_not_called_paddleocr_vl(client: OpenAI) -> None:
    model = client.models.list().data[0]
    assert "vl" not in model.id.lower()
    assert model.owned_by == "paddleocr-vl-service"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": [{"role": "user", "content": "OCR:"}]}, "one image is needed"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_bad_request_is_a_400_in_openais_shape(engine_url: str, change: dict[str, Any], words: str) -> None:
    blank = messages(np.full((40, 40, 3), 255, dtype=np.uint8))
    answer = local_http.post(f"{engine_url}/v1/chat/completions", json={"messages": blank, **change})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA", "data:image/png;base64,%%%", "x"],
)
def test_a_picture_that_cant_be_read_is_a_400_and_nothing_is_fetched(engine_url: str, url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "OCR:"}]
    body = {"messages": [{"role": "user", "content": content}]}
    answer = local_http.post(f"{engine_url}/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "image" in answer.json()["error"]["message"]


def test_another_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-9", messages=messages(pixels("slide-en.png")))


def test_a_full_engine_says_so_and_serves_what_it_took(tmp_path: Path) -> None:
    settings = Settings(
        embedded_model_dir=tmp_path, embedded_queue=1, embedded_threads=1, embedded_download=False, _env_file=None
    )
    crop = data_url(pixels("article-en.png")[:600])
    content = [{"type": "image_url", "image_url": {"url": crop}}, {"type": "text", "text": "OCR:"}]
    body = {"messages": [{"role": "user", "content": content}]}
    with serving(create_app(settings), "127.0.0.1", free_port()) as url, ThreadPoolExecutor(24) as threads:
        wait_until(lambda: local_http.get(f"{url}/health").status_code == 200, "readiness")
        answers = list(threads.map(lambda _: local_http.post(f"{url}/v1/chat/completions", json=body), range(24)))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.json()["choices"][0]["message"]["content"] for answer in answers if answer.status_code == 200)
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["error"]["type"] == "ServiceUnavailableError"
    assert "Retry-After" in refused.headers


def test_a_client_that_leaves_frees_the_engine(tmp_path: Path) -> None:
    settings = Settings(embedded_model_dir=tmp_path, embedded_threads=1, embedded_download=False, _env_file=None)
    content = [{"type": "image_url", "image_url": {"url": data_url(np.vstack([pixels("article-en.png")] * 4))}}]
    body = {"messages": [{"role": "user", "content": [*content, {"type": "text", "text": "OCR:"}]}]}
    with serving(create_app(settings), "127.0.0.1", free_port()) as url:
        wait_until(lambda: local_http.get(f"{url}/health").status_code == 200, "readiness")
        leave_when(lambda: metric(url, "embedded_requests_running") == 1, f"{url}/v1/chat/completions", json=body)
        wait_until(lambda: metric(url, "embedded_requests_running") == 0, "the end of the work")
        assert metric(url, 'embedded_requests_total{outcome="cancelled"}') == 1
        assert metric(url, 'embedded_requests_total{outcome="served"}') == 0


def metric(url: str, name: str) -> float:
    lines = local_http.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def placed_lines(client: OpenAI, crop: Pixels, prompt: str = "OCR:") -> list[dict[str, Any]]:
    answer = ask(client, crop, prompt, extra_body={"return_lines": True, "return_words": True})
    lines: list[dict[str, Any]] = (answer.choices[0].message.model_extra or {})["lines"]
    return lines


def shown_part(crop: Pixels, box: Sequence[float]) -> Pixels:
    x1, y1, x2, y2 = (round(side) for side in box)
    return crop[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1]


def test_lines_come_with_the_places_of_their_words(client: OpenAI) -> None:
    """All ink lies in the words' boxes, and the boxes hold no paper around it."""
    crop = crop_of("article-en.png", block("article-en.png", "text"))
    answer = ask(client, crop, extra_body={"return_lines": True})
    lines = placed_lines(client, crop)
    assert "\n".join(line["text"] for line in lines) == text_of(answer)
    assert all(" ".join(word["text"] for word in line["words"]) == line["text"] for line in lines)
    left = crop.copy()
    for word in (word for line in lines for word in line["words"]):
        assert word["confidence"] > 0.5
        x1, y1, x2, y2 = word["bbox"]
        assert x2 - x1 < 1.2 * (y2 - y1) * (1 + len(word["text"]))
        assert shown_part(crop, word["bbox"]).min() < 100
        shown_part(left, word["bbox"])[:] = 255
    assert (left < 100).sum() < 0.02 * (crop < 100).sum()


def test_words_of_a_turned_crop_stand_where_they_are_printed(client: OpenAI) -> None:
    """A crop that stands on its head has the same words at the places that it was turned to."""
    crop = crop_of("article-en.png", block("article-en.png", "text"))
    height, width = crop.shape[:2]
    upright = {word["text"]: word["bbox"] for line in placed_lines(client, crop) for word in line["words"]}
    turned = {
        word["text"]: word["bbox"]
        for line in placed_lines(client, np.ascontiguousarray(crop[::-1, ::-1]))
        for word in line["words"]
    }
    longest = sorted(set(upright) & set(turned), key=len)[-5:]
    assert len(longest) == 5
    for text in longest:
        x1, y1, x2, y2 = upright[text]
        assert turned[text] == pytest.approx((width - x2, height - y2, width - x1, height - y1), abs=4), text


def test_lines_of_a_table_stand_cell_by_cell(client: OpenAI) -> None:
    wanted = block("table-en.png", "table")
    lines = placed_lines(client, crop_of("table-en.png", wanted), "Table Recognition:")
    texts = [line["text"] for line in lines]
    assert texts[:4] == ["Route", "Vessel", "Summer", "Winter"]
    places = {line["text"]: line["bbox"] for line in lines}
    assert places["Summer"][0] < places["Winter"][0]
    assert abs(places["Aurora"][0] - places["Gannet"][0]) < 5


def test_cells_of_a_table_hold_their_lines(client: OpenAI) -> None:
    wanted = block("table-en.png", "table")
    crop = crop_of("table-en.png", wanted)
    message = ask(client, crop, "Table Recognition:", extra_body={"return_lines": True}).choices[0].message
    extra = message.model_extra or {}
    places = {(cell["row"], cell["column"]): cell["bbox"] for cell in extra["cells"]}
    assert len(places) == sum((message.content or "").count(tag) for tag in ("<fcel>", "<ecel>"))
    first, second = (
        next(line["bbox"] for line in extra["lines"] if line["text"] == text) for text in ("Route", "Vessel")
    )
    for line, (x1, y1, x2, y2) in ((first, places[0, 0]), (second, places[0, 1])):
        assert x1 <= (line[0] + line[2]) / 2 <= x2
        assert y1 <= (line[1] + line[3]) / 2 <= y2
    assert all(0 <= x1 < x2 <= crop.shape[1] and 0 <= y1 < y2 <= crop.shape[0] for x1, y1, x2, y2 in places.values())
    assert "cells" not in (ask(client, crop, "Table Recognition:").choices[0].message.model_extra or {})


def test_lines_are_told_to_who_asks_alone(client: OpenAI) -> None:
    crop = crop_of("article-en.png", block("article-en.png", "doc_title"))
    for extra in ({}, {"return_words": True}):
        assert "lines" not in (ask(client, crop, extra_body=extra).choices[0].message.model_extra or {})
    lines = (ask(client, crop, extra_body={"return_lines": True}).choices[0].message.model_extra or {})["lines"]
    for line, placed in zip(lines, placed_lines(client, crop), strict=True):
        assert (line["text"], line["words"]) == (placed["text"], [])
        assert line["bbox"] == pytest.approx(placed["bbox"], abs=30)
    cut = ask(client, crop, max_tokens=5, extra_body={"return_lines": True})
    assert "lines" not in (cut.choices[0].message.model_extra or {})
