"""What must come out, compared with what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tools.cases.expectations import Expectation, load_expectations, unmet
from tools.ocr_service import Answer


def answer(markdown: str = "", status: int = 200, page: dict[str, Any] | None = None, **fields: object) -> Answer:
    body = {"status": "ok", "markdown": markdown, "pages": [{"page": 1, "warnings": [], **(page or {})}], **fields}
    return Answer(status, json.dumps(body).encode(), 0.1)


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        ({"contains": "green ledger"}, "the green ledger", "the ledger"),
        ({"in_order": ["Alpha", "Beta"]}, "Alpha, Beta", "Beta, Alpha"),
        ({"excludes": "DRAFT"}, "a draft", "a DR AFT"),
        ({"starts_with": "Minutes"}, "# Minutes\n\nof it", "of it\n\n# Minutes"),
        ({"min_characters": 5}, "abcde", "abcd"),
        ({"lines": ["Jon Aker", "clerk"]}, "Jon Aker  \nclerk", "Jon Aker\nclerk"),
        ({"line_patterns": r"1 The harbour[ .]*3"}, "1 The harbour ... 3", "1 The harbour"),
        ({"headings": "Rules"}, "# Rules", "Rules"),
        ({"paragraphs": "A note by hand."}, "A note by hand.", "## A note by hand."),
        ({"ticked": "Dangerous"}, "- [x] Dangerous", "- [ ] Dangerous"),
        ({"unticked": "Frozen"}, "☐ Frozen", "Frozen"),
        ({"unticked": "Frozen"}, "[ ] Frozen", "[x] Live [ ] Cold Frozen"),
        ({"whole": "One. Two.", "optional": "DRAFT"}, "One.\n\nDRAFT\n\nTwo.", "One. Two. One."),
        ({"cells": [["7", "1"]]}, "<table><tr><td>7</td><td>1</td></tr></table>", "<table><tr><td>L</td></tr></table>"),
    ],
)
def test_markdown_is_compared(expected: dict[str, Any], right: str, wrong: str) -> None:
    expectation = Expectation.model_validate(expected)
    assert unmet(expectation, answer(right)) == []
    assert unmet(expectation, answer(wrong)) != []


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        ({"angle": 180}, {"angle": 180}, {"angle": 0}),
        ({"size": [1654, 2339]}, {"width": 1654, "height": 2338}, {"width": 166, "height": 234}),
        ({"warning": "stsong"}, {"warnings": ["STSong-Light is not embedded."]}, {"warnings": ["Other."]}),
    ],
)
def test_the_page_is_compared(expected: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any]) -> None:
    expectation = Expectation.model_validate(expected)
    assert unmet(expectation, answer(page=right)) == []
    assert unmet(expectation, answer(page=wrong)) != []


def test_an_error_is_what_is_expected() -> None:
    expectation = Expectation.model_validate({"status": 400, "error": ["damaged_pdf", "empty_document"]})
    assert unmet(expectation, answer(status=400, code="damaged_pdf")) == []
    assert unmet(expectation, answer(status=422, code="password_required")) == [
        "HTTP 422 password_required",
        "code password_required",
    ]


def test_the_result_is_compared() -> None:
    expectation = Expectation.model_validate({"result": ["partial", "failed"]})
    assert unmet(expectation, answer()) == ["status ok"]


def test_one_of_several_ways_is_enough() -> None:
    expectation = Expectation.model_validate({"any": [{"contains": "港口"}, {"warning": "font"}]})
    assert unmet(expectation, answer(page={"warnings": ["A font is missing."]})) == []
    assert unmet(expectation, answer()) == ["missing: 港口 / or no warning with font"]


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('[case.k1]\ncontain = "text"\n')
    with pytest.raises(ValidationError, match="contain"):
        load_expectations(file)
