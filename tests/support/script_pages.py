"""Pages in scripts that the bundled model does not read, drawn with a font of this folder.

Pillow's basic layout knows neither direction nor joined letters: lines of Hebrew and Arabic stand here as they are
drawn, from left to right, Arabic in its presentation forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = Path(__file__).resolve().parent / "fonts" / "OcrTestSans.ttf"

LINES = {
    "Latin": (
        "In the first quarter revenue rose by 12 %",
        "and expenses fell to last year's level.",
        "The board approved the new budget",
        "and the plan of audits.",
    ),
    "Cyrillic": (
        "В первом квартале выручка выросла на 12 %,",
        "а расходы снизились до прошлогодних.",
        "Совет директоров утвердил новый бюджет",
        "и график проверок.",
    ),
    "Greek": (
        "Το πρώτο τρίμηνο τα έσοδα αυξήθηκαν",
        "και τα έξοδα μειώθηκαν στο επίπεδο",
        "του περασμένου έτους. Το συμβούλιο",
        "ενέκρινε τον νέο προϋπολογισμό.",
    ),
    "Hebrew": (
        "יאמ שדוחל הנחתה תוליעפ לע חוד",
        "תואצוההו ולע תוסנכהה ןושארה ןועברב",
        "הצעומהו הרבעש הנשה לש המרל ודרי",
        "שדחה ביצקתה תא הרשיא",
    ),
    "Arabic": (
        "ﺔﻄﺤﻤﻟﺍ ﻞﻤﻋ ﻦﻋ ﺮﻳﺮﻘﺗ",
        "ﻝﻭﻷﺍ ﻊﺑﺮﻟﺍ ﻲﻓ ﺕﺍﺩﺍﺮﻳﻹﺍ ﺖﻌﻔﺗﺭﺍ",
        "ﻡﺎﻌﻟﺍ ﻯﻮﺘﺴﻣ ﻰﻟﺇ ﺕﺎﻘﻔﻨﻟﺍ ﺖﻀﻔﺨﻧﺍﻭ",
        "ﺔﻴﻧﺍﺰﻴﻤﻟﺍ ﻰﻠﻋ ﺲﻠﺠﻤﻟﺍ ﻖﻓﺍﻭﻭ ﻲﺿﺎﻤﻟﺍ",
    ),
}


def script_page(*scripts: str, size: int = 26) -> bytes:
    """A PNG with one paragraph for each script; `size` is the print's in pixels."""
    return _draw([LINES[script] for script in scripts], size)


def line_page(*lines: str, size: int = 26) -> bytes:
    """A PNG with these lines."""
    return _draw([lines], size)


def _draw(paragraphs: Sequence[Sequence[str]], size: int) -> bytes:
    step = round(1.6 * size)
    font = ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)
    height = sum(step * len(lines) + 3 * step for lines in paragraphs) + 2 * step
    width = max(900, 32 * size)
    page = Image.new("RGB", (width, max(height, round(1.4 * width))), "white")
    draw, y = ImageDraw.Draw(page), 2 * step
    for lines in paragraphs:
        for line in lines:
            draw.text((3 * size, y), line, fill="black", font=font)
            y += step
        y += 3 * step
    buffer = BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()
