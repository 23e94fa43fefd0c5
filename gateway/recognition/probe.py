"""Three questions that tell whether an engine is well: its health, its model, and a canary."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ValidationError

from gateway.recognition.connection import EngineConnection
from gateway.recognition.crops import PATCH, encode
from gateway.recognition.failures import EngineFailure, EngineKind, garbled
from gateway.recognition.tasks import OCR_PROMPT

KINDS: dict[str | None, EngineKind] = {"vllm": "vllm", "paddleocr-vl-service": "embedded"}
"""`owned_by` in `/v1/models` to the engine's kind; any other owner is `external`."""
NO_HEALTH_STATUSES = (404, 405, 501)
POLL_TIMEOUT_S = 2.0
CANARY_CROP = encode(np.full((PATCH, PATCH, 3), 255, dtype=np.uint8))
"""The smallest picture that PaddleOCR-VL takes."""


class _Model(BaseModel):
    id: str
    owned_by: str | None = None


class _ModelList(BaseModel):
    data: list[_Model]


async def ask_health(engine: EngineConnection) -> None:
    """Raises EngineFailure unless `/health` answers 200, or is a path that this engine does not have."""
    root = engine.base_url.rstrip("/").removesuffix("/v1")
    try:
        await engine.get(f"{root}/health", POLL_TIMEOUT_S)
    except EngineFailure as failure:
        if failure.kind == "busy":
            raise EngineFailure("busy", "The recognition engine is not ready yet.", failure.status) from failure
        if failure.status not in NO_HEALTH_STATUSES:
            raise


async def ask_model(engine: EngineConnection, preferred: str) -> tuple[str, EngineKind]:
    """Id and kind of the model that the engine serves: the preferred one, if it has it, else its first."""
    body = await engine.get("/models", POLL_TIMEOUT_S)
    try:
        models = _ModelList.model_validate_json(body).data
    except ValidationError as error:
        raise garbled() from error
    if not models:
        raise EngineFailure("garbled", "The recognition engine serves no model.")
    model = next((model for model in models if model.id == preferred), models[0])
    return model.id, KINDS.get(model.owned_by, "external")


async def ask_canary(engine: EngineConnection, model: str, kind: EngineKind, timeout_s: float) -> None:
    """Reads one token of a white picture; raises EngineFailure. An engine too busy for it is well."""
    try:
        await engine.chat(model, kind, CANARY_CROP.data_url, OCR_PROMPT, max_tokens=1, timeout_s=timeout_s)
    except EngineFailure as failure:
        if failure.kind != "busy":
            raise
