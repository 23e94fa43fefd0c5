"""Which models read which language, and where they are found.

The wheel's PP-OCRv6 reads Latin, Chinese and Japanese. PP-OCRv5 has models for other scripts, which RapidOCR downloads;
for Cyrillic, Tesseract with Debian's `tesseract-ocr-rus` (and its siblings) serves where no PP-OCR model can be had,
and is fetched from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from common.debian import FetchError, put_in_place, unpack
from textlines.recognition import CtcModel, load_bundled_model
from vlm_backend.embedded.recognizers import LineRecognizer, PaddleRecognizer, TesseractRecognizer
from vlm_backend.settings import Settings

BUNDLED_MODEL = "pp-ocrv6-small"

CYRILLIC = {"ru": "eslav", "uk": "eslav", "be": "eslav"} | dict.fromkeys(
    ("bg", "sr", "mk", "kk", "ky", "mn", "tg", "tt"), "cyrillic"
)
"""Languages in Cyrillic script to the name of PP-OCRv5's model that reads them."""

OTHER_SCRIPTS = {
    "ko": "korean", "ar": "arabic", "fa": "arabic", "ur": "arabic", "el": "el", "th": "th",
    "hi": "devanagari", "mr": "devanagari", "ne": "devanagari", "ta": "ta", "te": "te",
}  # fmt: skip
"""Other languages that the bundled model can't read, to the name of PP-OCRv5's model."""

BUNDLED_SCRIPTS = ("Latin", "Chinese", "Japanese")

MODEL_SCRIPTS = {
    "eslav": "Cyrillic", "cyrillic": "Cyrillic", "korean": "Korean", "arabic": "Arabic", "el": "Greek", "th": "Thai",
    "devanagari": "Devanagari", "ta": "Tamil", "te": "Telugu",
}  # fmt: skip
"""PP-OCRv5's models to the script that each reads beside Latin."""

TESSERACT = {
    "ru": "rus", "uk": "ukr", "be": "bel", "bg": "bul", "sr": "srp", "mk": "mkd", "kk": "kaz", "ky": "kir",
    "mn": "mon", "tg": "tgk", "tt": "tat",
}  # fmt: skip
"""Languages to Tesseract's names; Debian's packages are `tesseract-ocr-<name>`."""

LATIN = "eng"
"""Tesseract's name for the data that read Latin words in a Cyrillic line."""
TESSDATA_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
)


