"""The calls of PaddleOCR's documentation, which are the same in each of its ten languages: nothing is checked for."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.gateway.api.paddlex.conftest import regions_of
from tests.support.server import Gateway


def test_the_documented_client_writes_its_files(served: Gateway, tiff: bytes, tmp_path: Path) -> None:
    served.layout.regions = regions_of("doc_title", "image")
    payload = {"file": base64.b64encode(tiff).decode("ascii"), "fileType": 1}
    response = served.client.post("/layout-parsing", json=payload)
    assert response.status_code == 200
    for i, res in enumerate(response.json()["result"]["layoutParsingResults"]):
        assert res["prunedResult"]
        folder = tmp_path / f"markdown_{i}"
        folder.mkdir()
        (folder / "doc.md").write_text(res["markdown"]["text"])
        for path, image in res["markdown"]["images"].items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(base64.b64decode(image))
        for name, image in res["outputImages"].items():
            (tmp_path / f"{name}_{i}.jpg").write_bytes(base64.b64decode(image))
    assert len(list(tmp_path.glob("layout_det_res_*.jpg"))) == 3
    for folder in tmp_path.glob("markdown_*"):
        (picture,) = folder.glob("imgs/*.jpg")
        assert f'src="imgs/{picture.name}"' in (folder / "doc.md").read_text()
