"""What the questions to a VLM are, by the fields of `POST /layout-parsing` that only PaddleOCR-VL heeds."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.paddlex.pipeline_options import ocr_options
from gateway.api.paddlex.schema import LayoutParsingRequest
from gateway.tasks import RegionTask, task_for


def asked(label: str, **fields: Any) -> RegionTask:  # noqa: ANN401 - whatever JSON can hold
    task = task_for(label, ocr_options(LayoutParsingRequest.model_validate({"file": "AAAA", **fields})))
    assert task is not None
    return task


def test_sampling_is_as_asked_for() -> None:
    task = asked("text", temperature=0.5, topP=0.9, repetitionPenalty=1.1)
    assert (task.temperature, task.top_p, task.repetition_penalty) == (0.5, 0.9, 1.1)
    assert asked("text").top_p is None


@pytest.mark.parametrize(
    ("label", "least", "most"),
    [("table", 200_000, 300_000), ("text", 400_000, 1_003_520), ("display_formula", 784, 1_003_520)],
)
def test_each_prompt_may_have_pixel_limits_of_its_own(label: str, least: int, most: int) -> None:
    limits = {"table_min_pixels": 200_000, "table_max_pixels": 300_000, "formula_min_pixels": 1, "no_such_key": []}
    task = asked(label, minPixels=400_000, vlmExtraArgs={**limits, "seal_max_pixels": None})
    assert (task.min_pixels, task.max_pixels) == (least, most)
