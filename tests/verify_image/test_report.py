"""The report from findings that were made up."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from scripts.verify_image import texts
from scripts.verify_image.checks import CHECKS
from scripts.verify_image.finding import Finding, fail, none, ok, warn
from scripts.verify_image.report import Verification, as_json, markdown
from scripts.verify_image.scenarios import SCENARIOS
from scripts.verify_image.texts import Language
from tests.supervision.support import ROOT

SOURCES = ROOT / "scripts" / "verify_image"
RIGHT = ok("start.ok", seconds=1.23)


def verification(**columns: dict[str, Finding]) -> Verification:
    whole = {name: dict.fromkeys(CHECKS, RIGHT) | column for name, column in columns.items()}
    return Verification("localhost/made-up", "podman", "2026-01-02 03:04 UTC", "x86_64", 4, None, whole)


def cells(text: str, row: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")][1:]


def test_each_scenario_is_a_column_and_each_check_a_row() -> None:
    text = markdown(verification(default={}, root={"port": none("not-reached")}), "en")
    assert cells(text, "check") == ["as it is", "root"]
    assert cells(text, "port") == ["✅ 1.2 s", "–"]
    assert "Nothing failed." in text
    assert "## Why" not in text


def test_what_is_not_right_is_explained_below_and_once() -> None:
    untried = warn("untried.no-gpu")
    text = markdown(verification(default={"stop": fail("stop.code", code=7)}, gpu=dict.fromkeys(CHECKS, untried)), "ru")
    assert cells(text, "SIGTERM") == ["❌ (2)", "⚠️ (1)"]
    assert "2. ❌ После SIGTERM код 7, а не 0. *(как есть: SIGTERM)*" in text
    assert "1. ⚠️ Не проверено: здесь нет GPU. *(с GPU)*" in text
    assert "Не пройдено проверок: 1." in text


def test_what_a_service_said_does_not_break_the_table() -> None:
    text = markdown(verification(default={"engine": fail("start.ended", code=1, words="a | b\nc")}), "en")
    assert "a \\| b c" in text
    long = markdown(verification(default={"engine": ok("engine.refused", reason="word " * 40)}), "en")
    assert cells(long, "engine ready") == ["✅ (1)"]
    assert "word word" in long.partition("## Why")[2]


def test_programs_get_marks_sentences_and_values() -> None:
    report = json.loads(as_json(verification(root={"stop": fail("stop.code", code=7)})))
    assert report["ok"] is False
    stop = report["scenarios"]["root"]["stop"]
    assert (stop["mark"], stop["values"], stop["en"]) == (
        "fail",
        {"code": 7},
        "SIGTERM ends it with exit code 7, not 0.",
    )
    assert json.loads(as_json(verification(root={})))["ok"] is True


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("table", [texts.TEXTS, texts.CHECKS, texts.SCENARIOS, texts.VERDICT])
def test_each_sentence_says_the_same_in_both_languages(table: dict[object, texts.Text]) -> None:
    for text in table.values():
        assert set(text) == set(get_args(Language))
        assert places(text["en"]) == places(text["ru"])


def test_each_check_scenario_and_finding_has_its_words() -> None:
    assert list(texts.CHECKS) == list(CHECKS)
    assert list(texts.SCENARIOS) == list(SCENARIOS)
    named = set(re.findall(r'(?<!-> )\b(?:ok|warn|fail|none)\("([a-z.-]+)"', sources()))
    assert named <= texts.TEXTS.keys()
    assert [name for name in texts.TEXTS if f'"{name}"' not in sources()] == []


def sources() -> str:
    files: list[Path] = [file for file in SOURCES.rglob("*.py") if file.name != "texts.py"]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
