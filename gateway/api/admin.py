"""What whoever runs the service asks of it: what each key has used."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.auth import key_required
from gateway.api.deps import ServiceDep
from gateway.api.problems import problem_responses
from gateway.errors import ServiceError
from gateway.keys.accounts import KeyUsage

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[key_required("admin")])


class UsageReport(BaseModel):
    """Of this gateway since it started; the windows are those of all where they share a database."""

    keys: list[KeyUsage]


@router.get("/usage", summary="What each key has used", responses=problem_responses(401, 403, 404, 429))
async def usage(service: ServiceDep) -> UsageReport:
    """Needs a key with the scope `admin`; where no keys are asked for there is nothing to tell (404)."""
    if service.keyring.is_open:
        raise ServiceError(404, "not_found", "There are no keys (API_KEYS_FILE), so there is nothing to tell of them.")
    return UsageReport(keys=service.keyring.usage())
