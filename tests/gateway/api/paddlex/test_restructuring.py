"""`POST /restructure-pages`: answers of `/layout-parsing`, ours and PaddleX's, put together."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.api.paddlex.schema import RestructurePagesRequest
from gateway.model import Region
from tests.gateway.api.paddlex.conftest import ask, assert_refused, page_of, regions_of, result_of
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply

TABLE = [Region("table", (10, 10, 390, 100), 1, 0.9)]
KEY = "imgs/img_in_image_box_10_20_300_200.jpg"
"""As PaddleX names a picture, on any page."""


def restructure(served: Gateway, pages: list[Any], **fields: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return served.client.post("/restructure-pages", json={"pages": pages, **fields})


def results_of(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result_of(answer)["layoutParsingResults"]
    return found


def read(served: Gateway, document: bytes, **fields: object) -> list[dict[str, Any]]:
    """The pages of an answer as a client sends them back."""
    return [
        {"prunedResult": page["prunedResult"], "markdownImages": page["markdown"].get("images")}
        for page in results_of(ask(served, document, **fields))
    ]


def given(*blocks: tuple[str, str], images: dict[str, str] | None = None, **settings: object) -> dict[str, Any]:
    """A page as PaddleX answers it."""
    entries = [
        {
            "block_label": label,
            "block_content": content,
            "block_bbox": [10, 20 + 200 * at, 300, 200 + 200 * at],
            "block_id": at,
            "block_order": None,
            "group_id": at,
            "block_polygon_points": [[10, 20], [300, 20], [300, 200], [10, 200]],
        }
        for at, (label, content) in enumerate(blocks)
    ]
    known = {"use_layout_detection": True, "use_doc_preprocessor": False, **settings}
    pruned = {"page_count": 2, "width": 400, "height": 900, "model_settings": known, "parsing_res_list": entries}
    return {"prunedResult": pruned | {"layout_det_res": {"boxes": []}}, "markdownImages": images}


def test_what_layout_parsing_answered_comes_back_the_same(served: Gateway, tiff: bytes) -> None:
    served.layout.regions = regions_of("doc_title", "image", "text", "header", "table", "display_formula")
    served.engine.answer = lambda _request: Reply("a <b> & $x<y$")
    before = results_of(ask(served, tiff))
    pages = [{"prunedResult": one["prunedResult"], "markdownImages": one["markdown"]["images"]} for one in before]
    after = results_of(restructure(served, pages))
    for one, other in zip(before, after, strict=True):
        assert other["markdown"] == one["markdown"]
        assert set(other) == {"prunedResult", "markdown"}
        entries = other["prunedResult"].pop("parsing_res_list")
        assert [{k: v for k, v in entry.items() if "global" not in k} for entry in entries] == one["prunedResult"].pop(
            "parsing_res_list"
        )
        assert other["prunedResult"] == one["prunedResult"]


@pytest.mark.parametrize("labels", [("doc_title", "text"), ("figure_title", "image"), ("abstract", "algorithm")])
def test_formatted_contents_are_not_formatted_twice(served: Gateway, png: bytes, labels: tuple[str, ...]) -> None:
    served.layout.regions = regions_of(*labels)
    served.engine.answer = lambda _request: Reply("a <b> & c")
    (page,) = results_of(ask(served, png, formatBlockContent=True))
    sent = {"prunedResult": page["prunedResult"], "markdownImages": page["markdown"]["images"]}
    (after,) = results_of(restructure(served, [sent]))
    contents = [[block["block_content"] for block in one["prunedResult"]["parsing_res_list"]] for one in (page, after)]
    assert contents[0] == contents[1]
    assert after["markdown"] == page["markdown"]


def test_a_page_read_without_layout_comes_back_the_same(served: Gateway) -> None:
    (page,) = results_of(ask(served, pdf(1), useLayoutDetection=False, promptLabel="formula"))
    (after,) = results_of(restructure(served, [{"prunedResult": page["prunedResult"]}]))
    assert after["markdown"]["text"] == page["markdown"]["text"]
    assert after["prunedResult"]["parsing_res_list"][0]["block_label"] == "formula"


def test_tables_and_titles_over_pages(served: Gateway) -> None:
    served.layout.regions = TABLE
    served.engine.script.extend([Reply("<fcel>a<fcel>b<nl>"), Reply("<fcel>c<fcel>d<nl>")])
    pages = read(served, pdf(2))
    for fields, rows in (({}, [2, 0]), ({"mergeTables": False}, [1, 1])):
        found = results_of(restructure(served, pages, **fields))
        assert [one["markdown"]["text"].count("<tr>") for one in found] == rows
    (second,) = results_of(restructure(served, pages))[1]["prunedResult"]["parsing_res_list"]
    assert (second["block_content"], second["global_block_id"], second["global_group_id"]) == ("", 1, 0)
    titles = [given(("paragraph_title", "2.1 Deep"), ("paragraph_title", "References"))]
    assert "## References" in results_of(restructure(served, titles))[0]["markdown"]["text"]


def test_all_pages_in_one_result(served: Gateway) -> None:
    served.layout.regions = TABLE
    served.engine.script.extend([Reply("<fcel>a<fcel>b<nl>"), Reply("<fcel>c<fcel>d<nl>")])
    page = page_of(restructure(served, read(served, pdf(2)), concatenatePages=True))
    pruned = page["prunedResult"]
    assert page["markdown"]["text"].count("<tr>") == 2
    assert pruned["page_count"] == 2
    assert [len(one["boxes"]) for one in pruned["layout_det_res"]] == [1, 1]
    assert [block["block_id"] for block in pruned["parsing_res_list"]] == [0, 1]
    assert [block["group_id"] for block in pruned["parsing_res_list"]] == [0, 1]


def test_places_of_cells_come_back(served: Gateway) -> None:
    tables = [{"cell_box_list": [[1.0, 2.0, 3.0, 4.0]], "pred_html": "<table></table>", "table_region_id": 1}]
    without, with_tables = given(("text", "a")), given(("table", "<table><tr><td>b</td></tr></table>"))
    with_tables["prunedResult"]["table_res_list"] = tables
    first, second = results_of(restructure(served, [without, with_tables]))
    assert "table_res_list" not in first["prunedResult"]
    assert second["prunedResult"]["table_res_list"] == tables
    [joined] = results_of(restructure(served, [without, with_tables], concatenatePages=True))
    assert joined["prunedResult"]["table_res_list"] == [None, tables]


def test_pictures_of_joined_pages_do_not_collide(served: Gateway) -> None:
    cell = f'<table><tr><td><img src="{KEY}" alt="Image"" /></td></tr></table>'
    pages = [given(("image", ""), images={KEY: "one"}), given(("image", ""), ("table", cell), images={KEY: "two"})]
    apart = results_of(restructure(served, pages))
    assert [one["markdown"]["images"] for one in apart] == [{KEY: "one"}, {KEY: "two"}]
    assert all(f'src="{KEY}"' in one["markdown"]["text"] for one in apart)
    joined = page_of(restructure(served, pages, concatenatePages=True))
    other = KEY.replace("img_in", "p2_img_in")
    assert joined["markdown"]["images"] == {KEY: "one", other: "two"}
    assert joined["markdown"]["text"].count(f'src="{KEY}"') == 1
    assert joined["markdown"]["text"].count(f'src="{other}"') == 2
    assert other in joined["prunedResult"]["parsing_res_list"][2]["block_content"]
    without = page_of(restructure(served, pages, concatenatePages=True, returnMarkdownImages=False))
    assert "images" not in without["markdown"]


def test_markdown_as_wished(served: Gateway) -> None:
    page = given(("figure_title", "Fig. 1"), ("display_formula", "$$ x=1 $$"), ("formula_number", "(1)"))
    (found,) = results_of(restructure(served, [page]))
    assert found["markdown"]["text"] == '<div style="text-align: center;">Fig. 1</div>\n\n$$ x=1 $$'
    (found,) = results_of(restructure(served, [page], prettifyMarkdown=False, showFormulaNumber=True))
    assert found["markdown"]["text"] == "Fig. 1\n\n$$ x=1 \\tag*{(1)} $$"


def test_labels_that_were_ignored_stay_so(served: Gateway) -> None:
    page = given(("text", "seen"), ("header", "head"), markdown_ignore_labels=["text"])
    (found,) = results_of(restructure(served, [page]))
    assert found["markdown"]["text"] == "head"
    assert [block["block_order"] for block in found["prunedResult"]["parsing_res_list"]] == [None, None]


def test_html_of_a_client_is_text(served: Gateway) -> None:
    script = "<script>alert(1)</script>"
    labels = ("text", "table", "doc_title", "figure_title", "never heard of", "algorithm", "display_formula", "chart")
    page = given(*((label, f"{script} <img src=x onerror=y>") for label in labels), use_chart_recognition=True)
    table = given(("table", f"<table><tr><td onclick=x>{script}</td></tr></table>"))
    for pretty in (True, False):
        for found in results_of(restructure(served, [page, table], prettifyMarkdown=pretty)):
            text = found["markdown"]["text"]
            assert "alert(1)" in text
            assert "<script" not in text
            assert "<img" not in text
            assert "onclick" not in text


@pytest.mark.parametrize(
    ("label", "content"),
    [
        ("text", '<div style="text-align: center;">' * 20_000),
        ("text", "a\n" * 200_000),
        ("abstract", "Abstract" + " " * 300_000 + "x"),
        ("chart", "a" + "|" * 5_000 + "\nb" * 5_000),
        ("table", "<table><tr><th>&#xE000;99&#xE001;</th></tr></table>"),
    ],
)
def test_contents_made_to_take_long_do_not(served: Gateway, label: str, content: str) -> None:
    page = given((label, content), use_chart_recognition=True, format_block_content=True)
    (result,) = results_of(restructure(served, [page]))
    assert len(result["markdown"]["text"]) < 20 * len(content)


def test_long_names_of_pictures_are_looked_at_once(served: Gateway) -> None:
    name = "img_in_" * 50_000
    (result,) = results_of(restructure(served, [given(("image", ""), images={name: "eA=="})]))
    assert result["markdown"]["images"] == {name: "eA=="}


def test_a_table_that_spans_without_end(served: Gateway) -> None:
    wide = "<table><tr>" + '<td rowspan="999" colspan="999">a</td>' * 2000 + "</tr></table>"
    low = "<table>" + "<tr><td>b</td></tr>" * 2000 + "</table>"
    (first, second) = results_of(restructure(served, [given(("table", wide)), given(("table", low))]))
    assert first["markdown"]["text"].count("a</td>") == 2000
    assert second["markdown"]["text"].count("<td>b</td>") == 2000


@pytest.mark.parametrize(
    "pages",
    [
        *(None, {}, "x", [1], [{}], [{"prunedResult": None}], [{"prunedResult": []}]),
        [{"prunedResult": {"parsing_res_list": {}}}],
        [{"prunedResult": {"parsing_res_list": [{"block_label": "text"}]}}],
        [{"prunedResult": {"parsing_res_list": [{"block_label": 1, "block_bbox": [1, 2, 3, 4]}]}}],
        [{"prunedResult": {"parsing_res_list": [{"block_label": "text", "block_bbox": [1, 2, 3]}]}}],
        [{"prunedResult": {"parsing_res_list": [{"block_label": "text", "block_bbox": [1, 2, 3, 1e300]}]}}],
        [{"prunedResult": {"parsing_res_list": [{"block_label": "a", "block_content": [], "block_bbox": [0] * 4}]}}],
        [{"prunedResult": {"width": -1}}],
        [{"prunedResult": {"model_settings": []}}],
        [{"prunedResult": {}, "markdownImages": {"a": None}}],
    ],
)
def test_what_are_no_pages(served: Gateway, pages: Any) -> None:  # noqa: ANN401 - JSON
    problems = json.loads(assert_refused(restructure(served, pages), 422)["errorMsg"])
    assert problems[0]["loc"].startswith("body.pages")


@pytest.mark.parametrize(
    "pruned",
    [
        {},
        {"width": None, "height": None, "page_count": "x", "layout_det_res": 1, "spotting_res": [None]},
        {"width": 0, "parsing_res_list": [{"block_label": "image", "block_content": None, "block_bbox": [9, 9, 0, 0]}]},
        {"parsing_res_list": [{"block_label": "paragraph_title", "block_bbox": [-5, -5, -5, -5], "group_id": 99}] * 3},
        {"parsing_res_list": [{"block_label": "", "block_content": "\u0000\u202e", "block_bbox": [1.5, 2, 3, "4"]}]},
        {"model_settings": {"markdown_ignore_labels": 5, "format_block_content": "x", "use_layout_detection": []}},
        {"model_settings": {"markdown_ignore_labels": [[], None]}},
    ],
)
def test_odd_pages_are_taken_as_they_are(served: Gateway, pruned: dict[str, Any]) -> None:
    for joined in (False, True):
        found = results_of(restructure(served, [{"prunedResult": pruned}] * 2, concatenatePages=joined, more=1))
        assert len(found) == (1 if joined else 2)


def test_no_pages(served: Gateway) -> None:
    for joined in (False, True):
        assert results_of(restructure(served, [], concatenatePages=joined)) == []


def test_limits_and_ids(served: Gateway) -> None:
    assert_refused(restructure(served, [{"prunedResult": {}}] * 1001), 422, "MAX_PAGES")
    assert_refused(restructure(served, [{"prunedResult": {"x": "A" * 2_000_001}}]), 413, "MAX_UPLOAD_MB")
    assert assert_refused(restructure(served, [3], logId="mine"), 422)["logId"] == "mine"
    assert restructure(served, [], logId="mine").json()["logId"] == "mine"
    assert_refused(served.client.get("/restructure-pages"), 405)
    assert_refused(restructure(served, [], outputFormats=["pdf"]), 422, "outputFormats")


def test_without_an_engine_and_with_a_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    with gateway(tmp_path_factory.mktemp("gateway"), engine_up=False, api_keys="one-key") as running:
        assert_refused(restructure(running, []), 401)
        running.client.headers["Authorization"] = "token one-key"
        (found,) = results_of(restructure(running, [given(("text", "hello"))]))
        assert found["markdown"]["text"] == "hello"


def test_openapi_describes_it(served: Gateway) -> None:
    operation = served.client.get("/openapi.json").json()["paths"]["/restructure-pages"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert RestructurePagesRequest.model_validate(content["example"])
    assert results_of(served.client.post("/restructure-pages", json=content["example"]))
