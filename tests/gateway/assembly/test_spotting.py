"""Location tokens to polygons."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.spotting import joined_spots, parse_spots
from gateway.model import Polygon

PAGE = (0, 0, 2000, 500)
CORNERS = "<|LOC_0|><|LOC_100|><|LOC_500|><|LOC_100|><|LOC_500|><|LOC_200|><|LOC_0|><|LOC_200|>"
PIXELS = ((0, 50), (1000, 50), (1000, 100), (0, 100))


def spots(text: str) -> list[tuple[str, Polygon | None]]:
    return [(spot.text, spot.polygon) for spot in parse_spots(text, PAGE)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f"one{CORNERS}\ntwo words{CORNERS}", [("one", PIXELS), ("two words", PIXELS)]),
        (
            f"<|TEXT_START|>one<|TEXT_END|><|LOC_BEGIN|>{CORNERS}<|LOC_END|>"
            f"<|TEXT_START|>two<|TEXT_END|><|LOC_BEGIN|>{CORNERS}<|LOC_END|>",
            [("one", PIXELS), ("two", PIXELS)],
        ),
        (f"one{CORNERS}cut<|LOC_1|><|LOC_2|>", [("one", PIXELS), ("cut", None)]),
        ("no place", [("no place", None)]),
        (f"one{CORNERS}{CORNERS}", [("one", PIXELS)]),
        (CORNERS, []),
        ("", []),
    ],
)
def test_a_text_has_four_corners(answer: str, expected: list[tuple[str, Polygon | None]]) -> None:
    assert spots(answer) == expected


def test_corners_lie_in_the_region_whatever_the_vlm_says() -> None:
    [spot] = parse_spots("x" + "<|LOC_99999|>" * 8, (10, 20, 110, 220))
    assert spot.polygon == ((110, 220),) * 4


@given(
    st.lists(
        st.sampled_from(["a", "b c", "<", "|", "<|LOC_", "<|LOC_5|>", "<|TEXT_START|>", "<|LOC_END|>", "\n"]),
        max_size=60,
    )
)
def test_no_text_is_dropped(pieces: list[str]) -> None:
    text = "".join(pieces)
    bare = re.sub(r"<\|LOC_\d+\|>", "", re.sub(r"<\|(?:TEXT_START|LOC_END)\|>", "", text))
    assert "".join(joined_spots(parse_spots(text, PAGE)).split()) == "".join(bare.split())
