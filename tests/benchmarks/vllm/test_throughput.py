"""How repetitions of two ways become figures."""

from __future__ import annotations

import pytest

from benchmarks.throughput import Sample, middle_cpu_ms, ratio, rows


def sample(wall_s: float, gateway_s: float = 0) -> Sample:
    return Sample(
        calls=100, tokens=5000, wall_s=wall_s, cpu_s={"client": 1, "gateway": gateway_s, "vlm": 6}, others_s=1
    )


def test_a_ratio_compares_each_repetition_with_its_own_baseline() -> None:
    """A machine that was slow for a while was slow for both."""
    found = ratio([sample(10), sample(40), sample(25)], [sample(8), sample(40), sample(20)])
    assert (found.least, found.middle, found.most) == pytest.approx((0.8, 0.8, 1.0))
    assert str(found) == "0.800 (0.800 to 1.000)"


def test_cpu_time_is_told_in_milliseconds_a_call_and_one_odd_repetition_does_not_count() -> None:
    assert middle_cpu_ms([sample(10, 0.2), sample(10, 0.3), sample(10, 9)], "gateway") == pytest.approx(3)


def test_a_row_has_rates_ratio_cpu_time_and_busy_cores() -> None:
    straight, through = [sample(5), sample(5)], [sample(10, 0.5), sample(10, 0.5)]
    assert rows({"straight": straight, "through": through}, "straight") == [
        ["straight", "20.0", "1000", "1", "10.0", "0.0", "60.0", "1.40", "0.20"],
        ["through", "10.0", "500", "0.500 (0.500 to 0.500)", "10.0", "5.0", "60.0", "0.75", "0.10"],
    ]
