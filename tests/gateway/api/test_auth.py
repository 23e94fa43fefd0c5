"""API keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway

OPEN = {
    "/",
    "/v1/capabilities",
    "/health",
    "/livez",
    "/readyz",
    "/ready",
    "/startupz",
    "/ping",
    "/v1/health/live",
    "/v1/health/ready",
}
SIGNED = {
    "/api/v2/ocr/jobs/{job_id}/result.jsonl": 400,
    "/api/v2/ocr/jobs/{job_id}/pictures/{key}": 400,
    "/v1/files/{file_id}/signed": 422,
}
"""Links that clients follow without a key, for they carry a signature of their own; and the answer without one."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys="first-key, second-key") as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "first-key"},
        {"X-API-Key": "second-key"},
        {"Authorization": "Bearer first-key"},
        {"authorization": "token second-key"},
        {"api-key": "first-key"},
        {"Ocp-Apim-Subscription-Key": "first-key", "Authorization": "Bearer the-platforms-own"},
        {"X-API-Key": "first-key", "Authorization": "Bearer the-platforms-own"},
    ],
)
def test_a_key_in_any_of_the_headers_opens(guarded: Gateway, png: bytes, headers: dict[str, str]) -> None:
    assert guarded.post(files={"file": png}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "first-key, second-key"},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Basic first-key"},
        {"Authorization": "first-key"},
        {"Authorization": "Bearer"},
    ],
)
def test_anything_else_does_not(guarded: Gateway, png: bytes, headers: dict[str, str]) -> None:
    problem = assert_problem(guarded.post(files={"file": png}, headers=headers), 401, "unauthorized")
    assert "first-key" not in str(problem)


@pytest.mark.parametrize("path", ["/ocr", "/v1/chat/completions"])
def test_a_refusal_says_how_to_send_a_key(guarded: Gateway, path: str) -> None:
    assert guarded.client.post(path).headers["www-authenticate"] == "Bearer"


def test_only_health_and_documentation_are_open(guarded: Gateway) -> None:
    paths = guarded.client.get("/openapi.json").json()["paths"]
    assert {"/ocr", "/metrics"} <= set(paths)
    for path, operations in paths.items():
        for method in operations:
            answer = guarded.client.request(method, path.replace("{", "").replace("}", ""))
            if path in SIGNED:
                assert answer.status_code == SIGNED[path], path
            else:
                assert (answer.status_code == 401) == (path not in OPEN), path
    for path in ("/docs", "/redoc"):
        assert guarded.client.get(path).status_code == 200
