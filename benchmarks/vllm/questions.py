"""What vLLM is asked in a benchmark: pictures that the gateway's own code cut, each with its prompt."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.samples import has_omnidocbench, omnidocbench
from benchmarks.scoring import TEXTUAL
from gateway.model import OcrOptions, Pixels, Region
from gateway.recognition.crops import Crop, crop_of, cut_crop
from gateway.recognition.tasks import MAX_TOKENS, RegionTask, task_for
from tests.support.examples import load_truth

BYTES_A_TOKEN = 4
"""UTF-8 of one token of a vocabulary as large as PaddleOCR-VL's, about: a short word, or one to two Chinese letters."""


@dataclass(frozen=True, slots=True)
class Question:
    """`answer` is what must come, None where nobody knows."""

    crop: Crop
    prompt: str
    max_tokens: int = MAX_TOKENS
    answer: str | None = None

    @property
    def task(self) -> RegionTask:
        return RegionTask(prompt=self.prompt, max_tokens=self.max_tokens)


@cache
def request_body(question: Question, model: str, *, logprobs: bool) -> bytes:
    """The chat request as the gateway's region calls make it: JSON, made once, so that a client need only send it."""
    picture = "data:image/png;base64," + base64.b64encode(question.crop.png).decode("ascii")
    content = [
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "text", "text": question.prompt},
    ]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.0,
        "max_completion_tokens": question.max_tokens,
        "logprobs": logprobs,
        "skip_special_tokens": True,
    }
    return json.dumps(body).encode()


def repeated(questions: list[Question], calls: int) -> list[Question]:
    return list(islice(cycle(questions), calls))


def taught(folder: Path) -> list[Question]:
    """What the tiny checkpoint was taught to read, from `lessons.json`: the crops of the bundled examples."""
    return [
        Question(_crop(Path(lesson["picture"])), lesson["prompt"], answer=lesson["answer"])
        for lesson in _lessons(folder)
        if lesson["ends"]
    ]


def endless(folder: Path, tokens: int) -> list[Question]:
    """The one lesson whose answer has no end, cut off after so many tokens."""
    return [
        Question(_crop(Path(lesson["picture"])), lesson["prompt"], tokens)
        for lesson in _lessons(folder)
        if not lesson["ends"]
    ]


def full_size(calls: int) -> list[Question]:
    """Regions of the bundled examples and, where they are, of the OmniDocBench samples, with a limit of tokens that
    is about the length of what stands there; the same ones each time."""
    found = [*_of_examples(), *(_of_samples() if has_omnidocbench() else ())]
    return repeated(random.Random(0).sample(found, len(found)), calls)


def about_tokens(text: str, cells: int = 0) -> int:
    """Tokens of a text, roughly; a table has one more for each cell."""
    return max(1, math.ceil(len(text.encode()) / BYTES_A_TOKEN)) + cells


def _lessons(folder: Path) -> list[dict[str, str]]:
    lessons: list[dict[str, str]] = json.loads((folder / "lessons.json").read_text(encoding="utf-8"))
    return lessons


def _crop(picture: Path) -> Crop:
    png = picture.read_bytes()
    with Image.open(io.BytesIO(png)) as image:
        return crop_of(png, image.width, image.height)


def _of_examples() -> Iterator[Question]:
    for file in load_truth().values():
        if not file.media_type.startswith("image/"):
            continue
        page = _pixels(file.path)
        for block in file.pages[0].blocks:
            yield from _of_region(
                page, Region(block.label, block.bbox, order=1), about_tokens(block.text, len(block.cells))
            )


def _of_samples() -> Iterator[Question]:
    labels = dict.fromkeys(TEXTUAL, "text") | {"table": "table", "equation_isolated": "display_formula"}
    for file, page in zip(*omnidocbench(), strict=True):
        pixels = _pixels(file)
        for block in page["layout_dets"]:
            if block["category_type"] in labels and not block.get("ignore"):
                corners = [round(number) for number in block["poly"]]
                box = (min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2]))
                html = block.get("html") or ""
                text = re.sub("<[^>]+>", "", html) or block.get("text") or block.get("latex") or ""
                region = Region(labels[block["category_type"]], box, order=1)
                yield from _of_region(pixels, region, about_tokens(text, html.count("<td")))


def _of_region(page: Pixels, region: Region, tokens: int) -> Iterator[Question]:
    if task := task_for(region.label, OcrOptions()):
        yield Question(cut_crop(page, region, task, fit=True), task.prompt, min(tokens, MAX_TOKENS))


def _pixels(file: Path) -> Pixels:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
