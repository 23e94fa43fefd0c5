"""Data for Cyrillic that the engine fetches when it starts: what it does meanwhile, after, and without it."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path

import pytest
import rapidocr
from rapidocr.inference_engine.base import InferSession

from vlm_backend.embedded import engine as engine_module
from vlm_backend.embedded import languages
from vlm_backend.embedded.engine import EmbeddedEngine
from vlm_backend.embedded.languages import ModelMissing
from vlm_backend.settings import Settings

BUNDLED = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_rec_small.onnx"
CYRILLIC = "eslav_PP-OCRv5_rec_mobile"


@pytest.fixture(autouse=True)
def no_tessdata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "TESSDATA_FOLDERS", ())
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)


def engine_of(folder: Path, **names: object) -> EmbeddedEngine:
    return EmbeddedEngine(Settings.model_validate({"embedded_model_dir": folder, **names}))


async def test_what_comes_late_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model stands for the Cyrillic one, which no test can download."""
    entry = InferSession.model_info["onnxruntime"]["PP-OCRv5"]["rec"][CYRILLIC]
    monkeypatch.setitem(entry, "SHA256", hashlib.sha256(BUNDLED.read_bytes()).hexdigest())
    monkeypatch.setattr(engine_module, "FETCH_WAIT_S", 0.0)
    is_there, seen = asyncio.Event(), []

    async def fetch(language: str, settings: Settings) -> None:
        seen.append(language)
        await is_there.wait()
        shutil.copy(BUNDLED, settings.embedded_model_dir / f"{CYRILLIC}.onnx")

    monkeypatch.setattr(engine_module, "fetch_cyrillic", fetch)
    engine = engine_of(tmp_path)
    await engine.load()
    assert (engine.state, engine.model, seen) == ("ready", "pp-ocrv6-small", ["rus"])
    assert "Cyrillic" not in engine.scripts
    is_there.set()
    async with asyncio.timeout(120):
        while "Cyrillic" not in engine.scripts:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.02)
    assert engine.models == ("pp-ocrv6-small+pp-ocrv5-eslav", "pp-ocrv6-small")
    assert engine.warnings == ()
    engine.close()


async def test_the_start_never_fails_for_want_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = engine_of(tmp_path)
    await engine.load()
    assert engine.state == "ready"
    [warning] = engine.warnings
    assert "no apt-get" in warning
    assert "tesseract-ocr-rus" in warning
    engine.close()


@pytest.mark.parametrize("names", [{"embedded_download": False}, {"embedded_language": "ch"}])
async def test_nothing_is_fetched_that_was_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: dict[str, object]
) -> None:
    async def fetch(language: str, settings: Settings) -> None:
        raise ModelMissing("it was fetched")

    monkeypatch.setattr(engine_module, "fetch_cyrillic", fetch)
    engine = engine_of(tmp_path, **names)
    await engine.load()
    assert engine.state == "ready"
    assert "it was fetched" not in engine.warnings
    engine.close()
