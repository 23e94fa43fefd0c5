"""Makes the example documents, their truth, and the page of the service's self-check.

python -m examples.generate [--font-dir FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from examples.degrade import photograph, scan
from examples.fonts import Fonts, FontsMissingError, find_fonts
from examples.layouts.article import set_article
from examples.layouts.form import set_form
from examples.layouts.receipt import set_receipt
from examples.layouts.report import set_report_page
from examples.layouts.selfcheck import set_selfcheck
from examples.layouts.slide import set_slide
from examples.layouts.tablepage import set_table_page
from examples.texts import articles, forms, receipts, reports, selfchecks, slides, tables
from examples.truth import EXAMPLES, TRUTH_PATH, TruthFile, TruthPage, save_truth
from examples.typeset import Sheet

SELFCHECK_PATH = EXAMPLES.parent / "gateway" / "assets" / "selfcheck.png"

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".pdf": "application/pdf"}
_SKEWS = (0.25, -0.2, 0.15, -0.3)
_GREYS = 16
_COLOURS = 48


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--font-dir", type=Path, help="folder with the fonts, instead of those that fontconfig knows")
    try:
        fonts = find_fonts(parser.parse_args(arguments).font_dir)
    except FontsMissingError as error:
        sys.exit(str(error))
    for path in (*write_examples(EXAMPLES, fonts), write_selfcheck(SELFCHECK_PATH, fonts)):
        print(f"{path.relative_to(EXAMPLES.parent)}  {path.stat().st_size} bytes")


def compose(fonts: Fonts) -> dict[str, list[Sheet]]:
    """The pages of every example, by file name."""
    return {
        "article-en.png": [set_article(articles.ENGLISH, fonts)],
        "article-zh.png": [set_article(articles.CHINESE, fonts)],
        "article-ru.png": [set_article(articles.RUSSIAN, fonts)],
        "table-en.png": [set_table_page(tables.ENGLISH, fonts)],
        "table-zh.png": [set_table_page(tables.CHINESE, fonts)],
        "table-ru.png": [set_table_page(tables.RUSSIAN, fonts)],
        "form-en.png": [set_form(forms.ENGLISH, fonts)],
        "form-ru.png": [set_form(forms.RUSSIAN, fonts)],
        "slide-en.png": [set_slide(slides.ENGLISH, fonts)],
        "receipt-en.jpg": [_photographed_receipt(fonts)],
        "report-mixed.pdf": _scanned_report(fonts),
    }


def truth_of(documents: Mapping[str, Sequence[Sheet]]) -> dict[str, TruthFile]:
    """What stands on composed pages."""
    return {
        name: TruthFile(
            name, _MEDIA_TYPES[Path(name).suffix], tuple(map(_truth_of_page, range(1, 1 + len(pages)), pages))
        )
        for name, pages in documents.items()
    }


def write_examples(folder: Path, fonts: Fonts) -> list[Path]:
    """Writes every example and `truth.json` into `folder`; gives their paths."""
    documents = compose(fonts)
    for name, pages in documents.items():
        _save(pages, folder / name)
    truth_path = folder / TRUTH_PATH.name
    save_truth(truth_of(documents), truth_path)
    return [*(folder / name for name in documents), truth_path]


def write_selfcheck(path: Path, fonts: Fonts) -> Path:
    _save([set_selfcheck(selfchecks.ENGLISH, fonts)], path)
    return path


def _photographed_receipt(fonts: Fonts) -> Sheet:
    sheet = set_receipt(receipts.ENGLISH, fonts)
    photograph(sheet, degrees=1.8, seed=5)
    return sheet


def _scanned_report(fonts: Fonts) -> list[Sheet]:
    sheets = [set_report_page(page, fonts) for page in reports.PAGES]
    for number, (sheet, skew) in enumerate(zip(sheets, _SKEWS, strict=True)):
        scan(sheet, skew, seed=number)
    return sheets


def _truth_of_page(number: int, sheet: Sheet) -> TruthPage:
    return TruthPage(number, sheet.width, sheet.height, sheet.dpi, sheet.language, tuple(sheet.blocks))


def _save(pages: Sequence[Sheet], path: Path) -> None:
    first = pages[0]
    dpi = (first.dpi, first.dpi)
    if path.suffix == ".png":
        _reduced(first.image).save(path, optimize=True, dpi=dpi)
    elif path.suffix == ".jpg":
        first.image.save(path, quality=78, dpi=dpi)
    else:
        # Black and white pages become CCITT G4 images. Without dates in it, the file is the same every time.
        rest = [sheet.image for sheet in pages[1:]]
        options = {"title": path.stem, "creationDate": None, "modDate": None}
        first.image.save(path, save_all=True, append_images=rest, resolution=first.dpi, **options)


def _reduced(image: Image.Image) -> Image.Image:
    """The picture with few colours, so that its file is small; greys where it has no others."""
    grey = image.convert("L")
    if grey.convert("RGB").tobytes() != image.tobytes():
        return image.quantize(_COLOURS, dither=Image.Dither.NONE)
    levels = grey.point(lambda value: (value * (_GREYS - 1) + 127) // 255)
    levels.putpalette([level * 255 // (_GREYS - 1) for level in range(_GREYS) for _ in range(3)])
    return levels


if __name__ == "__main__":
    main()
