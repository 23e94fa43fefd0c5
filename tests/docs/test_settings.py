from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings import Settings as GatewaySettings
from tools.settings_doc import document_text
from vlm_backend.settings import Settings as VlmSettings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| .+ \| .+ \| .+ \|$", re.MULTILINE)
ASSIGNMENT = re.compile(r"\b([A-Z][A-Z0-9]*_?[A-Z0-9_]+)=")
FIELDS = {**VlmSettings.model_fields, **GatewaySettings.model_fields}


def test_the_document_is_what_the_tables_say() -> None:
    assert document_text() == SETTINGS, "run `make docs`"


def test_every_setting_has_exactly_one_row() -> None:
    rows = ROW.findall(SETTINGS)
    assert sorted(name for name in rows if name.lower() in FIELDS) == sorted(name.upper() for name in FIELDS)


@pytest.mark.parametrize("table", [GatewaySettings, VlmSettings])
def test_every_field_is_described(table: type[GatewaySettings] | type[VlmSettings]) -> None:
    assert [name for name, field in table.model_fields.items() if not field.description] == []


def test_names_of_both_tiers_mean_the_same_in_both() -> None:
    for name in GatewaySettings.model_fields.keys() & VlmSettings.model_fields.keys():
        ours, theirs = GatewaySettings.model_fields[name], VlmSettings.model_fields[name]
        assert (ours.default, ours.annotation, ours.description) == (
            theirs.default,
            theirs.annotation,
            theirs.description,
        ), name


def test_the_fixed_names_of_the_architecture_are_documented() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = architecture.split("## Settings that are part of the contract")[1].split("\n## ")[0]
    names = re.findall(r"`([A-Z][A-Z0-9_]+)`", "\n".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)))
    assert "PORT" in names
    assert set(names) <= set(ROW.findall(SETTINGS))


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "docs/api.md", "docs/architecture.md"])
def test_settings_named_in_the_documentation_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(ASSIGNMENT.findall(text)) <= set(ROW.findall(SETTINGS))
