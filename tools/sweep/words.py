"""Words of a file's own text layer, and how many of them an answer holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

EXTRACT_S = 60
"""Longest time to take a text layer out."""
WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_]{2,}")
"""Han, kana and Hangul count by the character, other scripts by the word of two letters or digits and more."""
PDFIUM = """
import sys, pypdfium2
document = pypdfium2.PdfDocument(sys.argv[1])
pages = len(document) if sys.argv[2] == "0" else min(len(document), int(sys.argv[2]))
sys.stdout.buffer.write("\\n".join(document[n].get_textpage().get_text_range() for n in range(pages)).encode())
"""
"""Runs in a process of its own: a hostile file ends that one."""


def count_words(text: str) -> Counter[str]:
    return Counter(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def count_found(own: Counter[str], read: Counter[str]) -> int:
    """How many of the own words were read, each as often as it stands there at most."""
    return (own & read).total()


def text_layer(file: Path, pages: int = 0) -> str | None:
    """Text that a PDF's first pages (0: all) hold, by poppler where it is installed, else by PDFium.

    None if the file is no PDF, or neither can open it.
    """
    with file.open("rb") as data:
        if b"%PDF" not in data.read(1024) and file.suffix.lower() != ".pdf":
            return None
    if shutil.which("pdftotext"):
        command = ["pdftotext", "-enc", "UTF-8", *(["-l", str(pages)] if pages else []), str(file.resolve()), "-"]
    else:
        command = [sys.executable, "-c", PDFIUM, str(file.resolve()), str(pages)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=EXTRACT_S, check=True)
    except subprocess.SubprocessError:
        return None
    return done.stdout.decode(errors="replace")
