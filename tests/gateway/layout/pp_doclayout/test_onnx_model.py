"""PP-DocLayout from a folder, and what serves where it can't be had."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.layout.pp_doclayout.postprocess import LABELS
from gateway.model import PageImage, Region
from gateway.reading_options import LayoutOptions
from gateway.settings import Settings
from tests.support.fakes import blank
from tests.support.onnx_model import layout_model, sized_model

TABLE, TEXT = 21, 22
V3 = np.array([[TEXT, 0.9, 50, 60, 400, 300, 1], [TABLE, 0.8, 50, 350, 400, 600, 0]], dtype=np.float32)
V2 = np.array([[TEXT, 0.45, 50, 60, 400, 300, 0, 1], [TABLE, 0.45, 50, 350, 400, 600, 1, 0]], dtype=np.float32)


async def started(folder: Path, model: str = "PP-DocLayoutV3", **changes: object) -> LayoutDetector:
    values = {"layout_model": model, "layout_model_dir": folder, "layout_device": "cpu", **changes}
    layout = create_layout(Settings.model_validate(values))
    assert layout.state == "not_initialized"
    await layout.start()
    return layout


async def regions_of(layout: LayoutDetector) -> Sequence[Region]:
    return (await layout.detect(PageImage(1, blank(700, 900)), LayoutOptions())).regions


async def test_v3_order_is_kept(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V3, np.ones((2, 200, 200), dtype=np.int32)))
    layout = await started(tmp_path)
    regions = await regions_of(layout)
    assert (layout.state, layout.name, layout.warning) == ("ready", "PP-DocLayoutV3", None)
    assert [(region.label, region.bbox, region.order, region.polygon) for region in regions] == [
        ("table", (50, 350, 400, 600), 1, None),
        ("text", (50, 60, 400, 300), 2, None),
    ]
    await layout.close()


async def test_v2_thresholds_per_label(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V2))
    layout = await started(tmp_path, "PP-DocLayoutV2")
    assert [region.label for region in await regions_of(layout)] == ["text"]
    await layout.close()


@pytest.mark.parametrize("case", ["empty folder", "broken file", "another model", "another's folder", "no such device"])
async def test_bundled_serves_without_model(tmp_path: Path, case: str) -> None:
    models = {
        "broken file": b"x",
        "another model": layout_model(V3, inputs={"x": [1]}),
        "another's folder": layout_model(V3),
        "no such device": layout_model(V3),
    }
    if case in models:
        (tmp_path / "inference.onnx").write_bytes(models[case])
    if case == "another's folder":
        (tmp_path / "inference.yml").write_text("Global: {model_name: PP-DocLayoutV2}")
    device = "cuda" if case == "no such device" else "cpu"
    layout = await started(tmp_path, layout_device=device)
    assert layout.state == "ready"
    assert "PP-DocLayoutV3" in (layout.warning or "")
    assert await regions_of(layout) == []
    await layout.close()


async def test_batched_pages_keep_regions(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(sized_model())
    layout = await started(tmp_path, layout_batch=8)
    assert layout.warning is None
    pages = [PageImage(at, blank(800 * at, 400)) for at in range(1, 5)]
    found = await asyncio.gather(*(layout.detect(page, LayoutOptions()) for page in pages))
    assert [[region.bbox for region in one.regions] for one in found] == [[(0, 0, 100 * at, 50)] for at in range(1, 5)]
    await layout.close()


@pytest.mark.parametrize(("listed", "label"), [("text", "text"), ("vertical_text", "vertical_text"), ("x", "text")])
async def test_labels_follow_model_config(tmp_path: Path, listed: str, label: str) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V3[:1]))
    labels = [listed if at == TEXT else name for at, name in enumerate(LABELS)]
    (tmp_path / "inference.yml").write_text(f"Global: {{model_name: PP-DocLayoutV2}}\nlabel_list: {labels}")
    layout = await started(tmp_path, "auto")
    assert (layout.name, layout.warning) == ("PP-DocLayoutV2", None)
    assert [region.label for region in await regions_of(layout)] == [label]
    await layout.close()


@pytest.mark.parametrize("content", ["label_list: [text, table]", "[", "- text", "Global: text"])
async def test_foreign_model_config_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V3))
    (tmp_path / "inference.yml").write_text(content)
    layout = await started(tmp_path)
    assert "inference.yml" in (layout.reason or "")
    await layout.close()
