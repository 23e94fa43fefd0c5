"""Run by an interpreter that has paddlex: holds an answer against paddlex's own schema.

Arguments: `layout-parsing` or `restructure-pages`, a file with an answer of it. Prints paddlex's request fields, each
with its default, or "required".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from paddlex.inference.serving.infra.models import AIStudioResultResponse
from paddlex.inference.serving.schemas import paddleocr_vl as schemas

MODELS = {
    "layout-parsing": (schemas.InferRequest, schemas.InferResult),
    "restructure-pages": (schemas.RestructurePagesRequest, schemas.RestructurePagesResult),
}

request, result = MODELS[sys.argv[1]]
AIStudioResultResponse[result].model_validate_json(Path(sys.argv[2]).read_bytes())
fields = {name: "required" if field.is_required() else field.default for name, field in request.model_fields.items()}
sys.stdout.write("\n" + json.dumps(fields) + "\n")
