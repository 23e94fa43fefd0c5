"""ONNX Runtime in the gateway and PaddleOCR's `LayoutDetection` find the same on the same answers of the network."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.layout.paddleocr.layout_process import PROGRAM
from gateway.model import BBox, Polygon, Region
from gateway.reading_options import LayoutOptions
from gateway.settings import Settings
from tests.gateway.layout.paddleocr import engine_pages
from tests.support.layout_python import layout_python
from tests.support.onnx_model import description, table_model

pytestmark = pytest.mark.timeout(1200)

OPTIONS = (
    LayoutOptions(),
    LayoutOptions(shape="rect", merge="small", threshold=0.5),
    LayoutOptions(shape="poly", nms=False, merge="large"),
    LayoutOptions(shape="quad", threshold={"text": 0.2, "table": 0.7}, merge={"text": "small", "table": "large"}),
    LayoutOptions(merge="union", threshold=0, stretch=(1.1, 1.2)),
)
"""One after the other over the pages; the first also for all of them."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """`what`: "boxes" (those that one side alone has) or "outline" (of one box)."""

    page: int
    what: str
    ours: Sequence[tuple[str, BBox]] | Polygon | None
    theirs: Sequence[tuple[str, BBox]] | Polygon | None


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    reason: str
    explains: Callable[[Deviation], bool]


@cache
def _boxes(page: int) -> NDArray[np.float32]:
    return engine_pages.network().rows[page, :, 2:6].round()


def _hold_each_other(one: Deviation) -> bool:
    """Each box that PaddleX lacks holds another box of the network, and is held by it; some pages are made for it."""
    if one.what != "boxes" or one.theirs or not one.ours:
        return False
    if one.page in engine_pages.MUTUAL:
        return True
    return all(any(_is_mutual(np.array(box), other) for other in _boxes(one.page)) for _, box in one.ours)


def _is_mutual(box: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    areas = [np.prod(one[2:] - one[:2]) for one in (box, other)]
    return bool((box != other).any() and (sides > 0).all() and np.prod(sides) >= 0.9 * max(areas))


def _is_moved_corner(one: Deviation) -> bool:
    """As many corners, and each that differs is one of about 45 degrees in ours.

    On pages with many of them another choice between outline and quadrilateral follows from it too.
    """
    if one.what == "outline" and one.page in engine_pages.SHARP:
        return True
    if one.what != "outline" or not one.ours or not one.theirs or len(one.ours) != len(one.theirs):
        return False
    ours = np.array(one.ours, dtype=np.float64)
    back, on = np.roll(ours, 1, axis=0) - ours, np.roll(ours, -1, axis=0) - ours
    lengths = np.linalg.norm(back, axis=1) * np.linalg.norm(on, axis=1)
    angles = np.degrees(np.arccos(np.clip((back * on).sum(axis=1) / lengths, -1, 1)))
    moved = [at for at, (here, there) in enumerate(zip(one.ours, one.theirs, strict=True)) if here != there]
    return all(40 < angles[at] < 50 for at in moved)


def _is_other_edges(one: Deviation) -> bool:
    """Only in which corners were put back into an edge that is too long, the others being equal."""
    if one.what != "outline" or not one.ours or not one.theirs:
        return False
    ours, theirs = set(one.ours), set(one.theirs)
    return len(ours & theirs) >= 4 and (ours < theirs or theirs < ours)


DIFFERENCES = (
    Difference(
        "boxes beyond the page",
        "end at its edge before they are compared: PaddleX compares what is not on the page too",
        lambda one: one.page in engine_pages.BEYOND,
    ),
    Difference(
        "boxes that hold each other",
        "keep the surer one: PaddleX deletes both",
        _hold_each_other,
    ),
    Difference(
        "corners of 45 degrees",
        "stay: PaddleX moves them far into the region, which cuts text off",
        _is_moved_corner,
    ),
    Difference(
        "long edges",
        "are measured by the page's widest region: PaddleX subtracts a region's top from its right",
        _is_other_edges,
    ),
)


def explanation(deviation: Deviation) -> Difference | None:
    return next((one for one in DIFFERENCES if one.explains(deviation)), None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout_python()
    folder = tmp_path_factory.mktemp("model")
    network = engine_pages.network()
    (folder / "inference.onnx").write_bytes(table_model(network.rows, network.masks, engine_pages.REDNESS))
    (folder / "inference.yml").write_text(description("PP-DocLayoutV3"))
    return folder


def create(model: Path, engine: str) -> LayoutDetector:
    values = {
        "layout_engine": engine,
        "layout_model_dir": model,
        "layout_python": layout_python(),
        "layout_device": "cpu",
        "layout_batch": 4,
        "layout_timeout_s": 300,
        "temp_dir": model / "temp",
    }
    return create_layout(Settings.model_validate(values))


async def found(model: Path, engine: str) -> list[list[Region]]:
    """Detections of each page with the usual options, then of each with others, all pages asked at once."""
    layout = create(model, engine)
    await layout.start()
    assert (layout.engine, layout.warning) == (engine, None), layout.reason
    pages = engine_pages.pages()
    asked = [(page, OPTIONS[0]) for page in pages]
    asked += [(page, OPTIONS[at % len(OPTIONS)]) for at, page in enumerate(pages, start=1)]
    answers = await asyncio.gather(*(layout.detect(page, options) for page, options in asked))
    await layout.close()
    assert [answer.warning for answer in answers if answer.warning] == []
    return [list(answer.detections) for answer in answers]


@pytest.fixture(scope="module")
def both(model: Path) -> list[tuple[list[Region], list[Region]]]:
    """Ours and PaddleOCR's."""
    return list(zip(*(asyncio.run(found(model, engine)) for engine in ("onnx", "paddleocr")), strict=True))


