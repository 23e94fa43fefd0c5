"""What the service says that it can do is what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.api.ocr.options import RequestOptions
from gateway.labels import LABELS
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys="a-key", url_fetch="off", max_upload_mb=3) as running:
        yield running


def capabilities_of(served: Gateway) -> dict[str, Any]:
    answer = served.client.get("/v1/capabilities")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_engine_and_limits(served: Gateway) -> None:
    told = capabilities_of(served)
    assert told["engine"] == {"kind": "embedded", "model": "stub-model", "state": "ready", "scripts": None}
    assert told["limits"]["max_upload_bytes"] == 2_000_000
    assert (told["sources"]["url"], told["jobs"]["is_available"]) == ("public", False)
    assert {label["name"] for label in told["labels"]} == LABELS


def test_every_format_is_answered_as_it_is_told(served: Gateway, png: bytes) -> None:
    for told in capabilities_of(served)["formats"]:
        answer = served.read(png, format=told["name"])
        assert answer.status_code == 200, told
        assert answer.headers["content-type"].partition(";")[0] == told["media_type"]


def test_every_task_is_taken(served: Gateway, png: bytes) -> None:
    for task in capabilities_of(served)["tasks"]:
        assert served.read(png, task=task).status_code == 200


def test_options_are_those_of_ocr(served: Gateway, png: bytes) -> None:
    options = {option["name"]: option for option in capabilities_of(served)["options"]}
    assert set(options) == set(RequestOptions.model_fields)
    assert options["dpi"]["schema"]["maximum"] == 600
    assert served.read(png, dpi="601").status_code == 422
    for name in ("merge_tables", "orientation"):
        answer = served.read(png, stream="true", **{name: "true"})
        assert (answer.status_code == 200) == options[name]["streams"]


def test_what_needs_a_key(served: Gateway, locked: Gateway) -> None:
    assert capabilities_of(served)["key"] == {"is_required": False, "routes": []}
    told = capabilities_of(locked)
    assert told["key"]["is_required"]
    assert {"POST /ocr", "POST /jobs", "GET /metrics"} <= set(told["key"]["routes"])
    assert "GET /v1/capabilities" not in told["key"]["routes"]
    for route in told["key"]["routes"]:
        method, path = route.split()
        assert locked.client.request(method, path).status_code in (401, 403), route
    assert told["sources"]["url"] == "off"
