from __future__ import annotations

from gateway.api.paddlex.to_paddlex import pruned_result
from gateway.model import Block, PageResult
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage


def block(number: int, group: str | None) -> Block:
    return Block(id=f"p1-b{number}", label="text", bbox=(0, 0, 9, 9), order=number, content="x", group_id=group)


def test_blocks_that_were_read_in_one_call_carry_the_number_of_the_first() -> None:
    blocks = [block(1, None), block(2, "p1-b2"), block(3, "p1-b2"), block(4, None)]
    page = RecognizedPage(PageResult(page=1, width=10, height=10, status="ok", markdown="", blocks=blocks))
    settings = {
        "use_layout_detection": False,
        "format_block_content": False,
        "return_layout_polygon_points": False,
    }
    entries = pruned_result(page, OcrOptions(), settings, None)["parsing_res_list"]
    assert [entry["group_id"] for entry in entries] == [0, 1, 1, 3]
