from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ServiceError
from gateway.intake.page_ranges import select_pages


@pytest.mark.parametrize(
    ("spec", "pages"),
    [
        (None, (1, 2, 3, 4, 5)),
        ("", (1, 2, 3, 4, 5)),
        ("  ", (1, 2, 3, 4, 5)),
        ("2", (2,)),
        ("1-3,5", (1, 2, 3, 5)),
        ("4-", (4, 5)),
        ("-2", (1, 2)),
        ("5,1", (1, 5)),
        ("1-3,2-4,4", (1, 2, 3, 4)),
        (" 1 - 2 , 4 ", (1, 2, 4)),
        ("007", None),
        ("1-9", (1, 2, 3, 4, 5)),
        ("-9", (1, 2, 3, 4, 5)),
        ("4-999999999", (4, 5)),
    ],
)
def test_spec(spec: str | None, pages: tuple[int, ...] | None) -> None:
    if pages is None:
        with pytest.raises(ServiceError):
            select_pages(spec, 5)
    else:
        assert select_pages(spec, 5) == pages


@pytest.mark.parametrize(
    "spec", ["0", "0-2", "-0", "3-1", "-", ",", "1,,2", "a", "1-2-3", "1.5", "1 2", "²", "١", "9" * 5000, "1;2"]
)
def test_invalid_part_is_named(spec: str) -> None:
    with pytest.raises(ServiceError) as caught:
        select_pages(spec, 5)
    assert (caught.value.status, caught.value.code) == (422, "invalid_pages")
    assert "pages" in caught.value.detail
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize("spec", ["9-", "9", "8-9", "1,9"])
def test_page_beyond_the_end(spec: str) -> None:
    with pytest.raises(ServiceError, match="3 pages") as caught:
        select_pages(spec, 3)
    assert caught.value.code == "invalid_pages"
    assert spec.rsplit(",", maxsplit=1)[-1] in caught.value.detail


@given(st.integers(1, 60), st.data())
def test_any_ranges_give_their_union(total: int, data: st.DataObject) -> None:
    page = st.integers(1, total)
    ranges = data.draw(st.lists(st.tuples(page, page).map(sorted), min_size=1, max_size=8))
    spec = ",".join(f"{first}-{last}" if first != last else str(first) for first, last in ranges)
    wanted = [number for number in range(1, total + 1) if any(first <= number <= last for first, last in ranges)]
    assert list(select_pages(spec, total)) == wanted


@given(st.text(alphabet="0123456789-, x", max_size=30), st.integers(1, 50))
def test_any_text(spec: str, total: int) -> None:
    try:
        pages = select_pages(spec, total)
    except ServiceError:
        return
    assert pages
    assert list(pages) == sorted(set(pages))
    assert 1 <= pages[0] <= pages[-1] <= total


def test_overlapping_ranges_are_cheap() -> None:
    assert len(select_pages(",".join(["1-100000"] * 5000), 100_000)) == 100_000
