"""What PaddleOCR-VL's 25 layout labels mean for reading a region and for its place in the Markdown."""

from __future__ import annotations

from gateway.reading_options import OcrOptions

PICTURE_LABELS = frozenset({"image", "header_image", "footer_image", "chart", "seal"})
"""Regions that are pictures unless an option asks for their text."""

TITLE_LABELS = frozenset({"doc_title", "paragraph_title"})
CAPTION_LABELS = frozenset({"figure_title", "table_title", "chart_title"})
LINE_LABELS = frozenset({"content", "algorithm"})
"""Regions whose line breaks carry meaning: tables of contents and program text."""
TEXT_FILE = "text_file"
"""The one block of a text file, which is shown as it came; no layout model knows this label."""

LABELS = frozenset(
    {
        "abstract",
        "algorithm",
        "aside_text",
        "chart",
        "content",
        "display_formula",
        "doc_title",
        "figure_title",
        "footer",
        "footer_image",
        "footnote",
        "formula_number",
        "header",
        "header_image",
        "image",
        "inline_formula",
        "number",
        "paragraph_title",
        "reference",
        "reference_content",
        "seal",
        "table",
        "text",
        "vertical_text",
        "vision_footnote",
    }
)
"""The label list of PP-DocLayoutV2 and V3."""
ASIDE_LABELS = frozenset({"header", "footer", "number", "header_image", "footer_image", "aside_text"})
"""What stands beside a page's text and is none of it."""


def is_formula(label: str) -> bool:
    return "formula" in label and label != "formula_number"


def is_read(label: str, options: OcrOptions) -> bool:
    """Whether the region goes to the VLM. False: it is a picture only."""
    if options.task != "document":
        return True
    wanted = {"chart": options.chart, "seal": options.seal}
    return wanted.get(label, options.image_text if label in PICTURE_LABELS else True)


def is_shown(label: str, options: OcrOptions) -> bool:
    """Whether Markdown, HTML and plain text show the region; the JSON holds all."""
    return options.task != "document" or label not in options.ignore_labels


def is_picture(label: str, options: OcrOptions) -> bool:
    """Whether the region is cut out as a picture. Images and seals stay pictures even where their text is read too."""
    if options.task != "document" or label not in PICTURE_LABELS:
        return False
    return not (label == "chart" and options.chart)
