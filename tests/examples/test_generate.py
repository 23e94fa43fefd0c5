"""The generator gives what is committed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFont import FreeTypeFont

from examples.fonts import Face, Fonts, FontsMissingError, find_fonts
from examples.generate import SELFCHECK_PATH, compose, main, truth_of, write_examples, write_selfcheck
from examples.truth import TruthFile, load_truth
from tests.examples.test_typeset import stand_in


@pytest.fixture(scope="module")
def fonts() -> Fonts:
    try:
        return find_fonts()
    except FontsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def written(fonts: Fonts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder, fonts)
    return folder


def _small(face: Face, size: int) -> FreeTypeFont:
    """Pillow's own font, which is wider than those of the examples, small enough to fit their columns."""
    return stand_in(face, size * 3 // 4)


def _without_boxes(files: dict[str, TruthFile]) -> dict[str, TruthFile]:
    """Boxes depend on the fonts, all else on the texts and layouts alone."""
    return {
        name: replace(
            file,
            pages=tuple(
                replace(page, blocks=tuple(replace(block, bbox=(0, 0, 0, 0)) for block in page.blocks))
                for page in file.pages
            ),
        )
        for name, file in files.items()
    }


def _pixels(path: Path) -> list[NDArray[np.float64]]:
    """Grey pixels of each page."""
    if path.suffix == ".pdf":
        with pdfium.PdfDocument(path) as document:
            return [np.asarray(page.render().to_pil().convert("L"), dtype=np.float64) for page in document]
    with Image.open(path) as image:
        return [np.asarray(image.convert("L"), dtype=np.float64)]


def _differ(path: Path, other: Path) -> float:
    """Mean difference of grey levels, of the page where it is largest."""
    return max(float(np.abs(a - b).mean()) for a, b in zip(_pixels(path), _pixels(other), strict=True))


def test_committed_truth_is_that_of_the_texts() -> None:
    assert _without_boxes(load_truth()) == _without_boxes(truth_of(compose(_small)))


def test_boxes_are_those_of_the_committed_truth(written: Path) -> None:
    """Up to the pixels by which versions of FreeType differ."""
    made, committed = load_truth(written / "truth.json"), load_truth()
    boxes = [
        np.array([block.bbox for file in truth.values() for page in file.pages for block in page.blocks])
        for truth in (made, committed)
    ]
    assert np.abs(boxes[0] - boxes[1]).max() <= 3


@pytest.mark.parametrize("name", load_truth())
def test_files_look_like_the_committed_ones(written: Path, name: str) -> None:
    assert _differ(written / name, load_truth()[name].path) < 1.0


def test_files_are_the_same_every_time(written: Path, fonts: Fonts, tmp_path: Path) -> None:
    again = write_examples(tmp_path, fonts)
    assert [path.read_bytes() for path in again] == [(written / path.name).read_bytes() for path in again]


def test_selfcheck_page_is_small_and_the_generators(fonts: Fonts, tmp_path: Path) -> None:
    assert SELFCHECK_PATH.stat().st_size < 20_000
    assert _differ(write_selfcheck(tmp_path / "selfcheck.png", fonts), SELFCHECK_PATH) < 1.0


def test_missing_fonts_are_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--font-dir", str(tmp_path)])
    message = str(exit_.value.code)
    assert "LiberationSerif-Regular.ttf" in message
    assert "--font-dir" in message
    assert "\n" not in message


def test_missing_fontconfig_is_missing_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    with pytest.raises(FontsMissingError, match=r"NotoSerifCJK-Bold\.ttc"):
        find_fonts()
