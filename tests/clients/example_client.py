"""Run by an interpreter that has requests: the calls of PaddleOCR's documentation, which check for nothing.

Arguments: the service's URL, the document's path, PaddleX's `fileType`, a folder to write to. Prints the files written.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import requests


def call(url: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
    response = requests.post(url, json=payload)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["result"]["layoutParsingResults"]
    return found


def save(result: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "doc.md").write_text(result["markdown"]["text"])
    for path, image in result["markdown"]["images"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(base64.b64decode(image))


def main(url: str, path: str, file_type: str, to: str) -> None:
    folder = Path(to)
    file = base64.b64encode(Path(path).read_bytes()).decode("ascii")
    pages = []
    for i, res in enumerate(call(f"{url}/layout-parsing", {"file": file, "fileType": int(file_type)})):
        pages.append({"prunedResult": res["prunedResult"], "markdownImages": res["markdown"].get("images")})
        save(res, folder / f"markdown_{i}")
        for name, image in res["outputImages"].items():
            (folder / f"{name}_{i}.jpg").write_bytes(base64.b64decode(image))
    (whole,) = call(f"{url}/restructure-pages", {"pages": pages, "concatenatePages": True})
    save(whole, folder / "restructured")
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    sys.stdout.write("\n" + json.dumps(files) + "\n")


main(*sys.argv[1:])
