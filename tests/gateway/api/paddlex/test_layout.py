"""What the layout fields of `POST /layout-parsing` ask of the layout model, and what the answer shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.reading_options import LayoutOptions
from tests.gateway.api.paddlex.conftest import ask, page_of, regions_of, result_of
from tests.support.server import Gateway


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, LayoutOptions()),
        ({"layoutNms": None, "layoutShapeMode": None, "layoutThreshold": None}, LayoutOptions()),
        ({"layoutThreshold": 0.4, "layoutNms": False}, LayoutOptions(threshold=0.4, nms=False)),
        ({"layoutThreshold": {"21": 0.4, "6": 0, "99": 1}}, LayoutOptions(threshold={"table": 0.4, "doc_title": 0})),
        ({"layoutUnclipRatio": 1.5}, LayoutOptions(stretch=(1.5, 1.5))),
        ({"layoutUnclipRatio": [1.5, 1]}, LayoutOptions(stretch=(1.5, 1))),
        (
            {"layoutUnclipRatio": {"22": 2, "14": [1, 3]}},
            LayoutOptions(stretch={"text": (2, 2), "image": (1, 3)}),
        ),
        ({"layoutMergeBboxesMode": "small"}, LayoutOptions(merge="small")),
        ({"layoutMergeBboxesMode": {"0": "large"}}, LayoutOptions(merge={"abstract": "large"})),
        ({"layoutShapeMode": "quad"}, LayoutOptions(shape="quad")),
    ],
)
def test_the_fields_reach_the_layout_model(
    served: Gateway, png: bytes, fields: dict[str, Any], options: LayoutOptions
) -> None:
    page_of(ask(served, png, **fields))
    assert served.layout.asked == [options]


def test_all_boxes_are_shown_and_only_those_to_read_are_read(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("text")
    served.layout.detections = regions_of("text", "reference")
    pruned = page_of(ask(served, png))["prunedResult"]
    assert [box["label"] for box in pruned["layout_det_res"]["boxes"]] == ["text", "reference"]
    assert [block["block_label"] for block in pruned["parsing_res_list"]] == ["text"]


def test_what_the_layout_model_can_not_do_is_told(served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "warnings" not in result_of(ask(served, png))
    monkeypatch.setattr(served.layout, "warning", "the layout is by another")
    served.layout.without_effect = ["nms", "merge"]
    another, list_unsupported = result_of(ask(served, png))["warnings"]
    assert another == "the layout is by another"
    assert "layoutNms" in list_unsupported
    assert "layoutMergeBboxesMode" in list_unsupported
    assert "warnings" not in result_of(ask(served, png, useLayoutDetection=False))
