"""What all tests of text layers need."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.intake.render.fonts import FontFolders
from gateway.intake.render.pdf_fonts import install_fonts


@pytest.fixture(autouse=True)
def pdfium_outlines(tmp_path: Path) -> None:
    """Fonts that a file does not hold look the same on every machine: as PDFium draws them that finds none."""
    install_fonts(FontFolders(tmp_path, ()))
