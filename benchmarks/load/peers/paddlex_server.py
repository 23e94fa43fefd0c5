"""PaddleX's serving of PaddleOCR-VL 1.6 with recorded boxes: `python paddlex_server.py PORT ENGINE_URL BOXES`.

Everything is PaddleX's own and as it is by default, but for the layout model, which stands on recorded boxes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from paddlex.inference import load_pipeline_config
from paddlex.inference.models.layout_analysis.result import LayoutAnalysisResult
from paddlex.inference.pipelines import create_pipeline
from paddlex.inference.pipelines.paddleocr_vl.pipeline import _PaddleOCRVLPipeline
from paddlex.inference.serving.basic_serving import create_pipeline_app, run_server

PIPELINE = "PaddleOCR-VL-1.6"


class RecordedLayout:
    """In the place of PP-DocLayoutV3's predictor, whose batch size is 8 in this pipeline."""

    def __init__(self, boxes: list[tuple[str, float, float, float, float]]) -> None:
        self._boxes = boxes
        self.batch_sampler = SimpleNamespace(batch_size=8)

    def __call__(self, images: list[Any], **_options: Any) -> list[LayoutAnalysisResult]:  # noqa: ANN401 - PaddleX's
        return [self._result(image) for image in images]

    def _result(self, image: Any) -> LayoutAnalysisResult:  # noqa: ANN401 - a numpy array
        height, width = image.shape[:2]
        boxes = [
            {"cls_id": 22, "label": label, "score": 0.9, "order": order,
             "coordinate": [x1 * width, y1 * height, x2 * width, y2 * height]}
            for order, (label, x1, y1, x2, y2) in enumerate(self._boxes, start=1)
        ]  # fmt: skip
        return LayoutAnalysisResult({"input_path": None, "page_index": None, "input_img": image, "boxes": boxes})


def main() -> None:
    port, engine_url, boxes = sys.argv[1:]
    layout = RecordedLayout(json.loads(Path(boxes).read_text()))
    create_model = _PaddleOCRVLPipeline.create_model

    def with_recorded_layout(self: Any, config: dict[str, Any], **options: Any) -> Any:  # noqa: ANN401 - PaddleX's
        is_layout = config["model_name"] == "PP-DocLayoutV3"
        return layout if is_layout else create_model(self, config, **options)

    _PaddleOCRVLPipeline.create_model = with_recorded_layout
    config = load_pipeline_config(PIPELINE)
    config["SubModules"]["VLRecognition"]["genai_config"] = {"backend": "vllm-server", "server_url": engine_url}
    app = create_pipeline_app(create_pipeline(config=config), config)
    run_server(app, host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main()
