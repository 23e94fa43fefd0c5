"""The modules that docs/architecture.md names."""

from __future__ import annotations

import re

import pytest

from tests.supervision.support import ROOT

PLACES = (
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Where things live")[1].split("```")[1]
)
NAMED = [
    (folder, name)
    for folder, text in re.findall(r"^(\w+)/(.*?)(?=^\S|\Z)", PLACES, re.DOTALL | re.MULTILINE)
    for name in re.findall(r"\b(\w+\.py)\b", text)
]


@pytest.mark.parametrize("folder", sorted({folder for folder, _ in NAMED}))
def test_each_module_is_there(folder: str) -> None:
    existing = {file.name for file in (ROOT / folder).rglob("*.py")}
    assert {name for place, name in NAMED if place == folder} <= existing


def test_modules_are_named() -> None:
    assert ("gateway", "pipeline.py") in NAMED
