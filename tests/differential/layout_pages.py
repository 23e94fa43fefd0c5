"""Pages about what is read: labels, boxes that overlap, outlines, paragraphs in parts, sizes of crops."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.labels import LABELS
from tests.differential.cases import Case, Seen
from tests.differential.drawing import column, sheet

OTSL = "<fcel>Name<fcel>Share<nl><fcel>One<fcel>12 %<nl>"
ANSWERS = {
    "table": OTSL,
    "chart": "Year | Sales\n2001 | 12\n2002 | 15",
    "display_formula": "\\[ E = mc^2 \\]",
    "inline_formula": "\\( a + b \\)",
    "formula_number": "\\((3)\\)",
    "paragraph_title": "2.1 Methods",
    "doc_title": "On reading",
    "abstract": "Abstract We read pages.",
    "content": "1 Introduction 3\n2 Methods 7",
    "seal": "SEAL OF THE HOUSE",
    "algorithm": "for x in y:\n  print(x)",
}


def layout_cases() -> Iterator[Case]:
    yield from _labels()
    yield from _overlaps()
    yield from _outlines()
    yield from _parted_paragraphs()
    yield from _sizes()


def _labels() -> Iterator[Case]:
    seen = column([(label, ANSWERS.get(label, f"What the {label} says")) for label in sorted(LABELS)])
    page = sheet("labels", seen, (900, 1400))
    yield Case("every label", [page])
    yield Case("every label, none ignored", [page], {"markdownIgnoreLabels": []})
    yield Case("charts read", [page], {"useChartRecognition": True})
    yield Case("seals read", [page], {"useSealRecognition": True})
    yield Case("text in pictures read", [page], {"useOcrForImageBlock": True})


def _overlaps() -> Iterator[Case]:
    boxes = [
        Seen("text", (40, 40, 640, 160), "The larger of two texts"),
        Seen("text", (60, 60, 600, 130), "A text inside a text", 0.8),
        Seen("image", (40, 200, 440, 500), ""),
        Seen("figure_title", (60, 420, 400, 460), "A caption inside its picture"),
        Seen("table", (40, 540, 640, 740), OTSL),
        Seen("text", (60, 560, 400, 600), "A text inside a table"),
        Seen("text", (40, 780, 640, 860), "Text that reaches"),
        Seen("text", (40, 845, 640, 930), "a little into the next"),
    ]
    yield Case("boxes that overlap", [sheet("overlaps", boxes)])
    near = [
        Seen("doc_title", (40, 40, 640, 90), "A line that is two titles", 0.6),
        Seen("paragraph_title", (41, 40, 641, 91), "A line that is two titles", 0.8),
        Seen("text", (40, 140, 640, 220), "Two texts, nearly the same", 0.5),
        Seen("text", (44, 144, 640, 222), "Two texts, nearly the same", 0.7),
        Seen("text", (40, 260, 640, 340), "Text and header on one spot", 0.7),
        Seen("header", (40, 260, 640, 340), "Text and header on one spot", 0.6),
        Seen("text", (40, 380, 640, 440), "Too weak to be believed", 0.29),
        Seen("text", (40, 480, 640, 540), "Just believed", 0.31),
    ]
    yield Case("boxes that are nearly one", [sheet("near", near)])
    contained = [
        Seen("chart", (40, 40, 540, 340), ANSWERS["chart"]),
        Seen("text", (80, 300, 300, 330), "The axis of a chart"),
        Seen("display_formula", (40, 400, 640, 480), "\\[ a = b \\]"),
        Seen("inline_formula", (60, 420, 300, 460), "\\( a \\)"),
        Seen("reference", (40, 520, 640, 700), "never read"),
        Seen("reference_content", (40, 530, 640, 590), "[1] A paper"),
        Seen("reference_content", (40, 610, 640, 680), "[2] Another paper"),
    ]
    yield Case("boxes in boxes", [sheet("contained", contained)])
    inline = [
        Seen("text", (40, 40, 740, 90), "A line with \\( a + b \\) in it"),
        Seen("inline_formula", (200, 45, 330, 85), "\\( a + b \\)"),
        Seen("inline_formula", (40, 150, 200, 190), "\\( x \\)", 0.8),
        Seen("inline_formula", (110, 150, 280, 190), "\\( y \\)", 0.7),
        Seen("inline_formula", (400, 150, 560, 190), "\\( c^2 \\)"),
        Seen("inline_formula", (40, 250, 240, 290), "\\( first \\)", 0.8),
        Seen("inline_formula", (60, 252, 238, 289), "\\( second \\)", 0.7),
    ]
    yield Case("formulas within lines", [sheet("inline", inline)])
    for name, size in (("landscape", (1200, 800)), ("portrait", (800, 1200))):
        width, height = size
        whole = [
            Seen("image", (4, 4, width - 4, height - 4), "the page itself"),
            Seen("text", (100, 100, 600, 160), "Text on the page"),
        ]
        yield Case(f"a picture as large as the page, {name}", [sheet(name, whole, size)])
    alone = [Seen("image", (0, 0, 800, 1000), "")]
    yield Case("nothing but a picture", [sheet("picture", alone, (800, 1000))])
    outside = [
        Seen("text", (-20, 40, 400, 90), "Begins left of the page"),
        Seen("text", (600, 140, 960, 190), "Ends right of the page"),
        Seen("text", (40, 240, 40, 290), "Has no width"),
        Seen("text", (950, 300, 1000, 340), "Beside the page"),
    ]
    yield Case("boxes beyond the page", [sheet("outside", outside)])
    yield Case("an empty page", [sheet("empty", [])])


def _outlines() -> Iterator[Case]:
    tilted = [
        Seen("text", (60, 60, 660, 300), "A tilted text", outline=[(60, 160), (640, 60), (660, 200), (80, 300)]),
        Seen("text", (60, 400, 660, 480), "An upright text"),
    ]
    yield Case("a tilted text", [sheet("tilted", tilted)])
    corner = [(60, 60), (660, 60), (660, 160), (300, 160), (300, 360), (60, 360)]
    bent = [
        Seen("text", (60, 60, 660, 360), "Text around a corner", outline=corner),
        Seen("image", (310, 170, 660, 360), ""),
        Seen("text", (60, 420, 660, 500), "Text below"),
    ]
    yield Case("a text around a picture", [sheet("bent", bent)])
    yield Case("a text around a picture, boxes only", [sheet("bent", bent)], {"layoutShapeMode": "rect"})
    crossing = [
        Seen("text", (60, 60, 660, 360), "Text around a corner", outline=corner),
        Seen("text", (310, 170, 660, 360), "Text in the corner"),
    ]
    yield Case("boxes that overlap, outlines that don't", [sheet("crossing", crossing)])


def _parted_paragraphs() -> Iterator[Case]:
    columns = [
        Seen("text", (40, 600, 420, 760), "A paragraph that goes on"),
        Seen("text", (470, 60, 850, 180), "in the next column."),
        Seen("text", (470, 300, 850, 420), "Another paragraph."),
    ]
    page = sheet("columns", columns)
    yield Case("a paragraph in two columns", [page])
    yield Case("a paragraph in two columns, apart", [page], {"mergeLayoutBlocks": False})
    around = [
        Seen("text", (40, 60, 840, 200), "A paragraph beside a picture"),
        Seen("image", (460, 190, 840, 360), ""),
        Seen("text", (40, 210, 440, 350), "and left of it."),
        Seen("paragraph_title", (40, 420, 500, 460), "1 Next"),
        Seen("text", (420, 520, 840, 640), "A paragraph right of a table"),
        Seen("table", (40, 500, 400, 660), OTSL),
        Seen("text", (40, 650, 840, 780), "and below it."),
    ]
    yield Case("paragraphs around a picture and a table", [sheet("around", around)])
    high = [
        Seen("text", (40, 60, 140, 400), "A narrow column"),
        Seen("text", (160, 60, 260, 400), "and the next one."),
    ]
    yield Case("columns too high for one picture", [sheet("high", high)])
    three = [
        Seen("text", (40, 500, 300, 640), "First of three"),
        Seen("text", (330, 100, 590, 200), "second"),
        Seen("text", (620, 60, 880, 180), "third."),
    ]
    yield Case("a paragraph in three columns", [sheet("three", three)])


def _sizes() -> Iterator[Case]:
    small = [
        Seen("text", (40, 40, 45, 90), "five pixels wide"),
        Seen("vertical_text", (80, 40, 86, 90), "six pixels wide"),
        Seen("text", (120, 40, 147, 67), "a word"),
        Seen("number", (200, 40, 212, 56), "7"),
        Seen("header", (40, 120, 1340, 126), "a line beyond the ratio"),
        Seen("text", (40, 160, 840, 168), "a thin line"),
        Seen("vertical_text", (1380, 40, 1392, 1500), "an upright thin line"),
    ]
    yield Case("small and thin boxes", [sheet("small", small, (1400, 1600))])
    large = [
        Seen("text", (20, 20, 1480, 720), "above the pixel budget"),
        Seen("text", (20, 740, 1463, 1435), "inside of it, above when rounded"),
        Seen("text", (20, 1440, 340, 1790), "just below the least"),
        Seen("footnote", (400, 1440, 760, 1790), "inside"),
    ]
    page = sheet("large", large, (1500, 1800))
    yield Case("large boxes", [page])
    yield Case("pixel limits asked for", [page], {"minPixels": 50_000, "maxPixels": 400_000})
    formulas = [
        Seen("display_formula", (40, 40, 740, 300), "\\[ a \\]"),
        Seen("display_formula", (40, 340, 740, 400), "$$ b $$"),
        Seen("display_formula", (40, 440, 740, 500), "c = d"),
    ]
    page = sheet("formulas", formulas)
    page.pixels[40:300, 40:740] = 255
    page.pixels[150:190, 300:420:7] = 40
    yield Case("formulas with margins", [page])
    yield Case(
        "sampling asked for", [page], {"temperature": 0.4, "topP": 0.9, "repetitionPenalty": 1.1, "maxNewTokens": 300}
    )
