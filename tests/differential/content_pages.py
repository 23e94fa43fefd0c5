"""Pages about what is made of the VLM's answers: tables, formulas, titles, loops, and the ways to write Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from tests.differential.cases import Case, Seen
from tests.differential.drawing import column, sheet

TABLES = {
    "plain": "<fcel>A<fcel>B<nl><fcel>1<fcel>2<nl>",
    "spans": "<fcel>Head<lcel><fcel>Side<nl><fcel>a<fcel>b<ucel><nl>",
    "block": "<fcel>Both<lcel><fcel>x<nl><ucel><xcel><fcel>y<nl><fcel>1<fcel>2<fcel>3<nl>",
    "ragged": "<fcel>A<fcel>B<fcel>C<nl><fcel>1<nl><fcel>2<fcel>3<nl>",
    "signs": '<fcel>a < b<fcel>R&D<nl><fcel>"x"<fcel><script>alert(1)</script><nl>',
    "formulas": "<fcel>\\( a \\)<fcel>b<nl><ecel><fcel>\\( c \\)<nl>",
    "many empty": "<fcel>A<ecel><ecel><nl><ecel><ecel><ecel><nl><fcel>B<ecel><fcel>C<nl>",
}
BROKEN_TABLES = {
    "filled but empty": "<fcel><fcel>B<nl><fcel>1<fcel>2<nl>",
    "overlapping spans": "<fcel>A<lcel><nl><ucel><fcel>D<nl>",
    "row of continuations": "<fcel>A<lcel><nl><ucel><xcel><nl><fcel>1<fcel>2<nl>",
    "no tags": "Just some words",
    "html": "<table><tr><td>A</td><td>B</td></tr></table>",
    "text beyond the width": "<fcel>A<nl><fcel>1<nl><fcel>2<nl><fcel>3<fcel>4<fcel>5<nl>",
}
TEXTS = {
    "formulas": "Let \\( a \\) and \\( b \\) be.",
    "display": "So \\[ a = b \\] holds.",
    "doubled": "So \\[\\[ a = b \\]\\] holds.",
    "prices": "It costs $5 or \\( x \\) dollars.",
    "only prices": "It costs $5, or $6.",
    "lines": "One line\nanother line\n\na second paragraph",
    "hyphens": "A divi-\nded word",
    "html": "A <script>alert(1)</script> and a <b>bold</b> & more",
    "blanks": "  words with blanks  ",
    "nothing": "",
    "own dollars": "Let $a$ and $$ b $$ be.",
    "list": "1. one\n2. two\n3. three",
}
LOOPS = {
    "repeated end": "hello world " + "12345678" * 130,
    "one sign": "好" * 1200,
    "one word": "abc " * 300,
    "one line": "\n".join(["the same line"] * 90),
    "nearly one line": "\n".join([*(["the same line"] * 90), "another"]),
    "room for all of it": "........" * 30,
    "short": "x\n" * 20,
    "no loop": "All of these words stand here for a reason, and none of them is said twice, not even at the end of it.",
}
TITLES = [
    ("doc_title", "The title\nof a document"),
    ("paragraph_title", "1. Introduction"),
    ("paragraph_title", "1.2 Background"),
    ("paragraph_title", "1.2.3. Details"),
    ("paragraph_title", "2Methods"),
    ("paragraph_title", "U.S. policy in the E.U."),
    ("paragraph_title", "A heading\nof two lines"),
    ("paragraph_title", "一、绪论"),
    ("paragraph_title", "IV. Results"),
    ("abstract", "Abstract We read pages."),
    ("abstract", "Abstract\nWe read pages."),
    ("abstract", "摘要 我们"),
    ("content", "1 Introduction 3\n1.1 Back-\nground 4"),
    ("algorithm", "for x in y:\n    print(x)\n"),
    ("figure_title", "Figure 1: A <small> figure\nof two lines"),
    ("vision_footnote", "Source: us\nand others"),
    ("vertical_text", "Upright\ntext"),
    ("aside_text", "arXiv"),
    ("footnote", "1 A footnote"),
    ("number", "17"),
]
FORMULAS = [
    ("display_formula", "\\[ E = mc^2 \\]"),
    ("formula_number", "(1)"),
    ("display_formula", "$$ a = b $$"),
    ("text", "Words between."),
    ("formula_number", "\\((2)\\)"),
    ("display_formula", "c = d"),
    ("formula_number", "(3)"),
    ("inline_formula", "\\( x \\)"),
]


def content_cases() -> Iterator[Case]:
    yield from _tables()
    yield from _texts()
    yield from _ways_to_write()
    yield from _whole_pages()


def _tables() -> Iterator[Case]:
    for name, tables in (("tables", TABLES), ("broken tables", BROKEN_TABLES)):
        boxes = column([("table", answer) for answer in tables.values()], height=120)
        yield Case(name, [sheet(name, boxes)])
    boxes = [
        Seen(
            "table",
            (40, 40, 840, 440),
            "<fcel>Logo<fcel>Name<nl><fcel>[F2] [F4]<fcel>First<nl><fcel>[F3]<fcel>Second<nl>",
        ),
        Seen("image", (60, 160, 200, 240), "a logo"),
        Seen("seal", (60, 260, 180, 380), "a seal"),
        Seen("image", (400, 300, 420, 320), "tiny"),
        Seen("image", (40, 500, 400, 700), "a picture outside"),
        Seen("text", (40, 740, 800, 800), "It says [F4] on the page."),
    ]
    page = sheet("pictures in a table", boxes)
    yield Case("pictures in a table", [page])
    yield Case("pictures in a table, read", [page], {"useOcrForImageBlock": True, "useSealRecognition": True})
    yield Case("pictures in a table, plain", [page], {"prettifyMarkdown": False})


def _texts() -> Iterator[Case]:
    yield Case("texts", [sheet("texts", column([("text", answer) for answer in TEXTS.values()]))])
    yield Case("loops", [sheet("loops", column([("text", answer) for answer in LOOPS.values()]))])
    titles = sheet("titles", column(TITLES), (900, 1300))
    yield Case("titles and lists", [titles])
    yield Case("titles and lists, none ignored", [titles], {"markdownIgnoreLabels": []})
    formulas = sheet("numbers", column(FORMULAS))
    yield Case("formulas", [formulas])
    yield Case("formulas with numbers", [formulas], {"showFormulaNumber": True})


def _ways_to_write() -> Iterator[Case]:
    boxes = [
        *column([("doc_title", "Title"), ("paragraph_title", "1.1 Part"), ("text", "One\ntwo")]),
        Seen("image", (40, 300, 440, 500), "words in a picture"),
        Seen("figure_title", (40, 510, 440, 550), "Figure 1"),
        Seen("chart", (460, 300, 860, 500), "Year | Sales\n2001 | 12"),
        Seen("seal", (40, 600, 240, 800), "A SEAL"),
        Seen("table", (300, 600, 860, 800), TABLES["spans"]),
        Seen("display_formula", (40, 840, 700, 900), "\\[ a \\]"),
        Seen("footer_image", (40, 1000, 240, 1100), ""),
    ]
    page = sheet("ways", boxes)
    every = {"useChartRecognition": True, "useSealRecognition": True, "useOcrForImageBlock": True}
    yield Case("pretty", [page])
    yield Case("plain", [page], {"prettifyMarkdown": False})
    yield Case("plain, all read", [page], {"prettifyMarkdown": False, **every})
    yield Case("pretty, all read", [page], every)
    yield Case("contents as Markdown", [page], {"formatBlockContent": True})
    yield Case("contents as Markdown, all read", [page], {"formatBlockContent": True, **every})


def _whole_pages() -> Iterator[Case]:
    answers = {
        "ocr": "A page read\nas one",
        "table": TABLES["spans"],
        "formula": "\\[ a = b \\]",
        "chart": "Year | Sales\n2001 | 12",
        "seal": "A SEAL",
        "spotting": "First<|LOC_10|><|LOC_10|><|LOC_500|><|LOC_10|><|LOC_500|><|LOC_60|><|LOC_10|><|LOC_60|>"
        "Second<|LOC_10|><|LOC_100|><|LOC_900|><|LOC_100|><|LOC_900|><|LOC_160|><|LOC_10|><|LOC_160|>",
    }
    words = column([("text", "never read")] * 4)
    for task, answer in answers.items():
        page = sheet(task, words, (700, 500))
        yield Case(f"whole page: {task}", [page], _without_layout(task), answer)
    large = sheet("large spotting", column([("text", "never read")] * 30), (1100, 1700))
    marked = (
        "<|TEXT_START|>Words<|TEXT_END|><|LOC_BEGIN|><|LOC_0|><|LOC_0|><|LOC_1000|><|LOC_0|><|LOC_1000|><|LOC_50|>"
        "<|LOC_0|><|LOC_50|><|LOC_END|>"
    )
    yield Case("whole page: spotting, large", [large], _without_layout("spotting"), marked)


def _without_layout(task: str) -> dict[str, object]:
    return {"useLayoutDetection": False, "promptLabel": task}
