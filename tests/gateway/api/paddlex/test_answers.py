"""What `POST /layout-parsing` answers, over a real socket, held against PaddleX's documentation."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from gateway.model import Region
from tests.gateway.api.paddlex.conftest import ask, page_of, regions_of, result_of
from tests.gateway.conftest import encoded
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply


def picture(text: str) -> Image.Image:
    data = base64.b64decode(text, validate=True)
    assert data.startswith(b"\xff\xd8")
    return Image.open(BytesIO(data))


def test_qianfans_path_is_the_same(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("doc_title", "text")
    sent = {"file": base64.b64encode(png).decode(), "visualize": False}
    here, there = (served.client.post(path, json=sent) for path in ("/paddleocr", "/layout-parsing"))
    assert result_of(here) == result_of(there)
    refused = served.client.post("/paddleocr", json={"file": 7}).json()
    assert (refused["errorCode"], set(refused)) == (422, {"logId", "errorCode", "errorMsg"})


def test_a_picture_becomes_what_paddlex_documents(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("doc_title", "image", "text")
    result = result_of(ask(served, png, fileType=1))
    assert set(result) == {"layoutParsingResults", "dataInfo"}
    assert result["dataInfo"] == {"type": "image", "width": 400, "height": 300}
    (page,) = result["layoutParsingResults"]
    assert set(page) == {"prunedResult", "markdown", "outputImages", "inputImage"}
    pruned = page["prunedResult"]
    assert set(pruned) == {"page_count", "width", "height", "model_settings", "parsing_res_list", "layout_det_res"}
    assert (pruned["page_count"], pruned["width"], pruned["height"]) == (None, 400, 300)
    assert pruned["parsing_res_list"][2] == {
        "block_label": "text",
        "block_content": "line one\nline two",
        "block_bbox": [10, 80, 210, 110],
        "block_id": 2,
        "block_order": 2,
        "group_id": 2,
        "block_polygon_points": [[10, 80], [210, 80], [210, 110], [10, 110]],
    }
    assert pruned["layout_det_res"]["boxes"][1] == {
        "cls_id": 14,
        "label": "image",
        "score": 0.9,
        "coordinate": [10, 40, 210, 70],
        "order": None,
        "polygon_points": [[10, 40], [210, 40], [210, 70], [10, 70]],
    }
    assert pruned["model_settings"] == {
        "use_doc_preprocessor": False,
        "use_layout_detection": True,
        "use_chart_recognition": False,
        "use_seal_recognition": False,
        "use_ocr_for_image_block": False,
        "format_block_content": False,
        "merge_layout_blocks": True,
        "markdown_ignore_labels": [
            *("aside_text", "footer", "footer_image", "footnote", "header", "header_image", "number")
        ],
        "return_layout_polygon_points": True,
    }


def test_the_picture_keys_of_the_text_are_those_of_the_pictures(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("image", "seal", "header_image")
    markdown = page_of(ask(served, png))["markdown"]
    shown = [key for key in markdown["images"] if f'src="{key}"' in markdown["text"]]
    assert len(markdown["images"]) == 3
    assert [key.split("img_in_")[1] for key in shown] == ["image_box_10_0_210_30.jpg", "seal_box_10_40_210_70.jpg"]
    assert [picture(markdown["images"][key]).size for key in shown] == [(200, 30)] * 2


def test_the_layout_is_drawn_on_a_copy_of_the_page(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("text", "table")
    page = page_of(ask(served, png))
    plain, drawn = picture(page["inputImage"]), picture(page["outputImages"]["layout_det_res"])
    assert list(page["outputImages"]) == ["layout_det_res"]
    assert plain.size == drawn.size == (400, 300)
    assert plain.getpixel((100, 15)) == (255, 255, 255)
    assert drawn.getpixel((350, 250)) == (255, 255, 255)
    assert drawn.getpixel((100, 15)) != (255, 255, 255)


def test_a_large_page_is_drawn_smaller_and_told_in_full(served: Gateway) -> None:
    data = BytesIO()
    Image.new("RGB", (4000, 400), "white").save(data, "PNG")
    result = result_of(ask(served, data.getvalue()))
    assert picture(result["layoutParsingResults"][0]["inputImage"]).size == (2000, 200)
    assert result["dataInfo"]["width"] == 4000


def test_without_visualize_there_are_no_such_keys(served: Gateway, png: bytes) -> None:
    assert set(page_of(ask(served, png, visualize=False))) == {"prunedResult", "markdown"}


def test_pictures_may_be_left_out(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("image")
    markdown = page_of(ask(served, png, returnMarkdownImages=False))["markdown"]
    assert set(markdown) == {"text"}
    assert "img_in_image_box" in markdown["text"]
    assert page_of(ask(served, encoded("PNG")))["markdown"]["images"].keys()


def test_markdown_images_are_there_even_when_there_are_none(served: Gateway, png: bytes) -> None:
    assert page_of(ask(served, png))["markdown"]["images"] == {}


def test_pages_of_a_pdf_are_told_at_144_dpi(served: Gateway) -> None:
    served.layout.regions = [Region("image", (100, 50, 200, 150), 1, 0.9, ((100, 50), (200, 60), (150, 150)))]
    result = result_of(ask(served, pdf(2, size=(300, 200)), fileType=0))
    assert result["dataInfo"] == {"type": "pdf", "numPages": 2, "pages": [{"width": 600, "height": 400}] * 2}
    first, second = result["layoutParsingResults"]
    (block,) = first["prunedResult"]["parsing_res_list"]
    # The fake layout's boxes are pixels at 200 dpi, at which the embedded engine's pages are rendered.
    assert block["block_bbox"] == [72, 36, 144, 108]
    assert block["block_polygon_points"] == [[72, 36], [144, 43], [108, 108]]
    assert first["prunedResult"]["layout_det_res"]["boxes"][0]["coordinate"] == [72, 36, 144, 108]
    keys = [next(iter(page["markdown"]["images"])) for page in (first, second)]
    assert keys[0].endswith("img_in_image_box_72_36_144_108.jpg")
    assert keys[0] != keys[1]
    assert f'src="{keys[0]}"' in first["markdown"]["text"]
    assert first["prunedResult"]["page_count"] == 2
    # Clients cut blocks out of the page's picture by their boxes.
    assert picture(first["inputImage"]).size == (600, 400)
    assert picture(first["outputImages"]["layout_det_res"]).size == (600, 400)


def test_pixels_of_a_picture_are_its_own_whatever_resolution_it_names(served: Gateway) -> None:
    data = BytesIO()
    Image.new("RGB", (400, 300), "white").save(data, "PNG", dpi=(300, 300))
    pruned = page_of(ask(served, data.getvalue()))["prunedResult"]
    assert (pruned["width"], pruned["parsing_res_list"][0]["block_bbox"]) == (400, [10, 0, 210, 30])


def test_frames_of_a_tiff_are_pages(served: Gateway, tiff: bytes) -> None:
    result = result_of(ask(served, tiff, fileType=1))
    assert result["dataInfo"]["type"] == "tiff"
    assert result["dataInfo"]["numPages"] == len(result["layoutParsingResults"]) == 3


def test_blocks_outside_the_reading_order_have_no_number(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("header", "text", "table", "text", "formula_number")
    pruned = page_of(ask(served, png, markdownIgnoreLabels=["formula_number"]))["prunedResult"]
    assert [block["block_order"] for block in pruned["parsing_res_list"]] == [None, 1, None, 2, None]
    assert [box["order"] for box in pruned["layout_det_res"]["boxes"]] == [None, 1, None, 2, 3]
    assert [block["block_id"] for block in pruned["parsing_res_list"]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("fields", [{}, {"logId": None}, {"logId": ""}])
def test_an_answer_has_the_id_that_stands_in_the_log(served: Gateway, png: bytes, fields: dict[str, Any]) -> None:
    answer = ask(served, png, **fields)
    assert answer.json()["logId"] == answer.headers["x-request-id"]


def test_an_answer_has_the_clients_own_id(served: Gateway, png: bytes) -> None:
    assert ask(served, png, logId="a/../b").json()["logId"] == "a/../b"


def test_what_could_not_be_read_is_named(served: Gateway, png: bytes) -> None:
    served.engine.script.extend([Reply("kept"), Reply(status=400)])
    result = result_of(ask(served, png))
    assert [block["block_content"] for block in result["layoutParsingResults"][0]["prunedResult"]["parsing_res_list"]]
    assert len(result["warnings"]) == 1


def test_health_is_paddlexs_too(served: Gateway) -> None:
    health = served.client.get("/health").json()
    assert (health["errorCode"], health["errorMsg"]) == (0, "Healthy")
