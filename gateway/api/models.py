"""`GET /v1/models`: what the engine serves, in OpenAI's shape."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api.auth import KeyRequired
from gateway.api.chat.description import error_responses
from gateway.errors import ServiceError
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.probe import ServedModel
from gateway.service import Service

router = APIRouter(tags=["chat"], dependencies=[KeyRequired])


class Model(BaseModel):
    id: str = Field(examples=["PaddlePaddle/PaddleOCR-VL-1.6"])
    object: Literal["model"] = "model"
    created: int = Field(0, description="Unix time, seconds")
    owned_by: str = Field(examples=["vllm"])
    max_model_len: int | None = Field(None, description="Tokens of the context, where the engine tells")


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", summary="Models", response_model=ModelList, responses=error_responses(401, 503))
async def models(request: Request) -> ModelList:
    """All names of the engine's model, from memory."""
    return ModelList(data=[_shown(model) for model in _served(request)])


@router.get("/v1/models/{id:path}", summary="One model", response_model=Model, responses=error_responses(401, 404, 503))
async def model(request: Request, id: str) -> Model:
    """Its name may hold slashes."""
    _served(request)
    service: Service = request.app.state.service
    return _shown(find_model(service.parts.engine, id))


def find_model(engine: EngineMonitor, name: str | None) -> ServedModel:
    """The model of this name, the engine's preferred one for None; raises ServiceError 404 `model_not_found`."""
    wanted = engine.model if name is None else name
    for model in engine.models:
        if model.id == wanted:
            return model
    served = ", ".join(f"`{model.id}`" for model in engine.models)
    raise ServiceError(
        404, "model_not_found", f"The model `{(name or '')[:100]}` does not exist; there is {served}.", param="model"
    )


def _served(request: Request) -> tuple[ServedModel, ...]:
    service: Service = request.app.state.service
    engine = service.parts.engine
    if not engine.models:
        engine.require_serving()
    return engine.models


def _shown(model: ServedModel) -> Model:
    return Model(
        id=model.id, created=model.created, owned_by=model.owned_by or "unknown", max_model_len=model.max_model_len
    )
