"""Three questions that tell whether an engine is well: its health, its model, and a canary."""

from __future__ import annotations

import re

import numpy as np
from pydantic import BaseModel, ValidationError

from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.errors import EngineFailure, garbled
from gateway.model import EngineKind
from gateway.recognition.crops import PATCH, encode
from gateway.recognition.limit import EngineLoad
from gateway.tasks import OCR_PROMPT

KINDS: dict[str | None, EngineKind] = {"vllm": "vllm", "paddleocr-vl-service": "embedded"}
"""`owned_by` in `/v1/models` to the engine's kind; any other owner is `external`."""
NO_HEALTH_STATUSES = (404, 405, 501)
POLL_TIMEOUT_S = 2.0
_STEPS = re.compile(r"^(?:vllm:iteration_tokens_total_count|embedded_lines_total)(?:\{[^}]*\})? ([0-9.eE+]+)$", re.M)
"""vLLM's steps of one batch, and the lines that the embedded engine has found."""
_LOAD = re.compile(
    r"^(?:vllm:num_requests_|sglang:num_)(running|waiting|running_reqs|queue_reqs)(?:\{[^}]*\})? ([0-9.eE+]+)$", re.M
)
CANARY_CROP = encode(np.full((PATCH, PATCH, 3), 255, dtype=np.uint8))
"""The smallest picture that PaddleOCR-VL takes."""


class ServedModel(BaseModel):
    """One name under which the engine offers its model, as in its `/v1/models`. `created`: Unix time, seconds.

    `scripts`: what it reads, where the engine says so: the embedded engine does.
    """

    id: str
    owned_by: str | None = None
    created: int = 0
    max_model_len: int | None = None
    scripts: tuple[str, ...] | None = None

    @property
    def kind(self) -> EngineKind:
        return KINDS.get(self.owned_by, "external")


class _ModelList(BaseModel):
    data: list[ServedModel]


async def ask_health(engine: EngineClient) -> None:
    """Raises EngineFailure unless `/health` answers 200, or is a path that this engine does not have."""
    try:
        await engine.get(f"{root_url(engine)}/health", POLL_TIMEOUT_S)
    except EngineFailure as failure:
        if failure.kind == "busy":
            raise EngineFailure("busy", "The recognition engine is not ready yet.", failure.status) from failure
        if failure.status not in NO_HEALTH_STATUSES:
            raise


async def ask_models(engine: EngineClient) -> tuple[ServedModel, ...]:
    """The models that the engine serves, at least one; raises EngineFailure."""
    body = await engine.get("/models", POLL_TIMEOUT_S)
    try:
        models = _ModelList.model_validate_json(body).data
    except ValidationError as error:
        raise garbled() from error
    if not models:
        raise EngineFailure("garbled", "The recognition engine serves no model.")
    return tuple(models)


async def ask_steps(engine: EngineClient) -> float | None:
    """How many steps the engine has made since its start; None where it does not count any. Never raises.

    A frozen engine still answers its health, and its gauges stand at zero; only a counter that stands still tells.
    """
    counts = [float(value) for value in _STEPS.findall(await _metrics(engine))]
    return sum(counts) if counts else None


async def ask_load(engine: EngineClient) -> EngineLoad | None:
    """What vLLM or SGLang works on and what waits inside, over all copies of the model; None where that is not told.

    Never raises.
    """
    counts = [(name, float(value)) for name, value in _LOAD.findall(await _metrics(engine))]
    if not counts:
        return None
    working = sum(value for name, value in counts if name.startswith("running"))
    return EngineLoad(round(working), round(sum(value for _, value in counts) - working))


async def _metrics(engine: EngineClient) -> str:
    try:
        return (await engine.get(f"{root_url(engine)}/metrics", POLL_TIMEOUT_S)).decode(errors="replace")
    except EngineFailure:
        return ""


def root_url(engine: EngineClient) -> str:
    return engine.base_url.rstrip("/").removesuffix("/v1")


async def ask_canary(engine: EngineClient, model: str, kind: EngineKind, timeout_s: float) -> None:
    """Reads one token of a white picture; raises EngineFailure. An engine too busy for it is well."""
    try:
        await engine.complete(ChatCompletionRequest(model, kind, CANARY_CROP.data_url, OCR_PROMPT, 1), timeout_s)
    except EngineFailure as failure:
        if failure.kind != "busy":
            raise
