"""PP-DocLayout from a folder, and what serves where it can't be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.layout import create_layout
from gateway.layout.base import LayoutDetector
from gateway.model import PageImage
from gateway.settings import Settings
from tests.support.fakes import blank
from tests.support.onnx_model import layout_model

TABLE, TEXT = 21, 22
V3 = np.array([[TEXT, 0.9, 50, 60, 400, 300, 1], [TABLE, 0.8, 50, 350, 400, 600, 0]], dtype=np.float32)
V2 = np.array([[TEXT, 0.45, 50, 60, 400, 300, 0, 1], [TABLE, 0.45, 50, 350, 400, 600, 1, 0]], dtype=np.float32)


async def started(folder: Path | None, model: str = "PP-DocLayoutV3", **changes: object) -> LayoutDetector:
    values = {"layout_model": model, "layout_model_dir": folder, "layout_device": "cpu", **changes}
    layout = create_layout(Settings.model_validate(values))
    assert layout.state == "not_initialized"
    await layout.start()
    return layout


async def test_v3_gives_regions_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V3, np.ones((2, 200, 200), dtype=np.int32)))
    layout = await started(tmp_path)
    regions = await layout.detect(PageImage(1, blank(700, 900)))
    assert (layout.state, layout.name, layout.warning) == ("ready", "PP-DocLayoutV3", None)
    assert [(region.label, region.bbox, region.order, region.polygon) for region in regions] == [
        ("table", (50, 350, 400, 600), 1, None),
        ("text", (50, 60, 400, 300), 2, None),
    ]
    await layout.close()


async def test_v2_has_a_threshold_for_each_label(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(layout_model(V2))
    layout = await started(tmp_path, "PP-DocLayoutV2")
    assert [region.label for region in await layout.detect(PageImage(1, blank(700, 900)))] == ["text"]
    await layout.close()


@pytest.mark.parametrize("case", ["no folder", "empty folder", "broken file", "another model", "no such device"])
async def test_the_bundled_model_serves_where_it_can_not_be_had(tmp_path: Path, case: str) -> None:
    models = {
        "broken file": b"x",
        "another model": layout_model(V3, inputs={"x": [1]}),
        "no such device": layout_model(V3, np.ones((2, 200, 200), dtype=np.int32)),
    }
    if case in models:
        (tmp_path / "inference.onnx").write_bytes(models[case])
    device = "cuda" if case == "no such device" else "cpu"
    layout = await started(None if case == "no folder" else tmp_path, layout_device=device)
    assert layout.state == "ready"
    assert "PP-DocLayoutV3" in (layout.warning or "")
    assert await layout.detect(PageImage(1, blank(700, 900))) == []
    await layout.close()
