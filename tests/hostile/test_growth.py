"""Work on foreign text grows as its length does, whatever it is made of.

What is measured is the processor time of this process for two lengths, the longer `FACTOR` times the shorter. A linear
function takes about `FACTOR` times as long, a quadratic one `FACTOR` squared; the bound lies between the two, in the
middle of a logarithmic scale, and what takes no time worth speaking of at the longer length has no growth to show.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import pkgutil
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import pytest

import common
import gateway
import textlines
from common.geometry import Box
from gateway.api.ocr.options import parse_options
from gateway.api.ocr.request import DOCUMENT_PLACES
from gateway.api.openai.validation import parse_chat
from gateway.api.paddlex.restructure_pages import restructuring_pieces
from gateway.api.paddlex.schema import RestructurePagesRequest
from gateway.assembly.clean import clean_reading
from gateway.assembly.docx.equations import convert_latex
from gateway.assembly.docx.writer import DocxPage, build_docx
from gateway.assembly.items import make_items
from gateway.assembly.page import assemble_page, assemble_text, rerender
from gateway.assembly.render import (
    MAX_PARSED_PAGE,
    MAX_PARSED_TEXT,
    render_html,
    render_markdown,
    render_text,
    replace_pictures,
)
from gateway.assembly.restructure import assign_unique_keys, join_split_paragraphs, merge_split_tables, rename_images
from gateway.assembly.tables.html import chart_to_html, rebuild_table, table_cells, table_to_html
from gateway.assembly.tables.merge import parse_rows
from gateway.assembly.text.formulas import convert_delimiters, extract_latex, strip_delimiters, unescape_dollars
from gateway.assembly.text.reflow import join_lines, keep_lines, reflow, split_items
from gateway.assembly.text.titles import assign_title_levels
from gateway.conversion.json_bodies import split_body
from gateway.engine.completion import CompletionAccumulator
from gateway.engine.errors import EngineError
from gateway.engine.sse import split_events
from gateway.errors import ServiceError
from gateway.intake.disposition import parse_filename
from gateway.intake.document import clean_name
from gateway.intake.page_ranges import select_pages
from gateway.intake.sniff import media_type
from gateway.model import Block, PageResult, Reading, Region, TextPage
from gateway.reading_options import OcrOptions
from gateway.recognition.repetition import RepetitionDetector, remove_loop
from textlines.order import reading_order
from textlines.paragraphs import find_initials, find_labelled, paragraphs
from vlm_backend import embedded

FACTOR = 16
SHORT = 1000
MAX_RATIO = FACTOR**1.5
NO_TIME_S = 0.02
"""A quadratic function of `FACTOR * SHORT` characters takes far longer, in C too."""
Work = Callable[[str], object]

UNITS = (
    *(
        " ",
        "\n",
        "\r",
        "[",
        "(",
        "<",
        ">",
        "1",
        "1.",
        "a",
        "-",
        "|",
        "&",
        "*",
        "\\",
        "\\[",
        "\\(",
        "$",
        "$$",
        "\\$",
        "$a",
    ),
    *("\u0301", "a\u0316\u0301", "\u4e2d", "\ue000", "\x00", "&#1", "a ", "a\n", "a-\n", "- a\n", "1. a\n", "| a |\n"),
    *("<td", "<td>", "</td>", "<tr>", "<table>", "</table>", "<td rowspan=9>", "<td colspan=99>", "<br>", "<div>"),
    *("<fcel>", "<fcel>a<nl>", "<lcel>", "<ucel><nl>", "<xcel>", "<|LOC_1|>", "<|", '<img src="', '<img src="a.jpg">'),
    *("![](", "\\frac{", "\\left(", "x^{", "&\\\\", "data: {}\n\n", "data: {}\n", "{},", '"a":0,', '"', '\\"'),
    *(";", '";', "%41", "=?", "=?utf-8?q?a?= "),
)


def _seconds(work: Work, text: str) -> float:
    started = time.process_time()
    with suppress(ServiceError, EngineError, ValueError, RecursionError):
        work(text)
    return time.process_time() - started


def _repeated(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


def _grows_too_fast(work: Work, unit: str, lead: str = "") -> bool:
    """Measured again before it is believed: another process may have had the cache, or garbage was looked for."""
    short, long = (lead + _repeated(unit, length) for length in (SHORT, FACTOR * SHORT))
    for _ in range(3):
        taken = _seconds(work, long)
        if taken < NO_TIME_S or taken < MAX_RATIO * min(_seconds(work, short) for _ in range(3)):
            return False
    return True


OPTIONS = OcrOptions()
LABELS = ("text", "table", "display_formula", "formula_number", "chart", "spotting", "paragraph_title", "abstract")
CAPTION = "figure_title"


def _block(label: str, text: str, number: int = 1) -> Block:
    return Block(id=f"p{number}-b1", label=label, bbox=(0, 0, 100, 100), order=1, content=text)


def _page(label: str, text: str, number: int = 1) -> PageResult:
    block = _block(label, text, number)
    return PageResult(page=number, width=100, height=100, markdown="", blocks=[block])


def _assemble(label: str) -> Work:
    region = Region(label, (0, 0, 100, 100), 1)

    def assemble(text: str) -> object:
        reading = clean_reading(Reading(text=text), region, is_vlm=True)
        return assemble_page(1, 100, 100, None, [region], [reading], OPTIONS)

    return assemble


def _restructure(label: str) -> Work:
    def restructure(text: str) -> object:
        block = {"block_label": label, "block_content": text, "block_bbox": [0, 0, 10, 10]}
        pruned = {"parsing_res_list": [block], "model_settings": {"format_block_content": True}}
        pages = [{"prunedResult": pruned}] * 2
        return list(restructuring_pieces("", RestructurePagesRequest.model_validate({"pages": pages})))

    return restructure


def _in_cell(text: str) -> str:
    return f"<table><tr><td>{text}</td></tr></table>"


def _merge(text: str) -> object:
    return merge_split_tables([_page("table", _in_cell(text), number) for number in (1, 2)])


def _feed_events(text: str) -> object:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100):
            yield data[at : at + 100]

    async def read() -> None:
        async for events in split_events(chunks()):
            CompletionAccumulator().feed(events)

    data = text.encode(errors="replace")
    return asyncio.run(read())


def _split(text: str) -> object:
    return split_body(DOCUMENT_PLACES, text.encode(errors="replace"), 10**6, len)


FUNCTIONS: dict[str, Work] = {
    **{f"assemble {label}": _assemble(label) for label in (*LABELS, CAPTION)},
    **{f"restructure {label}": _restructure(label) for label in ("text", "table", "chart")},
    "table_to_html": table_to_html,
    "rebuild_table": rebuild_table,
    "rebuild_table in a cell": lambda text: rebuild_table(_in_cell(text)),
    "table_cells": table_cells,
    "chart_to_html": chart_to_html,
    "parse_rows": lambda text: parse_rows(f"<table>{text}</table>"),
    "merge_split_tables": _merge,
    "join_split_paragraphs": lambda text: join_split_paragraphs([_page("text", f"x{text}", one) for one in (1, 2)]),
    "assign_title_levels": lambda text: assign_title_levels([[_block("paragraph_title", text)]]),
    "extract_latex": extract_latex,
    "convert_delimiters": convert_delimiters,
    "convert_delimiters behind a formula": lambda text: convert_delimiters(rf"\(a\){text}"),
    "strip_delimiters": strip_delimiters,
    "unescape_dollars": unescape_dollars,
    "reflow": reflow,
    "join_lines": join_lines,
    "keep_lines": keep_lines,
    "split_items": split_items,
    "make_items": lambda text: make_items([_block(label, text) for label in ("text", "abstract", "figure_title")]),
    "make_items of a table": lambda text: make_items([_block("table", _in_cell(text))]),
    "replace_pictures": lambda text: replace_pictures(text, {"a.jpg": "b"}),
    "rename_images": lambda text: rename_images(text, {"a": "b"}),
    "render_markdown": lambda text: render_markdown(text, {"a": "b"}),
    "render_text": lambda text: render_text(_page("text", text), OPTIONS),
    "remove_loop": remove_loop,
    "clean_name": clean_name,
    "parse_filename": lambda text: parse_filename(f'form-data; name="a"; filename="=?{text}'),
    "parse_filename in parts": lambda text: parse_filename(f"form-data; filename*=utf-8''{text}"),
    "parse_options": lambda text: parse_options([("ignore_labels", text)], accept=text),
    "parse_chat": lambda text: parse_chat({"messages": [{"role": "user", "content": text}]}),
    "select_pages": lambda text: select_pages(text[:1000], 10),
    "media_type": lambda text: media_type(text.encode(errors="replace")),
    "split_events": _feed_events,
    "split_body": _split,
    "split_body in a list": lambda text: _split(f'{{"source":[{text}'),
    "split_body in a string": lambda text: _split(f'{{"source":"{text}'),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_over_foreign_text(name: str) -> None:
    assert [unit for unit in UNITS if _grows_too_fast(FUNCTIONS[name], unit)] == []


def _merge_pages(text: str) -> object:
    return merge_split_tables([_page("table", _in_cell("a"), number) for number in range(1, len(text) // 20)])


def _name_pictures(text: str) -> object:
    return assign_unique_keys((number, ["a.jpg"]) for number in range(len(text) // 20))


def _watch(text: str) -> object:
    """Beyond the window that is searched each time."""
    return RepetitionDetector().detect(text * 8)


@pytest.mark.parametrize("work", [_merge_pages, _name_pictures, _watch])
def test_work_on_many_parts(work: Work) -> None:
    assert not _grows_too_fast(work, " ")


BOXES = 300
MAX_PAIRS_RATIO = 8**1.5
"""Between eight times the work for eight times the boxes, and its square."""


def _letters(count: int) -> list[Box]:
    """Single ones, each too far from the next for a word."""
    return [(25 * (at % 60), 30 * (at // 60), 25 * (at % 60) + 9, 30 * (at // 60) + 14) for at in range(count)]


def _narrow_columns(count: int) -> list[Box]:
    """Four rows high, so that each may be the numbers beside any other."""
    places = ((at // 4 % 40, 5 * (at // 160) + at % 4) for at in range(count))
    return [(30 * column, 20 * row, 30 * column + 10, 20 * row + 10) for column, row in places]


@pytest.mark.parametrize("work", [paragraphs, find_labelled, find_initials])
@pytest.mark.parametrize("draw", [_letters, _narrow_columns])
def test_work_on_boxes(draw: Callable[[int], list[Box]], work: Callable[[list[Box]], object]) -> None:
    def seconds(count: int) -> float:
        boxes, started = draw(count), time.process_time()
        work(boxes)
        return time.process_time() - started

    assert any(
        (taken := seconds(8 * BOXES)) < NO_TIME_S or taken < MAX_PAIRS_RATIO * min(seconds(BOXES) for _ in range(2))
        for _ in range(3)
    )


MAX_TRIPLES_RATIO = 8**2.25
"""Between the square of eight and its cube."""


@pytest.mark.parametrize("draw", [_letters, _narrow_columns])
def test_order_of_boxes(draw: Callable[[int], list[Box]]) -> None:
    """Each pair is held against all others, many at a time."""

    def seconds(count: int) -> float:
        boxes, started = draw(count), time.process_time()
        reading_order(boxes)
        return time.process_time() - started

    assert any(seconds(8 * BOXES) < MAX_TRIPLES_RATIO * min(seconds(BOXES) for _ in range(2)) for _ in range(3))


SLOW: dict[str, Work] = {
    "render_html": lambda text: render_html(rerender(_page("text", text[::8]), OPTIONS), {}),
    "render_html of a caption": lambda text: render_html(rerender(_page(CAPTION, text[::8]), OPTIONS), {}),
    "build_docx": lambda text: build_docx([DocxPage(_page("text", text[::8]), OPTIONS, {})], {}),
    "build_docx of a table": lambda text: build_docx([DocxPage(_page("table", _in_cell(text[::8])), OPTIONS, {})], {}),
    "convert_latex": lambda text: convert_latex(text[::8]),
}
SLOW_UNITS = (" ", "\n", "a\n\n", "[", "<", "$a$", "- a\n", "&", "<br>", "1. ", "\\int", "{", "\\left(")


@pytest.mark.parametrize("name", SLOW)
def test_writers_of_documents(name: str) -> None:
    """Eighths of the text: a character takes them microseconds, so that few are enough to tell."""
    work = SLOW[name]
    units = ["".join(8 * character for character in unit) for unit in SLOW_UNITS]
    assert [unit for unit in units if _grows_too_fast(work, unit)] == []


def _text_as_html(text: str) -> object:
    return render_html(assemble_text(TextPage(1, text)), {})


def _page_as_html(text: str) -> object:
    return render_html(_page("text", "").model_copy(update={"markdown": text}), {})


@pytest.mark.parametrize(("work", "most"), [(_text_as_html, MAX_PARSED_TEXT), (_page_as_html, MAX_PARSED_PAGE)])
@pytest.mark.parametrize("unit", ["a\n\n", "- a\n", "&"])
def test_long_texts_as_html(work: Work, most: int, unit: str) -> None:
    """What is parsed holds the interpreter; what is longer than that takes less than a short text that is."""
    texts = _repeated(unit, MAX_PARSED_TEXT), _repeated(unit, 4 * most)
    assert any(_seconds(work, texts[1]) < _seconds(work, texts[0]) for _ in range(3))


SEARCHES = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})
METHODS = SEARCHES | {"match", "fullmatch"}


def _modules() -> Iterator[ModuleType]:
    for package in (gateway, common, textlines, embedded):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".paddleocr.layout_worker" not in found.name:
                yield importlib.import_module(found.name)


@cache
def _uses() -> dict[str, tuple[re.Pattern[Any], str]]:
    """Each pattern that a module of ours names, with each way in which it is used there."""
    uses = {}
    for module in _modules():
        with open(str(module.__file__), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name)):
                continue
            pattern = getattr(module, node.value.id, None)
            if isinstance(pattern, re.Pattern):
                uses[f"{module.__name__}.{node.value.id}.{node.attr}"] = (pattern, node.attr)
    return uses


def _literals(pattern: re.Pattern[Any]) -> Sequence[str]:
    """Runs of literal characters in it: what text that nearly matches is made of."""
    source = pattern.pattern
    plain = source.decode("latin-1") if isinstance(source, bytes) else source
    return [re.sub(r"\\(.)", r"\1", run) for run in re.findall(r"(?:[\w<>/ =\"$#&;:|-]|\\[\[\]().$|\\])+", plain)][:6]


def _apply(pattern: re.Pattern[Any], method: str) -> Work:
    call = getattr(pattern, method)
    is_bytes = isinstance(pattern.pattern, bytes)
    empty: str | bytes = b"" if is_bytes else ""

    def apply(text: str) -> object:
        given = text.encode(errors="replace") if is_bytes else text
        found = call(empty, given) if method in ("sub", "subn") else call(given)
        return list(found) if method == "finditer" else found

    return apply


def test_patterns_are_found() -> None:
    assert len(_uses()) > 50


@pytest.mark.parametrize("name", _uses())
def test_patterns(name: str) -> None:
    pattern, method = _uses()[name]
    work, literals = _apply(pattern, method), _literals(pattern)
    own = [f"{literal}{fill}" for literal in literals for fill in ("", " ", "a", "1")]
    units = [(lead, unit) for lead in ("", *literals) for unit in (" ", "a", "1", "<", *own)]
    assert [pair for pair in units if _grows_too_fast(work, pair[1], pair[0])] == []
    assert [unit for unit in UNITS if _grows_too_fast(work, unit)] == []
