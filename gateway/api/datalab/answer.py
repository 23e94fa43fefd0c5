"""A document as Marker gives it, made page by page: Markdown, HTML, or a tree of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from gateway.api.datalab.schema import MarkerOptions
from gateway.assembly.items import body_blocks, make_items
from gateway.assembly.markdown import block_markdown, page_markdown
from gateway.assembly.page import picture_keys
from gateway.assembly.render import render_html, replace_pictures
from gateway.assembly.restructure import combine_statuses
from gateway.model import Block, DocumentStatus, PageResult
from gateway.reading_options import OcrOptions
from gateway.recognized_page import encode_pictures

_OPTIONS = OcrOptions(ignore_labels=frozenset())
_RULE = "-" * 48
_TYPES: Mapping[str, str] = {
    "title": "SectionHeader",
    "section_header": "SectionHeader",
    "table": "Table",
    "picture": "Picture",
    "formula": "Equation",
    "code": "Code",
    "list": "ListGroup",
    "caption": "Caption",
    "footnote": "Footnote",
    "page_header": "PageHeader",
    "page_footer": "PageFooter",
}


class AnswerWriter:
    """A document as far as it was read."""

    def __init__(self, options: MarkerOptions) -> None:
        self._options = options
        self._texts: list[str] = []
        self._tree: list[dict[str, Any]] = []
        self._statuses: set[DocumentStatus] = set()
        self.warnings: list[str] = []
        self.images: dict[str, str] = {}
        self.page_count = 0

    def add(self, page: PageResult, pictures: Mapping[str, bytes]) -> None:
        """The next page. `pictures`: JPEG by key in the Markdown. Milliseconds of CPU; HTML as long as
        `render_html` takes."""
        self.page_count += 1
        self.warnings += page.warnings
        self._statuses.add(page.status)
        keys = {} if self._options.disable_image_extraction else picture_keys(page.page, page.blocks, _OPTIONS)
        names = {key: PurePath(key).name for key in (*keys.values(), *pictures)}
        encoded = encode_pictures(pictures)
        self.images.update({names[key]: picture for key, picture in encoded.items()})
        if self._options.output_format == "json":
            self._tree.append(_describe_page(page, keys, names, encoded))
            return
        is_html = self._options.output_format == "html"
        markdown = page_markdown(body_blocks(page), keys, page.width, pretty=is_html)
        if is_html:
            self._texts.append(render_html(page.model_copy(update={"markdown": markdown}), names))
            return
        text = replace_pictures(markdown, {key: f"![]({name})" for key, name in names.items()})
        self._texts.append(f"{{{page.page - 1}}}{_RULE}\n\n{text}" if self._options.paginate else text)

    @property
    def status(self) -> DocumentStatus:
        return combine_statuses(self._statuses)

    @property
    def output(self) -> str | dict[str, Any]:
        if self._options.output_format == "json":
            return {"block_type": "Document", "children": self._tree, "metadata": {}}
        return "\n\n".join(text for text in self._texts if text)


def _describe_page(
    page: PageResult, keys: Mapping[str, str], names: Mapping[str, str], encoded: Mapping[str, str]
) -> dict[str, Any]:
    root = f"/page/{page.page - 1}"
    items = {item.block.id: item for item in make_items(page.blocks)}
    types = {block: _TYPES.get(item.label, "Text") for block, item in items.items()}
    children = []
    for number, block in enumerate(page.blocks, 1):
        kind = types.get(block.id, "Caption")
        key = keys.get(block.id)
        shown = page.model_copy(update={"markdown": block_markdown(block, key, page.width)})
        images = {names[key]: encoded[key]} if key is not None and key in encoded else {}
        children.append(_describe_block(f"{root}/{kind}/{number}", kind, block, render_html(shown, names), images))
    box = [0, 0, page.width, page.height]
    return {"id": f"{root}/Page/0", "block_type": "Page", "html": "", **_place(box), "children": children}


def _describe_block(block_id: str, kind: str, block: Block, html: str, images: Mapping[str, str]) -> dict[str, Any]:
    place = _place(list(block.bbox))
    return {"id": block_id, "block_type": kind, "html": html, **place, "children": None, "images": images}


def _place(box: list[int]) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    return {"bbox": box, "polygon": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]}