def deviations(page: int, ours: Sequence[Region], theirs: Sequence[Region]) -> list[Deviation]:
    our, their = [(one.label, one.bbox) for one in ours], [(one.label, one.bbox) for one in theirs]
    only_ours, only_theirs = [one for one in our if one not in their], [one for one in their if one not in our]
    outlines = {(one.label, one.bbox): one.polygon for one in theirs}
    pairs = [(one.polygon, outlines[key]) for one in ours if (key := (one.label, one.bbox)) in outlines]
    different = [Deviation(page, "outline", a, b) for a, b in pairs if _turned(a) != _turned(b)]
    if only_ours or only_theirs:
        return [Deviation(page, "boxes", only_ours, only_theirs), *different]
    return different if our == their else [Deviation(page, "order", our, their), *different]


def _turned(outline: Polygon | None) -> Sequence[tuple[int, int]] | None:
    """From its first corner on: where an outline of four begins means nothing."""
    return sorted(outline) if outline and len(outline) == 4 else outline


@pytest.fixture(scope="module")
def deviating(both: list[tuple[list[Region], list[Region]]]) -> list[Deviation]:
    return [one for at, pair in enumerate(both) for one in deviations(at % engine_pages.COUNT, *pair)]


def test_every_difference_is_listed(deviating: list[Deviation]) -> None:
    assert [one for one in deviating if explanation(one) is None] == []


def test_every_listed_difference_is_seen(deviating: list[Deviation]) -> None:
    seen = {known.name for one in deviating if (known := explanation(one))}
    assert [one.name for one in DIFFERENCES if one.name not in seen] == []


def test_enough_was_compared(both: list[tuple[list[Region], list[Region]]]) -> None:
    assert len(both) == 2 * engine_pages.COUNT
    regions = [one for ours, _ in both for one in ours]
    assert len({one.label for one in regions}) == 25
    assert sum(one.polygon is not None for one in regions) > 100


def test_scores_are_the_same(both: list[tuple[list[Region], list[Region]]]) -> None:
    """They hold how red the page is: neither engine takes red for blue, or another page for this one."""
    for ours, theirs in both:
        scores = {(one.label, one.bbox): one.score for one in theirs}
        for one in ours:
            assert scores.get((one.label, one.bbox), one.score) == pytest.approx(one.score, abs=1e-4)


async def test_killed_batch_loses_no_page(model: Path) -> None:
    layout = create(model, "paddleocr")
    await layout.start()
    (worker,) = _workers()
    pages = engine_pages.pages()[:12]
    asked = [asyncio.create_task(layout.detect(page, LayoutOptions())) for page in pages]
    await asked[0]
    os.kill(worker.pid, signal.SIGKILL)
    answers = await asyncio.gather(*asked)
    assert [answer.warning for answer in answers if answer.warning] == []
    assert [other.pid for other in _workers()] != [worker.pid]
    assert (layout.state, layout.engine) == ("ready", "paddleocr")
    await layout.close()
    assert _workers() == []


def _workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if str(PROGRAM) in child.cmdline()]


def test_one_headless_opencv() -> None:
    question = (
        "import importlib.metadata as m; print(*{d.name for d in m.distributions() if d.name.startswith('opencv')}); "
        "import cv2; print(*[line for line in cv2.getBuildInformation().splitlines() if 'GUI:' in line])"
    )
    said = subprocess.run([layout_python(), "-c", question], capture_output=True, text=True, timeout=300, check=True)
    names, gui = said.stdout.splitlines()
    assert names == "opencv-contrib-python-headless"
    assert "NONE" in gui


def test_the_gateway_never_imports_paddleocr() -> None:
    root = PROGRAM.parents[2]
    sources = {file: file.read_text(encoding="utf-8") for file in root.rglob("*.py")}
    statement = re.compile(r"^\s*(import|from) paddle(ocr|x)\b", re.MULTILINE)
    importing = [file.name for file, text in sources.items() if statement.search(text)]
    assert importing == [PROGRAM.name]
