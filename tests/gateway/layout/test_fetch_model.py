"""PP-DocLayout from a hub of the test's own, with the real client of huggingface_hub."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.download import LOCK, DownloadError
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.layout.fetch_model import fetch_in_subprocess
from gateway.settings import Settings
from tests.support.fake_hub import Hub, serve
from tests.support.onnx_model import layout_model
from tests.support.waiting import WAIT_S, eventually

MODEL = "PP-DocLayoutV3"
ONNX = layout_model(
    np.array([[22, 0.9, 50, 60, 400, 300, 1]], dtype=np.float32), np.ones((1, 200, 200), dtype=np.int32)
)
FILES = {"inference.yml": b"Global: {model_name: PP-DocLayoutV3}\n", "inference.onnx": ONNX, "README.md": b"# x"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Its address in HF_ENDPOINT, and a home that can't be written."""
    with serve(Hub(dict(FILES), name=f"PaddlePaddle/{MODEL}_onnx")) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HOME", "/proc")
        for name in [name for name in os.environ if name.startswith("HF_HUB_")]:
            monkeypatch.delenv(name)
        yield running


def held(folder: Path) -> dict[str, bytes]:
    """Files and their content; the lock, which stays, is none of them."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != LOCK}


WHOLE = {name: FILES[name] for name in ("inference.yml", "inference.onnx")}


async def test_needed_files_fetched_once(hub: Hub, tmp_path: Path) -> None:
    for _ in range(2):
        await fetch_in_subprocess(MODEL, tmp_path / "a" / "b")
    assert held(tmp_path / "a" / "b") == WHOLE
    assert hub.downloads() == {name: [0] for name in WHOLE}


@pytest.mark.parametrize("there", [ONNX[:-10], bytes([ONNX[0] ^ 1]) + ONNX[1:]], ids=["cut off", "damaged"])
async def test_broken_file_fetched_again(hub: Hub, tmp_path: Path, there: bytes) -> None:
    (tmp_path / "inference.onnx").write_bytes(there)
    await fetch_in_subprocess(MODEL, tmp_path)
    assert held(tmp_path) == WHOLE


@pytest.mark.parametrize("case", ["no hub", "no model", "offline", "no right"])
async def test_reason_names_remedy(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    folder = tmp_path
    if case == "no hub":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    elif case == "no model":
        hub.name = "PaddlePaddle/another"
    elif case == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        (tmp_path / "file").write_text("")
        folder = tmp_path / "file" / "folder"
    with pytest.raises(DownloadError, match=r"can't be had: .*LAYOUT_MODEL_DIR"):
        await fetch_in_subprocess(MODEL, folder)


async def test_cancelled_download_resumes(hub: Hub, tmp_path: Path) -> None:
    hub.stalls = len(ONNX) - 10
    fetching = asyncio.create_task(fetch_in_subprocess(MODEL, tmp_path))
    assert await asyncio.to_thread(hub.stalled.wait, WAIT_S)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert "inference.onnx" not in held(tmp_path)
    hub.stalls = None
    await fetch_in_subprocess(MODEL, tmp_path)
    assert held(tmp_path) == WHOLE


async def started(tmp_path: Path, **changes: object) -> LayoutDetector:
    layout = create_layout(Settings.model_validate({"temp_dir": tmp_path, "layout_device": "cpu", **changes}))
    await layout.start()
    assert layout.state == "ready"
    return layout


async def until_warning(layout: LayoutDetector, *, is_there: bool) -> None:
    await eventually(lambda: "could not be" in (layout.warning or "") if is_there else layout.warning is None)


async def test_named_model_replaces_bundled(hub: Hub, tmp_path: Path) -> None:
    layout = await started(tmp_path, layout_model=MODEL)
    await until_warning(layout, is_there=False)
    assert layout.name == MODEL
    await layout.close()
    again = await started(tmp_path, layout_model="auto")
    assert (again.name, again.warning) == (MODEL, None)
    await again.close()


async def test_bundled_serves_without_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    layout = await started(tmp_path, layout_model=MODEL)
    await until_warning(layout, is_there=True)
    assert "LAYOUT_MODEL_DIR" in (layout.reason or "")
    await layout.close()


async def test_auto_asks_no_hub(hub: Hub, tmp_path: Path) -> None:
    layout = await started(tmp_path)
    assert (layout.warning, hub.requests) == (None, [])
    await layout.close()


def fetched(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    values = {**os.environ, "TEMP_DIR": str(tmp_path), **environment}
    command = [sys.executable, "-m", "gateway.layout.fetch_model"]
    return subprocess.run(command, env=values, capture_output=True, text=True, check=False)


def test_command_follows_settings(hub: Hub, tmp_path: Path) -> None:
    bundled = fetched(tmp_path, LAYOUT_MODEL="bundled")
    assert (bundled.returncode, list(tmp_path.iterdir())) == (0, [])
    assert fetched(tmp_path).returncode == 0
    assert held(tmp_path / "layout" / MODEL) == WHOLE
    assert fetched(tmp_path, LAYOUT_MODEL_DIR=str(tmp_path / "own")).returncode == 0
    assert held(tmp_path / "own") == WHOLE
    hub.error = (503, "")
    failed = fetched(tmp_path, LAYOUT_MODEL_DIR=str(tmp_path / "other"))
    assert (failed.returncode, "can't be had" in failed.stderr) == (1, True)
