"""Levels of a document's headings, from their numbering, well-known words, and the size of their print.

After PaddleOCR-VL's `relevel_titles`: three signals vote for a numbered heading, the print decides for the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gateway.model import Block

_BRACKETED = re.compile(r"[(（]?\d{1,3}(?:\.\d+)*[)）]")
_ROMAN = re.compile(r"(?:[IVX]+(?:[.．)]|\s+(?![a-z])|$)|[ivx]+[.)])")
_CHINESE = re.compile(r"[(（]?第?[一二三四五六七八九十]{1,3}(?:[章节篇卷部条题讲课回)）]|(?![a-zA-Z\u4e00-\u9fa5]))")
_LETTER = re.compile(r"[A-Za-z][.．)](?=\s|$|[^\W\d_]{2})")
_DOTTED = re.compile(r"(\d{1,2}(?:\.\d{1,3})*)(?:[.．、]|(?=\s|$|[^\W\d_]))")
_TOP_WORD = re.compile(r"(?:chapter|part|appendix|глава|часть|раздел|приложение)\s+[\dIVXA-ZА-Я]", re.IGNORECASE)
_TOP_TITLES = frozenset(
    {
        *("abstract", "summary", "contents", "introduction", "background", "relatedwork", "method", "methods"),
        *("methodology", "result", "results", "discussion", "limitations", "conclusion", "conclusions"),
        *("acknowledgments", "acknowledgements", "references", "bibliography", "appendix", "appendices"),
        *("аннотация", "содержание", "оглавление", "введение", "методы", "результаты", "обсуждение"),
        *(
            "заключение",
            "выводы",
            "литература",
            "списоклитературы",
            "摘要",
            "目录",
            "绪论",
            "引言",
            "研究背景",
            "相关工作",
        ),
        *("研究方法", "实验结果", "讨论", "结论", "致谢", "参考文献", "附录"),
    }
)
"""White space left out, small letters."""
_SECTION = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,2})\.?[^\S\n]+[^\W\d_a-zа-яё][^\n]{1,60}(?<![.,;:!?。，；：])")
_SECTION_LABELS = frozenset({"text", "header", "paragraph_title", "reference_content"})
_CLUSTERS = 4
_SAME_PRINT = 1.15
"""Heights within this ratio are one size of print: boxes are a few pixels loose."""

Numbering = tuple[str, int]


def assign_title_levels(pages: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """The blocks of all pages of a document, in order, with `title_level` (from 1) on each `paragraph_title`."""
    titles = [block for page in pages for block in page if block.label == "paragraph_title"]
    levels = dict(zip((title.id for title in titles), title_levels(titles), strict=True))
    return [
        [block.model_copy(update={"title_level": levels[block.id]}) if block.id in levels else block for block in page]
        for page in pages
    ]


def promote_sections(blocks: Sequence[Block]) -> list[Block]:
    """The blocks of a page in order, each line like "1. Purpose" before a text as a heading, where another one of the
    page has the next or the former number: models take some of them for text, the first for a running head."""
    numbers = {index: number for index, block in enumerate(blocks) if (number := _section_number(blocks, index))}
    known = set(numbers.values())
    return [
        block.model_copy(update={"label": "paragraph_title"})
        if index in numbers and block.label != "paragraph_title" and _has_neighbour(numbers[index], known)
        else block
        for index, block in enumerate(blocks)
    ]


def _section_number(blocks: Sequence[Block], index: int) -> tuple[int, ...] | None:
    """The number of a block that may be a heading of a section: one short line without a mark at its end, and prose
    below it."""
    block = blocks[index]
    match = _SECTION.fullmatch(block.content.strip())
    if not match or block.label not in _SECTION_LABELS or block.group_id not in (None, block.id):
        return None
    below = next((other for other in islice(blocks, index + 1, None) if other.content.strip()), None)
    is_above_text = below is not None and below.label == "text" and len(below.content) > 2 * len(block.content)
    return tuple(int(part) for part in match[1].split(".")) if is_above_text else None


def _has_neighbour(number: tuple[int, ...], known: Set[tuple[int, ...]]) -> bool:
    return any((*number[:-1], number[-1] + step) in known for step in (-1, 1))


def title_levels(titles: Sequence[Block]) -> list[int]:
    """Level of each heading, from 1. Ids need not be unique."""
    numberings = [parse_numbering(title.content) for title in titles]
    styles = list(dict.fromkeys(numbering[0] for numbering in numberings if numbering))
    order = {style: index for index, style in enumerate(styles, 1)}
    first_depth = next((numbering[1] for numbering in numberings if numbering and numbering[0] == "dotted"), 1)
    prints = _print_levels([_print_height(title) for title in titles])
    levels = zip(titles, numberings, prints, strict=True)
    return [_level(title.content, numbering, order, first_depth, by_print) for title, numbering, by_print in levels]


def parse_numbering(title: str) -> Numbering | None:
    """The style of a heading's number and the level that it speaks for; None for a heading without one."""
    text = title.strip()
    if _BRACKETED.match(text):
        return "bracketed", 4
    if _ROMAN.match(text):
        return "roman", 1
    if _CHINESE.match(text):
        return "chinese", 1
    if _LETTER.match(text):
        return "letter", 2
    dotted = _DOTTED.match(text)
    return ("dotted", dotted[1].count(".") + 1) if dotted else None


def _level(title: str, numbering: Numbering | None, order: Mapping[str, int], first_depth: int, by_print: int) -> int:
    if not numbering:
        return 1 if _is_top(title) else by_print
    style, depth = numbering
    in_order = order[style] + (depth - first_depth if style == "dotted" else 0)
    level, votes = Counter([depth, in_order, by_print]).most_common(1)[0]
    return max(1, level if votes > 1 else in_order)


def _is_top(title: str) -> bool:
    return bool(_TOP_WORD.match(title.strip())) or "".join(title.lower().rstrip("：: ").split()) in _TOP_TITLES


def _print_height(title: Block) -> float:
    """Height of one line, of vertical text its width; pixels."""
    x1, y1, x2, y2 = title.bbox
    return max(1, min(x2 - x1, y2 - y1)) / len(title.content.strip().split("\n"))


def _print_levels(heights: Sequence[float]) -> list[int]:
    """1 for the largest print, and so on."""
    if not heights:
        return []
    centres: list[float] = []
    for centre in sorted(_cluster_means(np.asarray(heights, dtype=np.float64)), reverse=True):
        if not centres or centres[-1] > centre * _SAME_PRINT:
            centres.append(centre)
    return [1 + int(np.argmin([abs(height - centre) for centre in centres])) for height in heights]


def _cluster_means(heights: NDArray[np.float64]) -> list[float]:
    """K-means in one dimension, begun at the quantiles; deterministic."""
    sizes = np.unique(heights)
    means = np.quantile(sizes, np.linspace(0, 1, min(_CLUSTERS, len(sizes))))
    for _ in range(50):
        nearest = np.abs(heights[:, None] - means).argmin(axis=1)
        centred = np.array(
            [
                heights[nearest == index].mean() if (nearest == index).any() else means[index]
                for index in range(len(means))
            ]
        )
        if np.allclose(centred, means):
            break
        means = centred
    return [float(mean) for mean in means]
