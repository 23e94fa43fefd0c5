"""A document in MinerU's words, made page by page: Markdown, the list of its contents, pictures, or all as a zip."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePath
from typing import Any

from gateway import __version__
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.mineru.schema import BACKEND, FileResult, ParseAnswer, ParseOptions
from gateway.api.ocr.responses import status_headers
from gateway.assembly.items import Item, body_blocks, make_items
from gateway.assembly.markdown import page_markdown
from gateway.assembly.page import picture_keys
from gateway.assembly.render import replace_pictures
from gateway.assembly.restructure import combine_statuses
from gateway.intake.document import clean_name
from gateway.model import DocumentStatus, PageResult
from gateway.reading_options import OcrOptions
from gateway.recognized_page import picture_url

_FOLDER = "images/"
_SCALE = 1000
_OPTIONS = OcrOptions(ignore_labels=frozenset())
_TYPES: Mapping[str, str] = {
    "picture": "image",
    "table": "table",
    "formula": "equation",
    "code": "code",
    "list": "list",
    "page_header": "header",
    "page_footer": "footer",
    "footnote": "page_footnote",
    "reference": "ref_text",
}


class AnswerWriter:
    """A document as far as it was read."""

    def __init__(self, options: ParseOptions, name: str) -> None:
        self._options = options
        self._stem = PurePath(clean_name(name)).stem
        self._pages: list[str] = []
        self._contents: list[dict[str, Any]] = []
        self._pictures: dict[str, bytes] = {}
        self._warnings: list[str] = []
        self._statuses: set[DocumentStatus] = set()

    def add(self, page: PageResult, pictures: Mapping[str, bytes]) -> None:
        """The next page. `pictures`: JPEG by key in the Markdown. Milliseconds of CPU."""
        self._warnings += page.warnings
        self._statuses.add(page.status)
        keys = picture_keys(page.page, page.blocks, _OPTIONS)
        names = {key: _FOLDER + PurePath(key).name for key in (*keys.values(), *pictures)}
        self._pictures.update({names[key]: picture for key, picture in pictures.items()})
        if self._options.return_md:
            shown = page_markdown(body_blocks(page), keys, page.width, pretty=False)
            self._pages.append(replace_pictures(shown, {key: f"![]({name})" for key, name in names.items()}))
        if self._options.return_content_list:
            paths = {block: names[key] for block, key in keys.items()}
            self._contents += [_content(item, page, paths) for item in make_items(page.blocks)]

    def response(self, task: Mapping[str, Any] | None = None) -> ChunkedResponse:
        """`task`: what a task's answer says besides."""
        told = status_headers(combine_statuses(self._statuses), self._warnings)
        if self._options.response_format_zip:
            return ChunkedResponse([self._zip()], {"Content-Type": "application/zip", **told})
        result = FileResult()
        if self._options.return_md:
            result.md_content = self._markdown
        if self._options.return_content_list:
            result.content_list = self._content_list
        if self._options.return_images:
            result.images = {PurePath(name).name: picture_url(picture) for name, picture in self._pictures.items()}
        answer = ParseAnswer(version=__version__, results={self._stem: result})
        body = json.dumps({**(task or {}), **answer.model_dump(exclude_none=True)}, ensure_ascii=False)
        return ChunkedResponse([body.encode()], {"Content-Type": "application/json", **told})

    @property
    def _markdown(self) -> str:
        return "\n\n".join(page for page in self._pages if page)

    @property
    def _content_list(self) -> str:
        return json.dumps(self._contents, ensure_ascii=False)

    def _zip(self) -> bytes:
        file, folder = BytesIO(), f"{self._stem}/{BACKEND}"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            if self._options.return_md:
                archive.writestr(f"{folder}/{self._stem}.md", self._markdown)
            if self._options.return_content_list:
                archive.writestr(f"{folder}/{self._stem}_content_list.json", self._content_list)
            for name, picture in self._pictures.items():
                archive.writestr(f"{folder}/{name}", picture, zipfile.ZIP_STORED)
        return file.getvalue()


def _content(item: Item, page: PageResult, paths: Mapping[str, str]) -> dict[str, Any]:
    """An entry of MinerU's `content_list`, its box in thousandths of the page."""
    sides = (page.width, page.height) * 2
    edges = zip(item.block.bbox, sides, strict=True)
    box = [min(max(round(_SCALE * edge / side), 0), _SCALE) for edge, side in edges]
    kind = "page_number" if item.block.label == "number" else _TYPES.get(item.label, "text")
    return {"type": kind, **_fields(kind, item, paths), "bbox": box, "page_idx": page.page - 1}


def _fields(kind: str, item: Item, paths: Mapping[str, str]) -> dict[str, Any]:
    captions = [caption.text for caption in item.captions]
    if kind == "image":
        return {"img_path": paths.get(item.block.id, ""), "image_caption": captions, "image_footnote": []}
    if kind == "table":
        return {"table_body": item.block.content, "table_caption": captions, "table_footnote": [], "img_path": ""}
    if kind == "equation":
        return {"text": f"$$\n{item.text}\n$$", "text_format": "latex"}
    if kind == "code":
        return {"code_body": item.text, "code_caption": captions}
    if kind == "list":
        return {"list_items": [f"{child.fields['marker']} {child.text}" for child in item.children]}
    if item.label == "title":
        return {"text": item.text, "text_level": 1}
    level = {"text_level": 1 + item.fields["level"]} if item.label == "section_header" else {}
    return {"text": item.text, **level}
