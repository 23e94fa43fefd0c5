"""Tables and paragraphs that a page break or a column break cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.restructure import join_split_paragraphs, merge_split_tables
from gateway.assembly.tables.html import table_to_html
from gateway.model import BBox, Block, BlockStatus, PageResult

LEFT, RIGHT = (0, 100, 300, 800), (320, 100, 620, 800)


def page(number: int, *parts: tuple[str, str], boxes: tuple[BBox, ...] = (), status: BlockStatus = "ok") -> PageResult:
    blocks = [
        Block(
            id=f"p{number}-b{at}",
            label=label,
            bbox=boxes[at - 1] if boxes else (0, at * 100, 600, at * 100 + 90),
            order=at,
            content=content,
            status=status,
        )
        for at, (label, content) in enumerate(parts, 1)
    ]
    return PageResult(page=number, width=700, height=1000, markdown="", blocks=blocks)


def contents(pages: list[PageResult]) -> list[list[str]]:
    return [[block.content for block in each.blocks] for each in pages]


def table(*rows: str) -> str:
    return table_to_html("".join(f"<fcel>{row.replace('|', '<fcel>')}<nl>" for row in rows))


def test_table_over_three_pages() -> None:
    pages = [
        page(1, ("text", "before"), ("table", table("n|word", "1|one")), ("number", "1")),
        page(2, ("header", "h"), ("table", table("Ｎ|ｗｏｒｄ", "2|two")), ("footer", "f")),
        page(3, ("text", "Table 1 (continued)"), ("table", table("3|three")), ("text", "after")),
    ]
    pages[1].blocks[1].content = table("n|ｗｏｒｄ", "2|two")
    merged = merge_split_tables(pages)
    assert merged[0].blocks[1].content == table("n|word", "1|one", "2|two", "3|three")
    assert [merged[1].blocks[1].content, merged[2].blocks[1].content] == ["", ""]
    assert merged[1].blocks[1].continues == merged[2].blocks[1].continues == "p1-b2"
    assert pages[2].blocks[1].content == table("3|three")


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        (page(1, ("table", table("a|b"))), page(3, ("table", table("c|d")))),
        (page(1, ("table", table("a|b")), ("text", "words")), page(2, ("table", table("c|d")))),
        (page(1, ("table", table("a|b"))), page(2, ("text", "words"), ("table", table("c|d")))),
        (page(1, ("table", table("a|b"))), page(2, ("table", table("c|d|e")))),
        (page(1, ("table", table("a|b"))), page(2, ("table", "no table"))),
        (page(1, ("table", table("a|b")), status="truncated"), page(2, ("table", table("c|d")))),
        (page(1, ("table", table("a|b"))), page(2, ("table", table("c|d")), boxes=((0, 0, 300, 90),))),
    ],
)
def test_separate_tables_stay_two(upper: PageResult, lower: PageResult) -> None:
    assert merge_split_tables([upper, lower]) == [upper, lower]


def test_table_over_hundreds_of_pages() -> None:
    """Each page must not cost all those behind it once more."""
    rows = [f"{number}|x|y" for number in range(12_000)]
    pages = [page(at + 1, ("table", table(*rows[at * 40 : at * 40 + 40]))) for at in range(300)]
    merged = merge_split_tables(pages)
    assert merged[0].blocks[0].content == table(*rows)
    assert {block.continues for each in merged[1:] for block in each.blocks} == {"p1-b1"}


def test_paragraph_over_page_and_figure() -> None:
    pages = [
        page(1, ("text", "First."), ("text", "The sentence is bro-"), ("footer", "1")),
        page(2, ("header", "h"), ("image", ""), ("figure_title", "Figure 1"), ("text", "ken by the page.")),
    ]
    joined = join_split_paragraphs(pages)
    assert contents(joined) == [
        ["First.", "The sentence is bro-\nken by the page.", "1"],
        ["h", "", "Figure 1", ""],
    ]
    assert joined[1].blocks[3].continues == "p1-b2"


def test_paragraph_over_columns_and_pages() -> None:
    long = "It begins here, has as many words as a paragraph in a column has, and"
    first = page(1, ("text", long), ("text", "goes on there and"), boxes=(LEFT, RIGHT))
    joined = join_split_paragraphs([first, page(2, ("text", "ends at last. New."))])
    assert contents(joined) == [[f"{long}\ngoes on there and\nends at last. New.", ""], [""]]
    assert joined[1].blocks[0].continues == "p1-b1"


def test_form_fields_stay_apart() -> None:
    form = [page(1, ("text", "Name"), ("text", "date of birth"), boxes=(LEFT, RIGHT))]
    assert join_split_paragraphs(form) == form


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It ends.", "small letters begin"),
        ("It goes on", "Large letters begin"),
        ("It goes on", "a) an item"),
        ("It goes on", "1 number"),
        ("它没有结束", "新的一段"),
        ("", "small"),
    ],
)
def test_possible_new_paragraphs_stay(first: str, second: str) -> None:
    pages = [page(1, ("text", first)), page(2, ("text", second))]
    assert join_split_paragraphs(pages) == pages


def test_adjacent_paragraphs_stay_two() -> None:
    below = [page(1, ("text", "It goes on"), ("text", "below"))]
    assert join_split_paragraphs(below) == below
    apart = [page(1, ("text", "It goes on"), ("paragraph_title", "Title")), page(2, ("text", "below"))]
    assert join_split_paragraphs(apart) == apart
    far = [page(1, ("text", "It goes on")), page(3, ("text", "below"))]
    assert join_split_paragraphs(far) == far


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["text", "table", "header", "image"]), st.text("ab. -\nA", max_size=8)),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_words_keep_their_order(parts: list[list[tuple[str, str]]]) -> None:
    pages = [page(at, *blocks) for at, blocks in enumerate(parts, 1)]

    def words(result: list[PageResult]) -> list[str]:
        return [
            word for each in result for block in each.blocks if block.label == "text" for word in block.content.split()
        ]

    assert words(join_split_paragraphs(pages)) == words(pages)
