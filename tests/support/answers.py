"""What tests want to know of an HTTP answer."""

from __future__ import annotations

import json
from typing import Any

import httpx


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["title"]
    assert "Traceback" not in answer.text
    return problem


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = [event.splitlines() for event in text.split("\n\n") if event.startswith("event: ")]
    return [(lines[0].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))) for lines in found]
