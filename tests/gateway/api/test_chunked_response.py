"""Answers in pieces: the same JSON as in one, whatever the texts hold."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from gateway.api.chunked_response import SENT_AT_ONCE, ChunkedResponse, splice_json

NAMES = ("pages", "markdown", "images")
HOSTILE = ('"pages":[]', '\\"pages\\":', '"markdown":""', '"images":{}', "\\", '"', "{", "a")


@given(
    before=st.lists(st.sampled_from(HOSTILE)).map("".join),
    pages=st.lists(st.lists(st.sampled_from(HOSTILE)).map("".join), max_size=3),
    markdown=st.lists(st.sampled_from(HOSTILE)).map("".join),
    images=st.dictionaries(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), max_size=2),
)
def test_no_text_is_taken_for_a_place(before: str, pages: list[str], markdown: str, images: dict[str, str]) -> None:
    frame = {"id": before, "pages": [], "markdown": "", "images": {}, "warnings": [before], "usage": {"pages": 1}}
    inserts = (
        ("pages", to_json(pages)[1:-1]),
        ("markdown", to_json(markdown)[1:-1]),
        ("images", bytearray(to_json(images)[1:-1])),
    )
    whole = json.loads(b"".join(splice_json(to_json(frame), inserts)))
    assert whole == {**frame, "pages": pages, "markdown": markdown, "images": images}


@pytest.mark.parametrize("sizes", [[], [0], [5, 7], [SENT_AT_ONCE - 1, 3, SENT_AT_ONCE * 3, 1]])
async def test_a_client_gets_all_pieces_as_one_body(sizes: list[int]) -> None:
    pieces = [bytes([97 + at]) * size for at, size in enumerate(sizes)]
    first = ChunkedResponse(pieces, {"Content-Type": "text/plain", "X-Own": "1"})
    for response in (first, first.add_header("X-More", "2")):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=response), base_url="http://test") as client:
            answer = await client.get("/")
        assert answer.content == b"".join(pieces)
        assert answer.headers.get_list("content-length") == [str(sum(sizes))]
        assert (answer.headers["content-type"], answer.headers["x-own"]) == ("text/plain", "1")
    assert answer.headers["x-more"] == "2"


@pytest.mark.parametrize("frame", [b'{"id":"pages"}', b'{"pages":[1]}'])
def test_a_frame_without_the_place_is_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="pages"):
        list(splice_json(frame, [("pages", b"1")]))
