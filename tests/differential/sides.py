"""The two pipelines, each asked about the same case: PaddleX's in its own interpreter, ours behind its gateway."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from gateway.layout.pp_doclayout.postprocess import LABELS, build_page_layout
from gateway.model import PageImage, PageLayout
from gateway.reading_options import LayoutOptions
from tests.differential.cases import Case, Sheet
from tests.differential.recording import Call, Recorder
from tests.support.fakes import FakeLayout
from tests.support.server import gateway
from tests.support.waiting import WAIT_S

FOLDER = Path(__file__).parent
PREDICT = {
    "useLayoutDetection": "use_layout_detection",
    "useChartRecognition": "use_chart_recognition",
    "useSealRecognition": "use_seal_recognition",
    "useOcrForImageBlock": "use_ocr_for_image_block",
    "layoutShapeMode": "layout_shape_mode",
    "promptLabel": "prompt_label",
    "formatBlockContent": "format_block_content",
    "repetitionPenalty": "repetition_penalty",
    "temperature": "temperature",
    "topP": "top_p",
    "minPixels": "min_pixels",
    "maxPixels": "max_pixels",
    "maxNewTokens": "max_new_tokens",
    "mergeLayoutBlocks": "merge_layout_blocks",
    "markdownIgnoreLabels": "markdown_ignore_labels",
}
MARKDOWN = {"prettifyMarkdown": "pretty", "showFormulaNumber": "show_formula_number"}
RESTRUCTURE = {"mergeTables": "merge_tables", "relevelTitles": "relevel_titles"}
"""Fields of the request to arguments of paddlex's methods, as its serving passes them on."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer: the blocks and boxes as JSON, the Markdown, and the keys of its pictures."""

    pruned: dict[str, Any]
    markdown: str
    images: list[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side called for and answered; `error` where it failed."""

    calls: Sequence[Call]
    pages: Sequence[Page] = ()
    error: str | None = None


@contextmanager
def official(python: Path, recorder: Recorder) -> Iterator[subprocess.Popen[str]]:
    names = {**os.environ, "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True", "NO_PROXY": "127.0.0.1"}
    command = [str(python), str(FOLDER / "official.py"), recorder.engine.base_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=names
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def ask_official(child: subprocess.Popen[str], recorder: Recorder, case: Case, folder: Path) -> Outcome:
    """`folder` takes the pages' files."""
    assert child.stdin
    assert child.stdout
    recorder.begin(case)
    child.stdin.write(json.dumps(_document(case, folder)) + "\n")
    child.stdin.flush()
    answer = json.loads(child.stdout.readline())
    pages = [Page(**page) for page in answer.get("pages", [])]
    return Outcome(recorder.calls(), pages, answer.get("error"))


@dataclass
class RecordedLayout(FakeLayout):
    """The layout network's output given, with our own rules for what to make of it."""

    sheets: Sequence[Sheet] = field(default_factory=tuple)

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        sheet = self.sheets[page.number - 1]
        rows = np.array(sheet.rows, dtype=np.float32).reshape(-1, 7)
        return build_page_layout(rows, sheet.masks, (page.width, page.height), options)


@contextmanager
def ours(recorder: Recorder, folder: Path) -> Iterator[tuple[httpx.Client, RecordedLayout]]:
    layout = RecordedLayout()
    with gateway(folder, engine=recorder.engine, vlm_warm_up=False, max_upload_mb=300) as running:
        running.service.parts = replace(running.service.parts, layout=layout)
        yield running.client, layout


def ask_ours(client: httpx.Client, layout: RecordedLayout, recorder: Recorder, case: Case) -> Outcome:
    layout.sheets = case.sheets
    recorder.begin(case)
    body = {"file": base64.b64encode(_file(case)).decode(), "visualize": False, **case.fields}
    answer = client.post("/layout-parsing", json=body, timeout=WAIT_S).json()
    if answer["errorCode"]:
        return Outcome(recorder.calls(), error=answer["errorMsg"])
    found = answer["result"]["layoutParsingResults"]
    pages = [
        Page(one["prunedResult"], one["markdown"]["text"], sorted(one["markdown"].get("images", {}))) for one in found
    ]
    return Outcome(recorder.calls(), pages)


def _document(case: Case, folder: Path) -> dict[str, Any]:
    stem = "".join(filter(str.isalnum, case.name))
    files = [folder / f"{stem}-{number}.png" for number in range(len(case.sheets))]
    masks = [folder / f"{stem}-{number}.npy" for number in range(len(case.sheets))]
    for sheet, file, mask_file in zip(case.sheets, files, masks, strict=True):
        Image.fromarray(sheet.pixels).save(file, compress_level=1)
        np.save(mask_file, sheet.masks)
    is_restructured = case.fields.get("restructurePages")
    return {
        "pages": [str(file) for file in files],
        "rows": [sheet.rows for sheet in case.sheets],
        "masks": [str(file) for file in masks],
        "labels": LABELS,
        "predict": _arguments(case.fields, PREDICT),
        "markdown": _arguments(case.fields, MARKDOWN),
        "restructure": _arguments(case.fields, RESTRUCTURE) if is_restructured else None,
    }


def _arguments(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in fields.items() if name in names}


def _file(case: Case) -> bytes:
    """The pages without loss: a PNG, or a TIFF where there are several."""
    images = [Image.fromarray(sheet.pixels) for sheet in case.sheets]
    data = BytesIO()
    if len(images) == 1:
        images[0].save(data, "PNG", compress_level=1)
    else:
        images[0].save(data, "TIFF", save_all=True, append_images=images[1:])
    return data.getvalue()
