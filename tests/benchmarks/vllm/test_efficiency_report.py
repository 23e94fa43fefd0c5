"""What a report about the way to vLLM says."""

from __future__ import annotations

import pytest

from benchmarks.comparison import Result
from benchmarks.documents import OCR
from benchmarks.efficiency_report import Measurement, judged, section
from benchmarks.throughput import Ratio, Sample
from benchmarks.ways import CHAT, READING, STRAIGHT
from benchmarks.workload import Load


def sample(wall_s: float, client_s: float = 0.1, gateway_s: float = 0.0, pages: int = 0) -> Sample:
    return Sample(100, 5000, wall_s, {"client": client_s, "gateway": gateway_s, "vlm": 6}, pages=pages)


RESULT = Result(
    Load("crops", []),
    {STRAIGHT: [sample(10)] * 2, READING: [sample(10, 0.3)] * 2, CHAT: [sample(12, 0.1, 1.0)] * 2},
    0.875,
)


@pytest.mark.parametrize(
    ("least", "most", "says"),
    [
        (0.95, 1.1, "reached in every repetition"),
        (0.9, 0.94, "missed in every repetition"),
        (0.94, 0.95, "not settled, repetitions lie on both sides"),
    ],
)
def test_a_verdict_says_no_more_than_the_repetitions(least: float, most: float, says: str) -> None:
    assert judged(Ratio(0.95, least, most)) == says


def test_a_load_is_told_with_its_size_its_ways_and_what_a_call_costs() -> None:
    text = section("All on 2 cores", 0.5, Measurement([RESULT]))
    assert text.startswith("## All on 2 cores\n\nLoad average when it began: 0.50.\n\n### crops\n\n")
    assert "2 repetitions, 50 tokens a call. Answers of the same text in all ways: 87.5%." in text
    assert f"| {CHAT} | 8.3 | 417 | 0.833 (0.833 to 0.833) | 1.0 | 10.0 | 60.0 | 0.59 | 0.00 |" in text
    assert "recognition path: **reached in every repetition**" in text
    assert "**3.0 ms** (raw client: 1.0, so 2.0 more), chat **10.0 ms**" in text


def test_documents_are_told_only_where_they_were_measured() -> None:
    assert "Whole documents" not in section("", 0, Measurement([RESULT]))


def test_documents_with_layout_recorded_are_judged_against_the_crops() -> None:
    text = section("", 0, Measurement([], {STRAIGHT: [sample(10)], OCR: [sample(12.5)]}))
    assert f"| {OCR} | 8.0 | 400 | 0.800 (0.800 to 0.800) |" in text
    assert "Goal 0.95 for `/ocr`: **missed in every repetition**." in text
    assert "layout found" not in text


def test_documents_as_users_send_them_are_told_in_pages_a_second() -> None:
    text = section("", 0, Measurement([], whole=sample(10, gateway_s=2, pages=15)))
    assert "| pages/s | regions/s | tokens/s | CPU ms a region: gateway | vLLM | busy cores |" in text
    assert "| 1.50 | 10.0 | 500 | 20.0 | 60.0 | 0.81 |" in text
