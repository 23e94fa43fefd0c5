"""Pictures stored for `images=stored`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.auth import KeyRequired
from gateway.api.errors import problem_responses
from gateway.errors import ServiceError
from gateway.service import Service
from gateway.storage.base import FILES

router = APIRouter(tags=["ocr"], dependencies=[KeyRequired])


@router.get(
    FILES + "/{document_id}/{key:path}",
    summary="A stored picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 404, 503)},
)
async def stored_picture(request: Request, document_id: str, key: str) -> Response:
    """A picture that an answer with `images=stored` named by its URL."""
    service: Service = request.app.state.service
    picture = await service.store.load(document_id, key)
    if picture is None:
        raise ServiceError(404, "not_found", "There is no such picture.")
    return Response(picture, media_type="image/jpeg")
