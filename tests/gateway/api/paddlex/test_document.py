"""Restructured pages and spotted texts in PaddleX's form."""

from __future__ import annotations

from gateway.model import Region
from tests.gateway.api.paddlex.conftest import ask, page_of, result_of
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

TABLE = [Region("table", (10, 10, 390, 100), 1, 0.9)]


def rows(served: Gateway, **fields: object) -> list[str]:
    served.layout.regions = TABLE
    served.engine.script.extend([Reply("<fcel>a<fcel>b<nl>"), Reply("<fcel>c<fcel>d<nl>")])
    pages = result_of(ask(served, pdf(2), **fields))["layoutParsingResults"]
    return [page["markdown"]["text"] for page in pages]


def test_a_table_over_a_page_break_is_one_when_asked_for(served: Gateway) -> None:
    apart = rows(served)
    assert [text.count("<tr>") for text in apart] == [1, 1]
    whole = rows(served, restructurePages=True)
    assert [text.count("<tr>") for text in whole] == [2, 0]
    assert [text.count("<tr>") for text in rows(served, restructurePages=True, mergeTables=False)] == [1, 1]


def test_restructured_blocks_are_numbered_over_the_document(served: Gateway) -> None:
    served.layout.regions = TABLE
    served.engine.script.extend([Reply("<fcel>a<fcel>b<nl>"), Reply("<fcel>c<fcel>d<nl>")])
    pages = result_of(ask(served, pdf(2), restructurePages=True))["layoutParsingResults"]
    (first,), (second,) = (page["prunedResult"]["parsing_res_list"] for page in pages)
    assert (first["global_block_id"], first["global_group_id"]) == (0, 0)
    assert (second["global_block_id"], second["global_group_id"]) == (1, 0)
    assert second["block_content"] == ""


def test_spotted_texts_have_their_places_at_144_dpi(served: Gateway) -> None:
    corners = "".join(f"<|LOC_{number}|>" for number in (0, 0, 500, 0, 500, 1000, 0, 1000))
    served.engine.answer = lambda _request: Reply(f"left half{corners}no place")
    answer = ask(served, pdf(1, size=(300, 200)), useLayoutDetection=False, promptLabel="spotting")
    found = page_of(answer)["prunedResult"]["spotting_res"]
    assert found["rec_texts"] == ["left half"]
    assert found["rec_polys"] == [[[0, 0], [300, 0], [300, 400], [0, 400]]]
