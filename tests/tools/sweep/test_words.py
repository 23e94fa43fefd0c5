"""Words of a text layer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from tools.sweep.words import count_found, count_words, text_layer


def test_single_letters_and_signs_are_no_words() -> None:
    assert count_words("a — 12 crates, x; CRATES").total() == 3


def test_han_counts_by_the_character() -> None:
    assert count_words("港口 office").total() == 3


def test_a_word_that_stands_twice_must_be_read_twice() -> None:
    assert count_found(count_words("tide tide table"), count_words("The tide table")) == 2


@pytest.mark.parametrize("has_poppler", [True, False])
def test_the_text_of_the_first_pages_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_poppler: bool
) -> None:
    if has_poppler and not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed")
    if not has_poppler:
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    file = tmp_path / "a.pdf"
    canvas = Canvas(str(file))
    for text in ("first", "second"):
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    assert count_words(text_layer(file, 1) or "") == {"first": 1}
    assert count_words(text_layer(file) or "") == {"first": 1, "second": 1}


def test_other_files_have_no_text_layer(tmp_path: Path) -> None:
    picture, damaged = tmp_path / "a.png", tmp_path / "b.pdf"
    picture.write_bytes(b"\x89PNG")
    damaged.write_bytes(b"%PDF-1.4\n")
    assert text_layer(picture) is None
    assert text_layer(damaged) is None
