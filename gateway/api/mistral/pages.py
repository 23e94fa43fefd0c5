"""Pages in Mistral's words: pictures and tables by name, blocks with their kinds, running heads and feet apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from gateway.api.mistral.schema import Block, BlockScores, Image, OcrRequest, Page, PageDimensions, PageScores, Table
from gateway.assembly.markdown import block_markdown, page_markdown
from gateway.assembly.page import picture_keys
from gateway.assembly.render import replace_pictures
from gateway.assembly.tables.html import table_rows
from gateway.assembly.text.columns import find_rooms
from gateway.assembly.text.reflow import join_lines, split_items
from gateway.labels import CAPTION_LABELS, PICTURE_LABELS, TITLE_LABELS, is_formula
from gateway.model import BBox, PageResult
from gateway.model import Block as OcrBlock
from gateway.reading_options import OcrOptions
from gateway.recognized_page import picture_url

_DPI = 72
"""Told of an image that names none."""
_HEADERS, _FOOTERS = frozenset({"header"}), frozenset({"footer", "number"})
_TYPES: Mapping[str, str] = {
    "table": "table",
    "vision_footnote": "caption",
    "algorithm": "code",
    "reference": "references",
    "reference_content": "references",
    "aside_text": "aside_text",
    **dict.fromkeys(PICTURE_LABELS, "image"),
    **dict.fromkeys(TITLE_LABELS, "title"),
    **dict.fromkeys(CAPTION_LABELS, "caption"),
    **dict.fromkeys(_HEADERS, "header"),
    **dict.fromkeys(_FOOTERS, "footer"),
}
_ENDINGS = {"html": "html", "markdown": "md"}
_OPTIONS = OcrOptions()


class PageWriter:
    """Writes the pages of one document, whose pictures it numbers from first to last; tables on each page anew."""

    def __init__(self, params: OcrRequest) -> None:
        self._params = params
        self._pictures = 0

    def write(self, page: PageResult, pictures: Mapping[str, bytes]) -> bytes:
        """JSON of the next page. `pictures`: JPEG by key in the Markdown. Milliseconds of CPU."""
        return self._make_page(page, pictures).model_dump_json().encode()

    def _make_page(self, page: PageResult, pictures: Mapping[str, bytes]) -> Page:
        params = self._params
        keys = picture_keys(page.page, page.blocks, _OPTIONS)
        boxes = {keys[block.id]: block.bbox for block in page.blocks if block.id in keys}
        ids = self._number_pictures(boxes, pictures)
        tables, blocks = self._take_tables(page.blocks)
        shown = [block for block in blocks if block.label not in self._apart]
        texts = {key: _picture(ids.get(key)) for key in {*keys.values(), *pictures}}
        return Page(
            index=page.page - 1,
            markdown=replace_pictures(page_markdown(shown, keys, page.width, pretty=False), texts),
            images=[_image(id, boxes.get(key), pictures.get(key)) for key, id in ids.items()],
            dimensions=_dimensions(page),
            tables=list(tables.values()),
            header=_join(page.blocks, _HEADERS) if params.extract_header else None,
            footer=_join(page.blocks, _FOOTERS) if params.extract_footer else None,
            confidence_scores=self._page_scores(page.blocks),
            blocks=self._blocks(page, keys, ids, tables) if params.include_blocks else None,
        )

    @property
    def _apart(self) -> frozenset[str]:
        headers = _HEADERS if self._params.extract_header else frozenset()
        return headers | (_FOOTERS if self._params.extract_footer else frozenset())

    def _number_pictures(self, boxes: Mapping[str, BBox], pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Key to id, of those that are asked for; pictures in tables have no block of their own any more."""
        ids: dict[str, str] = {}
        for key in dict.fromkeys([*boxes, *pictures]):
            box, limit = boxes.get(key), self._params.image_limit
            is_small = box is not None and min(box[2] - box[0], box[3] - box[1]) < (self._params.image_min_size or 0)
            if not is_small and (limit is None or self._pictures < limit):
                ids[key] = f"img-{self._pictures}.jpeg"
                self._pictures += 1
        return ids

    def _take_tables(self, blocks: Sequence[OcrBlock]) -> tuple[dict[str, Table], list[OcrBlock]]:
        """Tables by the id of their block, and the blocks with links in their place."""
        kind = self._params.table_format
        tables: dict[str, Table] = {}
        if kind is None:
            return tables, list(blocks)
        result = []
        for block in blocks:
            if block.label == "table" and block.content.startswith("<table>"):
                name = f"tbl-{len(tables)}.{_ENDINGS[kind]}"
                content = block.content if kind == "html" else _pipe_table(block.content)
                tables[block.id] = Table(id=name, content=content, format=kind)
                block = block.model_copy(update={"content": f"[{name}]({name})"})
            result.append(block)
        return tables, result

    def _blocks(
        self, page: PageResult, keys: Mapping[str, str], ids: Mapping[str, str], tables: Mapping[str, Table]
    ) -> list[Block]:
        rooms = find_rooms(page.blocks, page.width)
        result = []
        for block in page.blocks:
            image_id = ids.get(keys.get(block.id, ""))
            table = tables.get(block.id)
            text = block_markdown(block, None, page.width, pretty=False, room=rooms.get(block.id, 1.0))
            content = _picture(image_id) if image_id else table.content if table else text
            if content:
                result.append(
                    Block(
                        **_corners(block.bbox),
                        type=_type_of(block),
                        content=content,
                        image_id=image_id,
                        table_id=table.id if table else None,
                        confidence_scores=self._block_scores(block),
                    )
                )
        return result

    def _block_scores(self, block: OcrBlock) -> BlockScores | None:
        if self._params.confidence_scores_granularity != "block":
            return None
        score = block.confidence
        return BlockScores(average_content_confidence_score=score, minimum_content_confidence_score=score)

    def _page_scores(self, blocks: Sequence[OcrBlock]) -> PageScores | None:
        scores = [block.confidence for block in blocks if block.confidence is not None]
        if self._params.confidence_scores_granularity is None or not scores:
            return None
        return PageScores(average_page_confidence_score=fmean(scores), minimum_page_confidence_score=min(scores))


def _dimensions(page: PageResult) -> PageDimensions | None:
    """None of a page that could not be drawn."""
    return PageDimensions(dpi=page.dpi or _DPI, height=page.height, width=page.width) if page.width else None


def _type_of(block: OcrBlock) -> str:
    if is_formula(block.label):
        return "equation"
    if block.label == "text" and split_items(block.content):
        return "list"
    return _TYPES.get(block.label, "text")


def _image(id: str, box: BBox | None, picture: bytes | None) -> Image:
    return Image(**_corners(box), id=id, image_base64=None if picture is None else picture_url(picture))


def _corners(box: BBox | None) -> dict[str, Any]:
    names = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    return dict(zip(names, box, strict=True)) if box else {}


def _picture(id: str | None) -> str:
    return f"![{id}]({id})" if id else ""


def _join(blocks: Sequence[OcrBlock], labels: frozenset[str]) -> str | None:
    texts = [join_lines(block.content) for block in blocks if block.label in labels]
    return "\n".join(text for text in texts if text) or None


def _pipe_table(table: str) -> str:
    """A table of Markdown's, whose first row is its head; what a cell covers besides its own place is empty."""
    rows = [[_cell(cell) for cell in row] for row in table_rows(table)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
