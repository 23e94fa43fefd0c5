"""Which models the language setting brings, from the folder, the hub or Debian, and what is said without any."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rapidocr
from PIL import Image, ImageDraw, ImageFont
from rapidocr.inference_engine.base import InferSession

from tests.support.missing import needs_russian
from tests.support.script_pages import FONT, LINES, script_page
from tests.vlm_backend.embedded.conftest import pixels
from textlines.detection import LineDetector
from vlm_backend.embedded import languages
from vlm_backend.embedded.languages import load_recognizers
from vlm_backend.embedded.reader import CropReader
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.unread import refusal_of
from vlm_backend.settings import Settings

BUNDLED = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"


def settings(folder: Path, language: str, *, download: bool = False) -> Settings:
    return Settings(
        embedded_model_dir=folder, embedded_language=language, embedded_download=download, _env_file=None
    )  # fmt: skip


@pytest.fixture
def no_tessdata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "TESSDATA_FOLDERS", ())
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model hub on this machine that offers the bundled model in place of the East Slavic one."""
    folder = tmp_path / "hub"
    folder.mkdir()
    data = BUNDLED.read_bytes()
    (folder / "eslav_PP-OCRv5_rec_mobile.onnx").write_bytes(data)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    entry = InferSession.model_info["onnxruntime"]["PP-OCRv5"]["rec"]["eslav_PP-OCRv5_rec_mobile"]
    monkeypatch.setitem(
        entry, "model_dir", f"http://127.0.0.1:{server.server_port}/eslav_PP-OCRv5_rec_mobile.onnx"
    )  # fmt: skip
    monkeypatch.setitem(entry, "SHA256", hashlib.sha256(data).hexdigest())
    yield folder
    server.shutdown()
    server.server_close()


def test_the_bundled_model_needs_nothing(tmp_path: Path) -> None:
    loaded = load_recognizers(settings(tmp_path, "ch"))
    assert loaded.model == "pp-ocrv6-small"
    assert loaded.warnings == ()


@pytest.mark.usefixtures("no_tessdata")
@pytest.mark.parametrize("language", ["ru", "auto"])
def test_without_a_cyrillic_model_a_warning_names_the_remedy(tmp_path: Path, language: str) -> None:
    loaded = load_recognizers(settings(tmp_path, language))
    assert loaded.model == "pp-ocrv6-small"
    assert len(loaded.warnings) == 1
    assert "eslav_PP-OCRv5_rec_mobile.onnx is not in" in loaded.warnings[0]
    assert "apt-get install tesseract-ocr-rus" in loaded.warnings[0]


def test_an_unknown_language_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    loaded = load_recognizers(settings(tmp_path, "klingon"))
    assert len(loaded.warnings) == 1
    assert "EMBEDDED_LANGUAGE=klingon" in loaded.warnings[0]
    assert " ru" in loaded.warnings[0]


@pytest.mark.usefixtures("no_tessdata")
def test_a_script_without_its_model_falls_back_with_a_warning(tmp_path: Path) -> None:
    loaded = load_recognizers(settings(tmp_path, "ko"))
    assert loaded.model == "pp-ocrv6-small"
    assert "korean_PP-OCRv5_rec_mobile.onnx" in loaded.warnings[0]


@pytest.mark.usefixtures("no_tessdata")
def test_a_missing_model_is_downloaded_once_and_then_taken_from_the_folder(tmp_path: Path, hub: Path) -> None:
    models = tmp_path / "models"
    first = load_recognizers(settings(models, "ru", download=True))
    assert first.model == "pp-ocrv6-small+pp-ocrv5-eslav"
    assert (models / "eslav_PP-OCRv5_rec_mobile.onnx").is_file()
    (hub / "eslav_PP-OCRv5_rec_mobile.onnx").unlink()
    again = load_recognizers(settings(models, "auto"))
    assert again.model == first.model
    assert again.warnings == ()


@pytest.mark.usefixtures("no_tessdata")
def test_a_download_that_fails_is_a_warning_not_a_crash(tmp_path: Path, hub: Path) -> None:
    (hub / "eslav_PP-OCRv5_rec_mobile.onnx").unlink()
    loaded = load_recognizers(settings(tmp_path / "models", "uk", download=True))
    assert loaded.model == "pp-ocrv6-small"
    assert "can't be loaded from" in loaded.warnings[0]
    assert "tesseract-ocr-ukr" in loaded.warnings[0]


@needs_russian
def test_auto_reads_english_and_russian_with_debians_model(tmp_path: Path) -> None:
    loaded = load_recognizers(settings(tmp_path, "auto"))
    assert loaded.model == "pp-ocrv6-small+tesseract-rus"
    reader = CropReader(LineDetector(), loaded)

    def words(name: str) -> str:
        page = pixels(name)
        return " ".join(line.text.text for line in reader.read(page, reader.find(page), lambda: False))

    assert "Соколова" in words("form-ru.png")
    assert not any("\u0400" <= letter <= "\u04ff" for letter in words("form-en.png"))


@needs_russian
@pytest.mark.parametrize("words", [["Москва"], ["Отчёт"], ["НОВОСТИ ВЕКА", "СОВЕТ", "ВОСТОК"]])
def test_words_that_look_latin_are_read_as_cyrillic_or_told(tmp_path: Path, words: list[str]) -> None:
    """One word, whose line is not sparse; and words of which each letter has a Latin twin."""
    reader = CropReader(LineDetector(), load_recognizers(settings(tmp_path, "auto")))
    font = ImageFont.truetype(str(FONT), 28)
    page = Image.new("RGB", (400, 40 + 48 * len(words)), "white")
    for row, word in enumerate(words):
        ImageDraw.Draw(page).text((30, 20 + 48 * row), word, fill="black", font=font)
    crop = np.asarray(page)
    lines = reader.read(crop, reader.find(crop), lambda: False)
    assert {line.text.text.upper() for line in lines if line.unread is None} <= {word.upper() for word in words}
    assert len(lines) == len(words)


def test_a_line_that_the_cyrillic_model_fails_at_is_told_as_unread(tmp_path: Path) -> None:
    """Its strokes are Cyrillic, the bundled model has found look-alikes and the other one nothing sure."""
    bundled = load_recognizers(settings(tmp_path, "auto"))
    scripts = ("Latin", "Cyrillic", "Chinese", "Japanese")
    recognizers = replace(bundled, cyrillic=lambda _: LineText("Вй", (0.2, 0.2)), scripts=scripts)
    reader = CropReader(LineDetector(), recognizers)
    with Image.open(BytesIO(script_page("Cyrillic"))) as page:
        crop = np.asarray(page.convert("RGB"))
    unread = [line.unread for line in reader.read(crop, reader.find(crop), lambda: False) if line.unread]
    assert len(unread) == len(LINES["Cyrillic"])
    assert "could not be read" in (refusal_of(unread, len(unread), scripts) or "")
