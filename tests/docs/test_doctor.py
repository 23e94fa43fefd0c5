"""docs/doctor.md explains every check."""

from __future__ import annotations

import re
from pathlib import Path

from vlm_backend.doctor.examination import CHECKS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_every_check_has_its_section_and_every_section_its_check() -> None:
    assert sorted(re.findall(r"^### (\S+)$", TEXT, re.MULTILINE)) == sorted(
        {name for table in CHECKS.values() for name in table}
    )


def test_links_lead_to_sections() -> None:
    sections = set(re.findall(r"^### (\S+)$", TEXT, re.MULTILINE))
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= sections
