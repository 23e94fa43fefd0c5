"""docs/paddlex.md names every field of PaddleX's dialect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.api.paddlex.schema import LayoutParsingRequest, RestructurePagesRequest

DOC = (Path(__file__).resolve().parents[2] / "docs" / "paddlex.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "model"),
    [("## Request", LayoutParsingRequest), ("## `POST /restructure-pages`", RestructurePagesRequest)],
)
def test_every_field_is_documented_and_exists(heading: str, model: type[BaseModel]) -> None:
    table = DOC.split(heading)[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(cells)))
    assert named == set(model.model_json_schema(by_alias=True)["properties"])
