"""GLM-OCR's SDK server with recorded boxes: `python glmocr_server.py PORT ENGINE_PORT BOXES`.

Everything is its own and as it is by default, but for the layout model, in whose place stand recorded boxes, and the
hosted API, which is off.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import glmocr.layout
from glmocr.config import load_config
from glmocr.layout.base import BaseLayoutDetector
from glmocr.server import create_app

TASKS = {"table": "table", "display_formula": "formula"}


class RecordedLayout(BaseLayoutDetector):  # type: ignore[misc]
    """In the place of PP-DocLayoutV3."""

    boxes: list[tuple[str, float, float, float, float]]
    batch_size = 1

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def process(self, images: list[Any], **_options: Any) -> tuple[list[list[dict[str, Any]]], dict[int, Any]]:  # noqa: ANN401
        return [self._regions() for _ in images], {}

    def _regions(self) -> list[dict[str, Any]]:
        return [
            {"index": index, "label": label, "score": 0.9, "task_type": TASKS.get(label, "text"),
             "bbox_2d": [int(1000 * share) for share in box],
             "polygon": [[int(1000 * box[x]), int(1000 * box[y])] for x, y in ((0, 1), (2, 1), (2, 3), (0, 3))]}
            for index, (label, *box) in enumerate(self.boxes)
        ]  # fmt: skip


def main() -> None:
    port, engine_port, boxes = sys.argv[1:]
    RecordedLayout.boxes = json.loads(Path(boxes).read_text())
    glmocr.layout.PPDocLayoutDetector = RecordedLayout
    config = load_config(None)
    config.pipeline.maas.enabled = False
    config.pipeline.ocr_api.api_port = int(engine_port)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = create_app(config)
    app.config["pipeline"].start()
    app.run(host="127.0.0.1", port=int(port), debug=False)


if __name__ == "__main__":
    main()
