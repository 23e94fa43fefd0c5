"""Pictures stored for `images=stored`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from gateway.api.auth import KeyRequired
from gateway.api.errors import problem_responses
from gateway.errors import ServiceError
from gateway.service import Service

router = APIRouter(tags=["ocr"], dependencies=[KeyRequired])


@router.get(
    "/files/{document_id}/{key:path}",
    summary="A stored picture",
    response_class=FileResponse,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 404)},
)
def stored_picture(request: Request, document_id: str, key: str) -> FileResponse:
    """A picture that an answer with `images=stored` named by its URL."""
    service: Service = request.app.state.service
    path = service.store.find(document_id, key)
    if path is None:
        raise ServiceError(404, "not_found", "There is no such picture.")
    return FileResponse(path, media_type="image/jpeg")
