"""docling's `DoclingDocument` in JSON, and the same document in DocTags, made page by page.

Fields as `docling_core.types.doc` has them. Boxes of PDFs are in points, as there; those of images in pixels.
"""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from pydantic_core import to_json

from gateway.api.chunked_response import Bytes, append, splice_json
from gateway.assembly.items import Item
from gateway.assembly.tables.html import IMAGE
from gateway.assembly.tables.otsl import Span
from gateway.model import DocumentInfo, PageResult

VERSION = "1.5.0"
"""Of docling's schema; later ones add fields that nothing here would fill."""
_POINTS = 72
_LISTS = {"table": "tables", "picture": "pictures", "list": "groups"}
_LOCATIONS = 500
"""DocTags divide a page's sides by this."""
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an item is written: on which page, how large, and below what."""

    page: int
    width: float
    height: float
    scale: float
    parent: str
    layer: str

    def box(self, item: Item) -> list[float]:
        return [round(edge * self.scale, 2) for edge in item.block.bbox]


class DoclingDocument:
    """A document as it grows: its items as the bytes that will be sent."""

    def __init__(self) -> None:
        self._parts = {name: bytearray() for name in ("children", "groups", "texts", "pictures", "tables", "pages")}
        self._counts: Counter[str] = Counter()

    def add(
        self, page: PageResult, items: Sequence[Item], body: Set[str], images: Mapping[str, str], *, is_pdf: bool
    ) -> None:
        """`body`: ids of the blocks that are no furniture; `images`: block id to the URI of its picture."""
        place = _place_of(page, is_pdf)
        size = {"size": {"width": place.width, "height": place.height}, "page_no": page.page}
        append(self._parts["pages"], to_json({str(page.page): size})[1:-1], b",")
        for item in items:
            layer = "body" if item.block.id in body else "furniture"
            written = self._write(item, replace(place, layer=layer), page, images)
            append(self._parts["children"], to_json(written), b",")

    def pieces(self, document: DocumentInfo) -> Iterator[Bytes]:
        """The whole JSON."""
        known = document.media_type in mimetypes.types_map.values()
        frame = {
            "schema_name": "DoclingDocument",
            "version": VERSION,
            "name": PurePath(document.name).stem,
            "origin": {
                "mimetype": document.media_type if known else _UNKNOWN_TYPE,
                "binary_hash": int(document.sha256[:16] or "0", 16),
                "filename": document.name,
            },
            "furniture": _root("#/furniture", "furniture"),
            "body": _root("#/body", "body"),
            "groups": [],
            "texts": [],
            "pictures": [],
            "tables": [],
            "key_value_items": [],
            "form_items": [],
            "pages": {},
        }
        # The first list of children is the furniture's, which docling keeps in the body nowadays.
        return splice_json(to_json(frame), [("children", b""), *self._parts.items()])

    def _write(self, item: Item, place: _Place, page: PageResult, images: Mapping[str, str]) -> dict[str, str]:
        """Numbers the item, puts it and what is below it into the document; gives its reference."""
        kind = _LISTS.get(item.label, "texts")
        ref = f"#/{kind}/{self._counts[kind]}"
        self._counts[kind] += 1
        captions = [self._write(caption, replace(place, parent=ref), page, images) for caption in item.captions]
        children = [self._write(child, replace(place, parent=ref), page, images) for child in item.children]
        written: dict[str, Any] = {
            "self_ref": ref,
            "parent": {"$ref": place.parent},
            "children": [*captions, *children],
            "content_layer": place.layer,
            "label": item.label,
        }
        if item.label == "list":
            written |= {"name": "list"}
        else:
            written |= {"prov": [_provenance(item, place)]}
        if kind == "tables":
            written |= {"data": _table_data(item.fields["cells"])}
        elif kind == "texts":
            written |= {"orig": item.block.content, "text": item.text, **item.fields}
        if kind in ("tables", "pictures") or item.label == "code":
            written |= {"captions": captions, "references": [], "footnotes": []}
        if kind == "pictures":
            written |= {"image": _image(item, page, images.get(item.block.id))}
        append(self._parts[kind], to_json(written), b",")
        return {"$ref": ref}


def page_doctags(page: PageResult, items: Sequence[Item], *, is_pdf: bool) -> list[str]:
    """DocTags of a page, an item each; docling shows furniture there too."""
    place = _place_of(page, is_pdf)
    return [_doctags(item, place) for item in items]


def _doctags(item: Item, place: _Place) -> str:
    locations = "".join(map(_location, place.box(item), [place.width, place.height] * 2))
    if item.label == "list":
        kind = "ordered_list" if item.children[0].fields["enumerated"] else "unordered_list"
        items = "".join(f"{_doctags(child, place)}\n" for child in item.children)
        return f"<{kind}>{items}</{kind}>"
    captions = "".join(_doctags(caption, place) for caption in item.captions)
    if item.label == "table":
        return f"<otsl>{locations}{_otsl(item.fields['cells'])}{captions}</otsl>"
    if item.label == "picture":
        return f"<picture>{locations}{captions}</picture>"
    tag = f"section_header_level_{item.fields['level']}" if item.label == "section_header" else item.label
    language = "<_unknown_>" if item.label == "code" else ""
    return f"<{tag}>{locations}{language}{item.text}{captions}</{tag}>"


def _location(edge: float, side: float) -> str:
    return f"<loc_{min(round(_LOCATIONS * edge / side), _LOCATIONS - 1)}>"


def _otsl(cells: Sequence[Span]) -> str:
    rows = [["<ecel>"] * max(cell.column + cell.columns for cell in cells) for _ in range(_row_count(cells))]
    for cell in cells:
        for row in range(cell.row, cell.row + cell.rows):
            for column in range(cell.column, cell.column + cell.columns):
                rows[row][column] = _OTSL[row > cell.row, column > cell.column]
        if text := _cell_text(cell):
            rows[cell.row][cell.column] = f"<fcel>{text}"
    return "".join("".join(row) + "<nl>" for row in rows)


_OTSL = {(False, False): "<ecel>", (False, True): "<lcel>", (True, False): "<ucel>", (True, True): "<xcel>"}


def _table_data(cells: Sequence[Span]) -> dict[str, Any]:
    return {
        "num_rows": _row_count(cells),
        "num_cols": max(cell.column + cell.columns for cell in cells),
        "table_cells": [
            {
                "text": _cell_text(cell),
                "row_span": cell.rows,
                "col_span": cell.columns,
                "start_row_offset_idx": cell.row,
                "end_row_offset_idx": cell.row + cell.rows,
                "start_col_offset_idx": cell.column,
                "end_col_offset_idx": cell.column + cell.columns,
                "column_header": False,
                "row_header": False,
                "row_section": False,
            }
            for cell in cells
        ],
    }


def _row_count(cells: Sequence[Span]) -> int:
    return max(cell.row + cell.rows for cell in cells)


def _cell_text(cell: Span) -> str:
    return IMAGE.sub("", cell.text).strip()


def _place_of(page: PageResult, is_pdf: bool) -> _Place:
    scale = _POINTS / page.dpi if is_pdf and page.dpi else 1.0
    return _Place(page.page, round(page.width * scale, 2), round(page.height * scale, 2), scale, "#/body", "body")


def _provenance(item: Item, place: _Place) -> dict[str, Any]:
    box = dict(zip("ltrb", place.box(item), strict=True)) | {"coord_origin": "TOPLEFT"}
    return {"page_no": place.page, "bbox": box, "charspan": [0, len(item.text)]}


def _image(item: Item, page: PageResult, uri: str | None) -> dict[str, Any] | None:
    if uri is None:
        return None
    left, top, right, bottom = item.block.bbox
    size = {"width": right - left, "height": bottom - top}
    return {"mimetype": "image/jpeg", "dpi": page.dpi or _POINTS, "size": size, "uri": uri}


def _root(ref: str, layer: str) -> dict[str, Any]:
    return {"self_ref": ref, "children": [], "content_layer": layer, "name": "_root_", "label": "unspecified"}
