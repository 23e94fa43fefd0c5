"""What the fields of `POST /layout-parsing` do, and which values are refused."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.gateway.api.paddlex.conftest import ask, assert_refused, page_of, regions_of, result_of
from tests.support.server import Gateway
from tests.support.stub_engine import Reply, StubRequest

EXAMPLE = Path(__file__).parents[4] / "examples" / "article-en.png"


def prompts(served: Gateway) -> list[str]:
    return [request.prompt for request in served.engine.requests if not request.is_canary]


@pytest.mark.parametrize(
    ("label", "prompt", "block_label"),
    [
        (None, "OCR:", "ocr"),
        ("ocr", "OCR:", "ocr"),
        ("formula", "Formula Recognition:", "formula"),
        ("table", "Table Recognition:", "table"),
        ("chart", "Chart Recognition:", "chart"),
        ("seal", "Seal Recognition:", "seal"),
        ("spotting", "Spotting:", "spotting"),
    ],
)
def test_without_layout_the_page_is_read_whole(
    served: Gateway, png: bytes, label: str | None, prompt: str, block_label: str
) -> None:
    page = page_of(ask(served, png, useLayoutDetection=False, promptLabel=label))
    assert prompts(served) == [prompt]
    pruned = page["prunedResult"]
    assert "layout_det_res" not in pruned
    assert [block["block_label"] for block in pruned["parsing_res_list"]] == [block_label]
    assert pruned["parsing_res_list"][0]["block_bbox"] == [0, 0, 400, 300]
    assert page["outputImages"] == {}
    assert page["inputImage"]


def test_with_layout_the_prompt_label_counts_for_nothing(served: Gateway, png: bytes) -> None:
    page_of(ask(served, png, promptLabel="table"))
    assert prompts(served) == ["OCR:"] * 2


@pytest.mark.parametrize(
    ("label", "field"),
    [("chart", "useChartRecognition"), ("seal", "useSealRecognition"), ("image", "useOcrForImageBlock")],
)
def test_pictures_are_read_when_asked_for(served: Gateway, png: bytes, label: str, field: str) -> None:
    served.layout.regions = regions_of(label)
    blocks = page_of(ask(served, png))["prunedResult"]["parsing_res_list"]
    assert (prompts(served), blocks[0]["block_content"]) == ([], "")
    blocks = page_of(ask(served, png, **{field: True}))["prunedResult"]["parsing_res_list"]
    assert blocks[0]["block_content"] == "line one\nline two"


def test_labels_are_left_out_of_the_markdown_as_asked(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("header", "text")
    for ignored, shown in ((None, 1), ([], 2), (["text", "no such label"], 1), (["text", "header"], 0)):
        page = page_of(ask(served, png, markdownIgnoreLabels=ignored))
        assert page["markdown"]["text"].count("line one") == shown
        assert len(page["prunedResult"]["parsing_res_list"]) == 2


def test_formula_numbers_are_shown_when_asked_for(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("display_formula", "formula_number")

    def answer(request: StubRequest) -> Reply:
        return Reply(r"\[ \frac{a}{b} \]" if request.prompt.startswith("Formula") else "(7)")

    served.engine.answer = answer
    assert "7" not in page_of(ask(served, png))["markdown"]["text"]
    assert r"\tag*{(7)}" in page_of(ask(served, png, showFormulaNumber=True))["markdown"]["text"]


def test_markdown_without_html_but_for_tables(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("figure_title", "image", "table")
    served.engine.answer = lambda request: Reply("<fcel>a<nl>" if request.prompt.startswith("Table") else "Figure 1")
    text = page_of(ask(served, png, prettifyMarkdown=False))["markdown"]["text"]
    caption, image, table = text.split("\n\n")
    assert caption == "Figure 1"
    assert image.startswith("![](imgs/")
    assert table == "<table><tr><td>a</td></tr></table>"
    pretty = page_of(ask(served, png))["markdown"]["text"]
    assert pretty.count("text-align: center") >= 2
    assert "<table border=1 " in pretty


def test_block_contents_are_markdown_when_asked_for(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("doc_title", "header")
    for asked, contents in ((False, ["line one\nline two"] * 2), (True, ["# line one line two", "line one\nline two"])):
        blocks = page_of(ask(served, png, formatBlockContent=asked))["prunedResult"]["parsing_res_list"]
        assert [block["block_content"] for block in blocks] == contents


def test_rectangles_need_no_outlines(served: Gateway, png: bytes) -> None:
    pruned = page_of(ask(served, png, layoutShapeMode="rect"))["prunedResult"]
    assert "block_polygon_points" not in pruned["parsing_res_list"][0]
    assert "polygon_points" not in pruned["layout_det_res"]["boxes"][0]
    assert pruned["model_settings"]["return_layout_polygon_points"] is False


def test_sampling_reaches_the_engine(served: Gateway, png: bytes) -> None:
    page_of(ask(served, png, temperature=0.5, maxNewTokens=77))
    body = served.engine.requests[-1].body
    assert body["temperature"] == 0.5
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_pages_are_turned_upright_as_asked(served: Gateway) -> None:
    with Image.open(EXAMPLE) as image:
        file, (width, height) = BytesIO(), (image.width // 2, image.height // 2)
        image.resize((width, height)).rotate(-90, expand=True).save(file, "PNG")
    result = result_of(ask(served, file.getvalue(), useDocOrientationClassify=True))
    [page] = result["layoutParsingResults"]
    pruned = page["prunedResult"]
    assert (pruned["width"], pruned["height"]) == (width, height)
    assert pruned["doc_preprocessor_res"]["angle"] == 90
    assert pruned["model_settings"]["use_doc_preprocessor"] is True
    assert set(page["outputImages"]) == {"layout_det_res", "preprocessed_img"}
    assert (result["dataInfo"]["width"], result["dataInfo"]["height"]) == (height, width)
    assert "warnings" not in result
    kept = page_of(ask(served, file.getvalue()))
    assert (kept["prunedResult"]["width"], "doc_preprocessor_res" in kept["prunedResult"]) == (height, False)


def test_that_pages_are_not_flattened_is_said(served: Gateway, png: bytes) -> None:
    assert any("useDocUnwarping" in line for line in result_of(ask(served, png, useDocUnwarping=True))["warnings"])
    assert "warnings" not in result_of(ask(served, png, useDocUnwarping=False))


def test_spotted_texts_are_drawn(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply("one" + "<|LOC_100|><|LOC_200|>" * 4)
    fields = {"useLayoutDetection": False, "promptLabel": "spotting"}
    assert set(page_of(ask(served, png, **fields))["outputImages"]) == {"spotting_res_img"}
    assert "outputImages" not in page_of(ask(served, png, visualize=False, **fields))


def test_values_that_no_engine_can_serve_do_no_harm(served: Gateway, png: bytes) -> None:
    page_of(ask(served, png, maxNewTokens=10**9, minPixels=1, maxPixels=1))
    body = served.engine.requests[-1].body
    assert 16_384 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@pytest.mark.parametrize(
    "fields",
    [
        {"somethingElse": 1},
        {"layoutShapeMode": None},
        {"layoutUnclipRatio": [1.0, 1.1]},
        {"layoutUnclipRatio": {"7": [1.0, 1.1], "8": 1.2}},
        {"layoutThreshold": {"22": 0.4}, "layoutMergeBboxesMode": {"22": "large"}},
        {"layoutThreshold": 0, "layoutNms": False, "layoutMergeBboxesMode": "small"},
        {"useDocOrientationClassify": True, "useDocUnwarping": True, "topP": 1, "vlmExtraArgs": {"ocr_min_pixels": 1}},
        {"mergeLayoutBlocks": False, "restructurePages": True, "mergeTables": False, "relevelTitles": False},
        {"outputFormats": []},
        dict.fromkeys(
            (
                *(
                    "fileType",
                    "useLayoutDetection",
                    "useChartRecognition",
                    "layoutThreshold",
                    "layoutNms",
                    "promptLabel",
                ),
                *("temperature", "topP", "minPixels", "maxPixels", "maxNewTokens", "mergeLayoutBlocks", "visualize"),
                *("markdownIgnoreLabels", "vlmExtraArgs", "outputFormats", "formatBlockContent", "repetitionPenalty"),
            )
        ),
    ],
)
def test_fields_that_are_taken(served: Gateway, png: bytes, fields: dict[str, Any]) -> None:
    page_of(ask(served, png, **fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fileType", 2),
        ("useLayoutDetection", "perhaps"),
        ("layoutThreshold", 1.5),
        ("layoutThreshold", {"3": -0.1}),
        ("layoutUnclipRatio", 0),
        ("layoutUnclipRatio", [1, 2, 3]),
        ("layoutMergeBboxesMode", "medium"),
        ("layoutMergeBboxesMode", {"3": "medium"}),
        ("layoutShapeMode", "round"),
        ("promptLabel", "text"),
        ("repetitionPenalty", 0),
        ("temperature", -1),
        ("topP", 0),
        ("topP", 1.1),
        ("minPixels", 0),
        ("maxPixels", 1.5),
        ("maxNewTokens", 0),
        ("markdownIgnoreLabels", "text"),
        ("vlmExtraArgs", 1),
        ("vlmExtraArgs", {"table_max_pixels": 0}),
        ("vlmExtraArgs", {"table_min_pixels": 2000, "table_max_pixels": 1000}),
        ("prettifyMarkdown", None),
        ("outputFormats", ["pdf"]),
        ("logId", 7),
        ("file", None),
    ],
)
def test_values_that_are_refused(served: Gateway, field: str, value: object) -> None:
    answer = served.client.post("/layout-parsing", json={"file": "AAAA", field: value})
    problems = json.loads(assert_refused(answer, 422)["errorMsg"])
    assert all(set(problem) == {"type", "loc", "msg"} for problem in problems)
    assert all(problem["loc"].startswith(f"body.{field}") for problem in problems)
    assert served.engine.requests == []


def test_fewest_pixels_above_the_most_are_refused(served: Gateway, png: bytes) -> None:
    assert_refused(ask(served, png, minPixels=2000, maxPixels=1000), 422, "minPixels", "maxPixels")
