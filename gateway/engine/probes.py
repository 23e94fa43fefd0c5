"""Requests that tell whether an engine is well (its health, its models, its metrics, a canary), and the warm-up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from time import monotonic

import cv2
import numpy as np
import structlog
from pydantic import BaseModel, ValidationError

from gateway.engine.client import ChatCompletionRequest, EngineClient
from gateway.engine.errors import EngineError, invalid_response
from gateway.imaging.crops import PATCH, Crop, encode
from gateway.model import EngineKind, Pixels
from gateway.scheduling.concurrency_limit import EngineLoad
from gateway.tasks import FORMULA_PROMPT, MAX_PIXELS, MIN_PIXELS, OCR_PROMPT, PROMPTS, SPOTTING_MAX_PIXELS

log = structlog.get_logger(__name__)

KINDS: dict[str | None, EngineKind] = {"vllm": "vllm", "paddleocr-vl-service": "embedded"}
"""`owned_by` in `/v1/models` to the engine's kind; any other owner is `external`."""
NO_HEALTH_STATUSES = (404, 405, 501)
POLL_TIMEOUT_S = 2.0
_STEPS = re.compile(r"^(?:vllm:iteration_tokens_total_count|embedded_steps_total)(?:\{[^}]*\})? ([0-9.eE+]+)$", re.M)
"""vLLM's steps of one batch, and the lines that the embedded engine has looked at."""
_LOAD = re.compile(
    r"^(?:vllm:num_requests_|sglang:num_)(running|waiting|running_reqs|queue_reqs)(?:\{[^}]*\})? ([0-9.eE+]+)$", re.M
)
CANARY_CROP = encode(np.full((PATCH, PATCH, 3), 255, dtype=np.uint8))
"""The smallest picture that PaddleOCR-VL takes."""
LINE, PARAGRAPH, FULL = (1008, 112), (560, 448), (1120, 896)
"""Width and height of a line at the least area that is sent, of a paragraph, and of a picture at the largest area."""
SPOTTING = (1568, 1008)
WARM_UP_REQUESTS: Sequence[tuple[str, tuple[int, int]]] = (
    (OCR_PROMPT, LINE),
    (OCR_PROMPT, PARAGRAPH),
    (OCR_PROMPT, FULL),
    (PROMPTS["table"], FULL),
    (FORMULA_PROMPT, LINE),
    (PROMPTS["chart"], PARAGRAPH),
    (PROMPTS["seal"], PARAGRAPH),
    (PROMPTS["spotting"], SPOTTING),
)
TOKENS = 8
MAX_WARM_UP_S = 240.0
"""A model that is slow for want of a GPU must get ready at last; what is not warm by then stays cold."""

assert LINE[0] * LINE[1] == MIN_PIXELS
assert FULL[0] * FULL[1] <= MAX_PIXELS
assert SPOTTING[0] * SPOTTING[1] <= SPOTTING_MAX_PIXELS


class ServedModel(BaseModel):
    """One name under which the engine offers its model, as in its `/v1/models`. `created`: Unix time, seconds.

    `scripts`: what it reads, and `runtimes`: what runs each of its networks, where the engine says so: the embedded
    engine does.
    """

    id: str
    owned_by: str | None = None
    created: int = 0
    max_model_len: int | None = None
    scripts: tuple[str, ...] | None = None
    runtimes: dict[str, str] | None = None

    @property
    def kind(self) -> EngineKind:
        return KINDS.get(self.owned_by, "external")


class _ModelList(BaseModel):
    data: list[ServedModel]


async def ask_health(engine: EngineClient) -> None:
    """Raises EngineError unless `/health` answers 200, or is a path that this engine does not have."""
    try:
        await engine.get(f"{root_url(engine)}/health", POLL_TIMEOUT_S)
    except EngineError as failure:
        if failure.kind == "busy":
            raise EngineError("busy", "The recognition engine is not ready yet.", failure.status) from failure
        if failure.status not in NO_HEALTH_STATUSES:
            raise


async def ask_models(engine: EngineClient) -> tuple[ServedModel, ...]:
    """The models that the engine serves, at least one; raises EngineError."""
    body = await engine.get("/models", POLL_TIMEOUT_S)
    try:
        models = _ModelList.model_validate_json(body).data
    except ValidationError as error:
        raise invalid_response() from error
    if not models:
        raise EngineError("invalid_response", "The recognition engine serves no model.")
    return tuple(models)


async def ask_steps(engine: EngineClient) -> float | None:
    """How many steps the engine has made since its start; None where it does not count any. Never raises.

    A frozen engine still answers its health, and its gauges stand at zero; only a counter that stands still tells.
    """
    counts = [float(value) for value in _STEPS.findall(await _fetch_metrics(engine))]
    return sum(counts) if counts else None


async def ask_load(engine: EngineClient) -> EngineLoad | None:
    """What vLLM or SGLang works on and what waits inside, over all copies of the model; None where that is not told.

    Never raises.
    """
    counts = [(name, float(value)) for name, value in _LOAD.findall(await _fetch_metrics(engine))]
    if not counts:
        return None
    working = sum(value for name, value in counts if name.startswith("running"))
    return EngineLoad(round(working), round(sum(value for _, value in counts) - working))


async def _fetch_metrics(engine: EngineClient) -> str:
    try:
        return (await engine.get(f"{root_url(engine)}/metrics", POLL_TIMEOUT_S)).decode(errors="replace")
    except EngineError:
        return ""


def root_url(engine: EngineClient) -> str:
    return engine.base_url.rstrip("/").removesuffix("/v1")


async def ask_canary(engine: EngineClient, model: str, kind: EngineKind, timeout_s: float) -> None:
    """Reads one token of a white picture; raises EngineError. An engine too busy for it is well."""
    try:
        await engine.complete(ChatCompletionRequest(model, kind, CANARY_CROP.data_url, OCR_PROMPT, 1), timeout_s)
    except EngineError as failure:
        if failure.kind != "busy":
            raise


async def warm_up(engine: EngineClient, model: str, kind: EngineKind) -> bool:
    """Asks about one picture, then about all at once, as a page does. False: it was too slow to answer them all.

    Raises EngineError where the engine breaks, or does not even answer the first.
    """
    started = monotonic()
    crops = await asyncio.to_thread(lambda: [(prompt, _draw_text(size)) for prompt, size in WARM_UP_REQUESTS])
    await _send(engine, model, kind, *crops[0])
    try:
        await asyncio.gather(*(_send(engine, model, kind, prompt, crop) for prompt, crop in crops))
    except EngineError as failure:
        if failure.kind != "timeout":
            raise
        log.warning("warm_up_unfinished", seconds=round(monotonic() - started, 1))
        return False
    log.info("warm_up", pictures=len(crops) + 1, seconds=round(monotonic() - started, 1))
    return True


async def _send(engine: EngineClient, model: str, kind: EngineKind, prompt: str, crop: Crop) -> None:
    try:
        await engine.complete(ChatCompletionRequest(model, kind, crop.data_url, prompt, TOKENS), MAX_WARM_UP_S)
    except EngineError as failure:
        # A picture too large for a small context is no reason to keep the others from being read.
        if failure.kind not in ("busy", "rejected"):
            raise


def _draw_text(size: tuple[int, int]) -> Crop:
    """Lines of print, so that the tokens vary as those of a page."""
    width, height = size
    pixels: Pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    for baseline in range(40, height, 56):
        cv2.putText(
            pixels, "The quick brown fox 0123456789 " * 3, (14, baseline), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2
        )
    return encode(pixels)
