"""What a benchmark asks vLLM at full size."""

from __future__ import annotations

import pytest

from benchmarks.questions import about_tokens, full_size
from tests.support.examples import load_truth


@pytest.fixture(autouse=True)
def _without_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLES_DIR", "/nowhere")


def test_regions_of_real_pages_are_asked_for_within_the_pixels_that_the_pipeline_sends() -> None:
    asked = full_size(100)
    assert len(asked) == 100
    assert {"OCR:", "Table Recognition:"} <= {question.prompt for question in asked}
    assert all(question.crop.width * question.crop.height <= 28 * 28 * 1280 for question in asked)


def test_limits_of_tokens_follow_the_length_of_what_stands_there() -> None:
    table = next(block for block in load_truth()["table-en.png"].pages[0].blocks if block.cells)
    assert about_tokens("word " * 100) == 125
    assert max(question.max_tokens for question in full_size(200)) >= len(table.cells)


def test_the_same_questions_come_each_time() -> None:
    assert full_size(30) == full_size(30)
