"""Run by an interpreter that has paddlex: holds an answer against paddlex's own schema.

Argument: a file with an answer of `POST /layout-parsing`. Prints paddlex's request fields, each with its default, or
"required".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from paddlex.inference.serving.infra.models import AIStudioResultResponse
from paddlex.inference.serving.schemas.paddleocr_vl import InferRequest, InferResult

AIStudioResultResponse[InferResult].model_validate_json(Path(sys.argv[1]).read_bytes())
fields = {
    name: "required" if field.is_required() else field.default for name, field in InferRequest.model_fields.items()
}
sys.stdout.write("\n" + json.dumps(fields) + "\n")
