"""Run by an interpreter that has paddlex: its own PaddleOCR-VL pipeline, with recorded layout and a VLM elsewhere.

Argument: the VLM's OpenAI URL. Each line on stdin is a document as JSON: `pages` (paths of PNG files), `rows` (of each
page, what the layout network gave: class, score, x1, y1, x2, y2, order), `masks` (of each page, the path of a NumPy
file of its masks), `labels` (the network's classes), `predict`, `markdown` and `restructure` (arguments; null:
pages stay apart). Each line on stdout is its pages as `POST /layout-parsing` of PaddleX's serving would give them, or
{"error": …} where the pipeline fails.

All that follows the network is PaddleX's: post-processing of boxes, crops, calls, conversion, Markdown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from paddlex.inference.models.layout_analysis.processors import LayoutAnalysisProcess
from paddlex.inference.models.layout_analysis.result import LayoutAnalysisResult
from paddlex.inference.pipelines import create_pipeline, load_pipeline_config
from paddlex.inference.pipelines.paddleocr_vl.pipeline import _PaddleOCRVLPipeline
from paddlex.inference.serving.basic_serving._pipeline_apps._common.common import prune_result

PIPELINE = "PaddleOCR-VL-1.6"
NETWORK_SIDES = [800, 800]
Json = dict[str, Any]


class BatchSampler:
    batch_size = 8


class RecordedLayout:
    """The layout module with its network's output given: `document` is the one that the next calls are about."""

    batch_sampler = BatchSampler()
    document: Json
    page = 0

    def __init__(self, config: Json) -> None:
        self._config = config

    def __call__(self, images: list[np.ndarray], **options: Any) -> Iterator[LayoutAnalysisResult]:  # noqa: ANN401
        for image in images:
            boxes = self._boxes(image, options["layout_shape_mode"])
            yield LayoutAnalysisResult({"input_path": None, "page_index": None, "input_img": image, "boxes": boxes})
            self.page += 1

    def _boxes(self, image: np.ndarray, shape_mode: str) -> list[Json]:
        rows, masks = self.document["rows"][self.page], self.document["masks"][self.page]
        if not rows:
            return []
        output = {"boxes": np.array(rows, dtype=np.float32), "masks": np.load(masks)}
        process = LayoutAnalysisProcess(labels=self.document["labels"], scale_size=NETWORK_SIDES)
        (boxes,) = process(
            [output],
            [{"ori_img_size": (image.shape[1], image.shape[0])}],
            threshold=self._config["threshold"],
            layout_nms=self._config["layout_nms"],
            layout_unclip_ratio=self._config["layout_unclip_ratio"],
            layout_merge_bboxes_mode=self._config["layout_merge_bboxes_mode"],
            layout_shape_mode=shape_mode,
        )
        found: list[Json] = boxes
        return found


def create(vlm_url: str) -> tuple[Any, RecordedLayout]:
    config = load_pipeline_config(PIPELINE)
    modules = config["SubModules"]
    modules["VLRecognition"]["genai_config"] = {"backend": "vllm-server", "server_url": vlm_url}
    layout = RecordedLayout(modules["LayoutDetection"])
    create_model = _PaddleOCRVLPipeline.create_model

    def with_layout(self: object, config: Json, **options: Any) -> object:  # noqa: ANN401
        return layout if config["module_name"] == "layout_detection" else create_model(self, config, **options)

    _PaddleOCRVLPipeline.create_model = with_layout
    return create_pipeline(config=config), layout


def read(pipeline: Any, document: Json) -> list[Json]:  # noqa: ANN401 - paddlex has no types
    """The document's pages. Queues between the stages only add half a second of waiting for more pages."""
    images = [cv2.imread(path) for path in document["pages"]]
    results = list(pipeline.predict(images, use_queues=False, **document["predict"]))
    if document["restructure"] is not None:
        results = list(pipeline.restructure_pages(results, **document["restructure"]))
    return [page_of(result, document["markdown"]) for result in results]


def page_of(result: Any, options: Json) -> Json:  # noqa: ANN401
    markdown = result._to_markdown(**options)
    pruned = prune_result(result.json["res"])
    return {"pruned": pruned, "markdown": markdown["markdown_texts"], "images": sorted(markdown["markdown_images"])}


def main(vlm_url: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    pipeline, layout = create(vlm_url)
    for line in sys.stdin:
        layout.document, layout.page = json.loads(line), 0
        try:
            answer: Json = {"pages": read(pipeline, layout.document)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=float), file=answers, flush=True)
    pipeline.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
