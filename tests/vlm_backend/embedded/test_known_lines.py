"""Text lines that whoever asks has found already are read as they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from openai import BadRequestError, OpenAI
from PIL import Image, ImageDraw, ImageFont

from tests.vlm_backend.embedded.test_server import ask, text_of
from textlines.detection import Pixels

TEXTS = ("Harbour dues are paid", "before the tide turns")


@pytest.fixture(scope="module")
def crop() -> Pixels:
    image = Image.new("RGB", (500, 140), "white")
    for row, text in enumerate(TEXTS):
        ImageDraw.Draw(image).text((20, 20 + 60 * row), text, fill="black", font=ImageFont.load_default(32))
    return np.asarray(image)


def line(x1: float, y1: float, x2: float, y2: float) -> dict[str, Any]:
    return {"corners": [x1, y1, x2, y1, x2, y2, x1, y2]}


def read(client: OpenAI, crop: Pixels, *lines: dict[str, Any]) -> str:
    return text_of(ask(client, crop, extra_body={"text_lines": list(lines)}))


def test_the_lines_that_are_told_are_read_and_no_others(client: OpenAI, crop: Pixels) -> None:
    assert read(client, crop, line(15, 15, 480, 65)) == TEXTS[0]
    assert read(client, crop, line(15, 75, 480, 125), line(15, 15, 480, 65)) == "\n".join(TEXTS)


def test_a_line_beyond_the_picture_ends_at_its_edge(client: OpenAI, crop: Pixels) -> None:
    assert read(client, crop, line(-1e9, 15, 1e9, 65)) == TEXTS[0]


def test_lines_that_lie_outside_are_none(client: OpenAI, crop: Pixels) -> None:
    assert read(client, crop, line(900, 15, 1200, 65), line(15, 15, 480, 65)) == TEXTS[0]


@pytest.mark.parametrize("corners", [[1, 2, 3], ["x"] * 8, [0, 0, 10, 0, 10, "inf", 0, 10]])
def test_corners_that_are_none_are_refused(client: OpenAI, crop: Pixels, corners: list[Any]) -> None:
    with pytest.raises(BadRequestError, match="text_lines"):
        ask(
            client,
            crop,
            extra_body={"text_lines": [{"corners": corners}]},
        )


def test_lines_tell_of_their_least_sure_letter_and_of_what_held_no_text(client: OpenAI, crop: Pixels) -> None:
    empty = line(300, 90, 480, 130)
    told = [line(15, 15, 480, 65), empty]
    crop = crop.copy()
    crop[70:] = 255
    answer = ask(client, crop, extra_body={"text_lines": told, "return_lines": True})
    message = answer.choices[0].message.model_dump()
    [read] = message["lines"]
    assert 0 < read["least_confidence"] <= read["confidence"] <= 1
    assert message["noise"] == 1
