"""Text accuracy as OmniDocBench-style boards count it: markup and white space do not count, order does."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein

TEXTUAL = {
    "text_block", "title", "table", "equation_isolated", "table_caption", "figure_caption", "table_footnote",
    "figure_footnote", "equation_caption", "code_txt", "reference", "list_group",
}  # fmt: skip
CHUNK, SHORTEST_CHUNK = 12, 6  # characters of the truth looked for in one piece, for the recall


def plain(markdown: str) -> str:
    """Letters, digits and punctuation of a Markdown or HTML text, without markup and white space."""
    text = re.sub(r"<[^>]+>", " ", markdown)
    text = html.unescape(text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"[#*`|$\\{}_^~>-]", "", text)
    return re.sub(r"\s+", "", text)


def omnidocbench_blocks(page: dict[str, Any]) -> list[str]:
    """Texts of one page of OmniDocBench's truth, in reading order, plain."""
    boxes = [d for d in page["layout_dets"] if d["category_type"] in TEXTUAL and not d.get("ignore")]
    boxes.sort(key=lambda d: (d.get("order") is None, d.get("order") or 0))
    texts = (d.get("html") if d["category_type"] == "table" else d.get("text") or d.get("latex") for d in boxes)
    return [text for text in (plain(text or "") for text in texts) if text]


def edit_distance(markdown: str, blocks: Sequence[str]) -> float:
    """Levenshtein distance to the truth as a share of the longer text: 0 is perfect, 1 is all wrong."""
    return Levenshtein.normalized_distance(plain(markdown), "".join(blocks))


def recall(markdown: str, blocks: Sequence[str]) -> float:
    """Share of the truth's chunks of 12 characters that the text holds anywhere."""
    text = plain(markdown)
    chunks = [block[start : start + CHUNK] for block in blocks for start in range(0, len(block), CHUNK)]
    chunks = [chunk for chunk in chunks if len(chunk) >= SHORTEST_CHUNK]
    return sum(chunk in text for chunk in chunks) / max(len(chunks), 1)
