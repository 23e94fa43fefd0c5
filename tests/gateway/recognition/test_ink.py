from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Pixels
from gateway.recognition.ink import trimmed
from tests.support.fakes import blank


def test_paper_around_the_ink_is_cut_off() -> None:
    page = blank(200, 120)
    page[30:80, 50:150] = 0
    assert trimmed(page, 28).shape == (50, 100, 3)
    assert (trimmed(page, 28) == 0).all()


def test_grey_print_on_grey_paper_is_ink() -> None:
    page = blank(200, 120, 210)
    page[30:80, 50:150] = 150
    assert trimmed(page, 28).shape == (50, 100, 3)


@pytest.mark.parametrize("page", [blank(50, 40), blank(50, 40, 0)])
def test_a_plain_crop_stays(page: Pixels) -> None:
    assert trimmed(page, 28).shape == (40, 50, 3)


@given(
    *(st.integers(1, 80), st.integers(1, 80)),
    *(st.integers(0, 79), st.integers(0, 79), st.integers(1, 80), st.integers(1, 80)),
)
def test_no_ink_is_lost_and_no_crop_becomes_thinner_than_wanted(
    width: int, height: int, x: int, y: int, ink_width: int, ink_height: int
) -> None:
    page = blank(width, height)
    page[y : y + ink_height, x : x + ink_width] = 0
    result = trimmed(page, 28)
    assert (result == 0).sum() == (page == 0).sum()
    assert result.shape[0] >= min(28, height)
    assert result.shape[1] >= min(28, width)
