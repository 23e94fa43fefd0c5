"""`include=html` and `include=page_image`: what programs need to show a page to people."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.support.answers import events_of
from tests.support.pages import script_page
from tests.support.server import Gateway
from tests.support.stub_engine import Reply


def first_page(served: Gateway, data: bytes, **options: str) -> tuple[dict[str, Any], dict[str, str]]:
    answer = served.read(data, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["pages"][0], answer.json()["images"]


def picture_of(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def colourful(width: int, height: int) -> bytes:
    """A page whose left half is red."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[:, : width // 2] = (255, 0, 0)
    data = BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def test_page_image_is_what_boxes_refer_to(served: Gateway) -> None:
    page, images = first_page(served, colourful(500, 300), include="page_image")
    picture = picture_of(base64.b64decode(images[page["image"]]))
    assert picture.size == (page["width"], page["height"]) == (500, 300)
    assert np.allclose(np.asarray(picture)[150, 100], (255, 0, 0), atol=12)
    assert np.allclose(np.asarray(picture)[150, 400], (255, 255, 255), atol=12)


def test_large_pages_are_scaled_down(served: Gateway) -> None:
    page, images = first_page(served, colourful(3000, 300), include="page_image")
    assert (page["width"], page["height"]) == (3000, 300)
    assert picture_of(base64.b64decode(images[page["image"]])).size == (2400, 240)


def test_page_image_only_where_it_is_asked_for(served: Gateway, png: bytes) -> None:
    for options in ({}, {"include": "lines"}, {"include": "page_image", "images": "none"}):
        page, images = first_page(served, png, **options)
        assert (page["image"], images) == (None, {})


def test_page_image_by_url(served: Gateway, png: bytes) -> None:
    page, images = first_page(served, png, include="page_image", images="stored")
    answer = served.client.get(images[page["image"]])
    assert picture_of(answer.content).size == (400, 300)


def test_blocks_as_html(served: Gateway, png: bytes) -> None:
    script_page(served)
    page, images = first_page(served, png, include="html")
    blocks = {block["label"]: block["html"] for block in page["blocks"]}
    assert blocks["doc_title"] == "<h1>A title</h1>"
    assert blocks["header"] == "<p>Running head</p>", "though Markdown leaves it out"
    assert blocks["table"].count("<td") == 7
    assert blocks["display_formula"].count("<math") == 1
    assert "<msup><mi>c</mi><mn>2</mn></msup>" in blocks["display_formula"]
    assert f'src="{next(iter(images))}"' in blocks["image"]
    assert not any("style" in html for html in blocks.values())


def test_html_in_a_stream(served: Gateway, png: bytes) -> None:
    events = events_of(served.read(png, include="html,page_image", stream="true").text)
    page = dict(events)["page"]
    assert [block["html"] for block in page["blocks"]] == ["<p>line one line two</p>"] * 2
    assert list(page["images"]) == [page["image"]]


def test_html_of_a_hostile_reading(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(
        r"<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1))"
        r" $\href{javascript:alert(1)}{y}$"
        r" $\text{<script>}$"
    )
    page, _ = first_page(served, png, include="html")
    html = page["blocks"][0]["html"]
    assert "&lt;script" in html
    assert not any(bad in html for bad in ("<script", "<img", "<a", "href=", "onerror=alert(1)>"))


def test_whole_answers_hold_restructured_html(served: Gateway, tiff: bytes) -> None:
    answer = served.read(tiff, include="html,page_image", relevel_titles="true").json()
    assert [page["blocks"][0]["html"] for page in answer["pages"]] == ["<p>line one line two</p>"] * 3
    assert [page["image"] in answer["images"] for page in answer["pages"]] == [True] * 3


def test_html_changes_no_other_format(served: Gateway, png: bytes) -> None:
    plain = served.read(png, format="markdown", images="inline")
    asked = served.read(png, format="markdown", images="inline", include="html,page_image")
    assert asked.text == plain.text
