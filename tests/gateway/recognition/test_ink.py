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
    assert trimmed(page).shape == (50, 100, 3)
    assert (trimmed(page) == 0).all()


def test_grey_print_on_grey_paper_is_ink() -> None:
    page = blank(200, 120, 210)
    page[30:80, 50:150] = 150
    assert trimmed(page).shape == (50, 100, 3)


@pytest.mark.parametrize("page", [blank(50, 40), blank(50, 40, 0)])
def test_a_plain_crop_stays(page: Pixels) -> None:
    assert trimmed(page).shape == (40, 50, 3)


@pytest.mark.parametrize("ink", [(2, 30), (30, 2)])
def test_a_crop_with_hardly_any_ink_stays(ink: tuple[int, int]) -> None:
    page = blank(60, 40)
    page[5 : 5 + ink[1], 5 : 5 + ink[0]] = 0
    assert trimmed(page).shape == (40, 60, 3)


@given(
    *(st.integers(1, 80), st.integers(1, 80)),
    *(st.integers(0, 79), st.integers(0, 79), st.integers(1, 80), st.integers(1, 80)),
)
def test_no_ink_is_lost(width: int, height: int, x: int, y: int, ink_width: int, ink_height: int) -> None:
    page = blank(width, height)
    page[y : y + ink_height, x : x + ink_width] = 0
    assert (trimmed(page) == 0).sum() == (page == 0).sum()
