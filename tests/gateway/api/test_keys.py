"""Keys of a file on a real gateway: scopes, limits, rotation, and what is told of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway, leave_when
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

PLAIN = "a-key-of-the-setting"
STORED = pdf(1)
ARCHIVE_BYTES = 2 * len(STORED)


def entry(name: str, *keys: str, **more: object) -> dict[str, object]:
    return {"name": name, "hashes": ["sha256:" + hashlib.sha256(key.encode()).hexdigest() for key in keys], **more}


USUAL = (
    entry("reader", "reader", scopes=["ocr"]),
    entry("boss", "boss", scopes=["admin"]),
    entry("former", "former", expires="2020-01-01"),
    entry("few", "few", limits={"requests_per_minute": 3}),
    entry("pages", "pages", limits={"pages_per_minute": 4}),
    entry("alone", "alone", limits={"documents": 1}),
    entry("archive", "archive", limits={"bytes_stored": ARCHIVE_BYTES}),
    entry("patient", "patient", limits={"pages_per_day": 3}),
)


def write(path: Path, *entries: dict[str, object]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"keys": entries}))
    draft.replace(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.yaml"
    write(path, *USUAL)
    return path


@pytest.fixture(scope="module")
def guarded(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, api_keys=PLAIN, api_keys_file=path, jobs=True) as running:
        yield running


def get(service: Gateway, path: str, key: str) -> httpx.Response:
    return service.client.get(path, headers={"X-API-Key": key})


def read(service: Gateway, data: bytes, key: str, path: str = "/ocr") -> httpx.Response:
    return service.client.post(path, files={"file": ("a.pdf", data)}, headers={"X-API-Key": key})


def usage(service: Gateway, name: str) -> dict[str, Any]:
    keys = get(service, "/admin/usage", "boss").json()["keys"]
    found: dict[str, Any] = next(key for key in keys if key["name"] == name)
    return found


def test_scopes(guarded: Gateway, png: bytes) -> None:
    assert read(guarded, png, "reader").status_code == 200
    problem = assert_problem(get(guarded, "/jobs", "reader"), 403, "scope_missing")
    assert "`jobs`" in problem["detail"]
    assert_problem(read(guarded, png, "boss"), 403, "scope_missing")
    assert_problem(get(guarded, "/admin/usage", PLAIN), 403, "scope_missing")
    chat = guarded.client.post("/v1/chat/completions", json={}, headers={"X-API-Key": "reader"})
    assert chat.status_code == 403
    assert "scope" in chat.json()["error"]["message"]


def test_an_expired_key(guarded: Gateway, png: bytes) -> None:
    assert "expired" in assert_problem(read(guarded, png, "former"), 401, "unauthorized")["detail"]


def test_requests_of_a_minute(guarded: Gateway) -> None:
    answers = [get(guarded, "/v1/models", "few") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert "requests_per_minute" in answers[-1].json()["error"]["message"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_pages_of_a_minute(guarded: Gateway) -> None:
    assert read(guarded, pdf(3), "pages").status_code == 200
    problem = assert_problem(read(guarded, pdf(2), "pages"), 429, "key_limit_reached")
    assert "pages_per_minute" in problem["detail"]
    assert_problem(read(guarded, pdf(5), "pages"), 422, "too_many_pages_for_key")
    assert read(guarded, pdf(1), "pages").status_code == 200
    told = usage(guarded, "pages")
    assert (told["requests"], told["refused"], told["pages"], told["documents"]) == (4, 2, 4, 0)
    assert told["pages_per_minute"]["used"] == told["pages_per_minute"]["limit"] == 4


def test_documents_at_once(guarded: Gateway, png: bytes) -> None:
    guarded.engine.answer = lambda _request: Reply("never", delay_s=3600)
    refusals = []

    def is_refused() -> bool:
        if guarded.engine.running:
            refusals.append(read(guarded, png, "alone"))
        return bool(refusals)

    headers = {"X-API-Key": "alone"}
    leave_when(is_refused, f"{guarded.url}/ocr", files={"file": png}, headers=headers)
    assert "1 documents" in assert_problem(refusals[0], 429, "key_limit_reached")["detail"]
    guarded.reset()
    wait_until(lambda: read(guarded, png, "alone").status_code == 200, "the place of the document that was left")


def test_a_job_takes_the_time_that_its_key_asks_for(guarded: Gateway, path: Path) -> None:
    """And goes on when the limit changes, without a restart."""
    job = read(guarded, pdf(5), "patient", "/jobs").json()["id"]

    def pages_done() -> int:
        return int(get(guarded, f"/jobs/{job}", "patient").json()["progress"]["done"])

    wait_until(lambda: pages_done() == 3, "the pages of a day")
    assert get(guarded, f"/jobs/{job}", "patient").json()["state"] == "running"
    write(path, *USUAL[:-1], entry("patient", "new key", limits={"pages_per_day": 5}))
    wait_until(lambda: get(guarded, f"/jobs/{job}", "new key").json().get("state") == "done", "the other pages")
    assert get(guarded, f"/jobs/{job}", "patient").status_code == 401
    result = get(guarded, f"/jobs/{job}/result", "new key").json()
    assert [page["page"] for page in result["pages"]] == [1, 2, 3, 4, 5]
    assert usage(guarded, "patient")["pages"] == 5


def test_bytes_that_are_stored(guarded: Gateway) -> None:
    """Each service that is spoken here says it in its own words."""
    headers = {"X-API-Key": "archive"}

    def upload(path: str, name: str = "file", **form: str) -> httpx.Response:
        files = {name: ("a.pdf", STORED, "application/pdf")}
        return guarded.client.post(path, files=files, data=form, headers=headers)

    wait_until(lambda: get(guarded, "/jobs", "archive").status_code == 200, "jobs")
    file = upload("/v1/files", purpose="ocr").json()["id"]
    job = upload("/jobs").json()["id"]
    problem = assert_problem(upload("/jobs"), 507, "key_storage_full")
    assert f"{ARCHIVE_BYTES} bytes" in problem["detail"]
    refused = {
        "message": upload("/v1/files", purpose="ocr"),
        "detail": upload("/v1/convert/file/async", "files"),
        "msg": upload("/api/v2/ocr/jobs", model="PaddleOCR-VL-1.6"),
    }
    for field, answer in refused.items():
        assert "bytes_stored" in str(answer.json()[field]), answer.text
    assert usage(guarded, "archive")["bytes_stored"] >= 2 * len(STORED)
    for path in (f"/jobs/{job}", f"/v1/files/{file}"):
        guarded.client.delete(path, headers=headers)
    for _ in range(2):
        assert upload("/v1/files", purpose="ocr").status_code == 200


def test_metrics_tell_of_each_key(guarded: Gateway, png: bytes) -> None:
    read(guarded, png, "reader")
    metrics = get(guarded, "/metrics", PLAIN).text
    line = next(line for line in metrics.splitlines() if line.startswith('ocr_key_pages_total{key="reader"}'))
    assert float(line.split()[-1]) == usage(guarded, "reader")["pages"] >= 1
    assert PLAIN not in metrics


def test_a_broken_file_is_told_to_key_holders(guarded: Gateway, path: Path) -> None:
    whole = path.read_text()
    path.write_text("keys: [")
    wait_until(lambda: "API_KEYS_FILE" in str(get(guarded, "/health", "reader").json()["limitations"]), "a limitation")
    assert get(guarded, "/v1/models", PLAIN).status_code == 200
    path.write_text(whole)
    wait_until(lambda: not get(guarded, "/health", "reader").json()["limitations"], "no limitation")


def test_without_keys_there_is_nothing_to_administer(tmp_path: Path) -> None:
    with gateway(tmp_path) as open_to_all:
        assert_problem(open_to_all.client.get("/admin/usage"), 404, "not_found")