class ModelMissing(Exception):
    """No model for the language is at hand; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Recognizers:
    """`main` reads every line; `cyrillic`, if any, what it can't. `sure`: the user said that the text is Cyrillic.
    `judge` is the bundled model where `main` is another one, which can't tell scripts.

    `model` is the id that `/v1/models` shows; `scripts` name what can be read. `warnings` say what was asked for and
    can't be had; `missing` is the language of Tesseract's data that would help.
    """

    main: PaddleRecognizer
    model: str
    scripts: tuple[str, ...] = BUNDLED_SCRIPTS
    cyrillic: LineRecognizer | None = None
    sure: bool = False
    warnings: tuple[str, ...] = ()
    missing: str | None = None
    judge: LineRecognizer | None = None


def load_recognizers(settings: Settings) -> Recognizers:
    """Loads what the settings ask for; what is missing is replaced by the bundled model and named in `warnings`."""
    language = settings.embedded_language.strip().lower()
    if language in OTHER_SCRIPTS:
        return _other_script(OTHER_SCRIPTS[language], settings)
    main = _load_bundled()
    if language != "auto" and language not in CYRILLIC:
        return Recognizers(main, BUNDLED_MODEL, warnings=_unknown(language))
    try:
        cyrillic, name = _cyrillic(language, settings)
    except ModelMissing as missing:
        return Recognizers(main, BUNDLED_MODEL, warnings=(str(missing),), missing=TESSERACT[_resolve_auto(language)])
    first, *others = BUNDLED_SCRIPTS
    scripts = (first, "Cyrillic", *others)
    return Recognizers(main, f"{BUNDLED_MODEL}+{name}", scripts, cyrillic, sure=language != "auto")


async def fetch_cyrillic(language: str, settings: Settings) -> None:
    """Gets Tesseract's data for `language` (its own name) into the model folder, and those for Latin words between
    Cyrillic ones; raises ModelMissing."""
    try:
        await fetch_tessdata(language, settings.embedded_model_dir.absolute(), companion=LATIN)
    except FetchError as error:
        raise ModelMissing(
            f"Cyrillic text can't be read: {package_of(language)} could not be fetched ({error}). Install it (Debian, "
            f"Ubuntu: apt-get install {package_of(language)}) or put {language}.traineddata into EMBEDDED_MODEL_DIR; "
            "the next start tries again"
        ) from error


def package_of(language: str) -> str:
    """Debian's package that holds the data of a language by Tesseract's name."""
    return f"tesseract-ocr-{language.replace('_', '-')}"


async def fetch_tessdata(language: str, folder: Path, *, companion: str) -> None:
    """Puts a language's data into `folder`, and `companion`'s before where they can be had; raises FetchError."""
    async with unpack([package_of(language)], folder, extras=[package_of(companion)]) as content:
        with contextlib.suppress(FetchError):
            await asyncio.to_thread(put_in_place, content, f"{companion}.traineddata", folder)
        await asyncio.to_thread(put_in_place, content, f"{language}.traineddata", folder)


def _resolve_auto(language: str) -> str:
    """The language that stands for Cyrillic where none was named."""
    return "ru" if language == "auto" else language


def _unknown(language: str) -> tuple[str, ...]:
    from rapidocr import ModelType, OCRVersion, RapidOCR
    from rapidocr.utils.typings import TaskType

    bundled = RapidOCR.list_supported_langs(TaskType.REC, OCRVersion.PPOCRV6, ModelType.SMALL)
    if language in (*bundled, "ja", "zh"):
        return ()
    known = ", ".join(["auto", *bundled, *CYRILLIC, *OTHER_SCRIPTS])
    return (f"EMBEDDED_LANGUAGE={language} is not known, the bundled model reads instead; known are {known}",)


def _other_script(script: str, settings: Settings) -> Recognizers:
    try:
        main = _paddle(script, settings, settings.embedded_download)
        scripts = ("Latin", MODEL_SCRIPTS[script])
        return Recognizers(main, f"pp-ocrv5-{script}", scripts, judge=_load_judge())
    except ModelMissing as missing:
        return Recognizers(_load_bundled(), BUNDLED_MODEL, warnings=(str(missing),))


def _cyrillic(language: str, settings: Settings) -> tuple[LineRecognizer, str]:
    """PP-OCRv5's model, or Tesseract's. `auto` takes what is on the machine and downloads nothing."""
    asked = _resolve_auto(language)
    script = CYRILLIC[asked]
    try:
        return _paddle(script, settings, settings.embedded_download and language != "auto"), f"pp-ocrv5-{script}"
    except ModelMissing as paddle_missing:
        try:
            return _tesseract(TESSERACT[asked], settings), f"tesseract-{TESSERACT[asked]}"
        except ModelMissing as tesseract_missing:
            raise ModelMissing(
                f"Cyrillic text can't be read: {paddle_missing}; {tesseract_missing}. "
                f"On Debian or Ubuntu, `apt-get install {package_of(TESSERACT[asked])}` is enough"
            ) from None


def _paddle(script: str, settings: Settings, download: bool) -> PaddleRecognizer:
    name = f"{script}_PP-OCRv5_rec_mobile.onnx"
    folder = settings.embedded_model_dir.absolute()
    if not download and not (folder / name).is_file():
        raise ModelMissing(f"{name} is not in {folder}")
    try:
        return _load_paddle(script, folder)
    except Exception as error:  # RapidOCR raises a family of its own for every kind of trouble
        raise ModelMissing(f"{name} can't be loaded from {folder} or downloaded ({_first_line(error)})") from error


def _load_bundled() -> PaddleRecognizer:
    return PaddleRecognizer(load_bundled_model(), script_guesses="doubtful")


def _load_judge() -> LineRecognizer:
    """The bundled model beside another one that reads: it tells scripts, however sure it is of a text."""
    return PaddleRecognizer(load_bundled_model(), script_guesses="all")


def _load_paddle(script: str, folder: Path) -> PaddleRecognizer:
    """RapidOCR's list says where the model is and what it must be; a file of the folder that is not it is replaced."""
    from rapidocr import LangRec, ModelType, OCRVersion
    from rapidocr.inference_engine.base import FileInfo, InferSession
    from rapidocr.utils.download_file import DownloadFile, DownloadFileInput
    from rapidocr.utils.log import logger
    from rapidocr.utils.typings import EngineType, TaskType

    logger.setLevel(logging.ERROR)
    wanted = FileInfo(EngineType.ONNXRUNTIME, OCRVersion.PPOCRV5, TaskType.REC, LangRec(script), ModelType.MOBILE)
    model = InferSession.get_model_url(wanted)
    file = folder / Path(model["model_dir"]).name
    folder.mkdir(parents=True, exist_ok=True)
    DownloadFile.run(DownloadFileInput(model["model_dir"], file, logger, model["SHA256"]))
    return PaddleRecognizer(CtcModel(file), is_reversed=script == "arabic")


def _tesseract(language: str, settings: Settings) -> LineRecognizer:
    folders = [os.environ.get("TESSDATA_PREFIX"), str(settings.embedded_model_dir.absolute()), *TESSDATA_FOLDERS]
    for folder in (Path(folder) for folder in folders if folder):
        if (folder / f"{language}.traineddata").is_file():
            mixed = f"{language}+{LATIN}" if (folder / f"{LATIN}.traineddata").is_file() else None
            try:
                return TesseractRecognizer(folder, language, mixed)
            except (ImportError, RuntimeError) as error:
                raise ModelMissing(f"Tesseract can't load {language} ({_first_line(error)})") from error
    raise ModelMissing(f"no {language}.traineddata for Tesseract was found")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
