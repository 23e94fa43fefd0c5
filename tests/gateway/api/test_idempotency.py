"""`Idempotency-Key`: what was asked once is read once."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support import local_http
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S, wait_until


def keyed(served: Gateway, png: bytes, key: str, timeout: float = WAIT_S, **options: str) -> httpx.Response:
    """As a client's retry comes: over a connection of its own, with another boundary in the multipart body."""
    headers = {"Idempotency-Key": key}
    url = f"{served.url}/ocr"
    return local_http.post(url, files={"file": ("a.png", png)}, data=options, headers=headers, timeout=timeout)


def test_a_finished_answer_comes_again(served: Gateway, png: bytes) -> None:
    first = keyed(served, png, "finished", format="markdown")
    calls = len(served.engine.requests)
    again = keyed(served, png, "finished", format="markdown")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    for header in ("x-ocr-id", "x-ocr-status", "content-type"):
        assert again.headers[header] == first.headers[header]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert len(served.engine.requests) == calls
    other = keyed(served, png, "another key", format="markdown")
    assert other.headers["x-ocr-id"] != first.headers["x-ocr-id"]


def test_whoever_comes_while_it_is_read_waits_for_the_same_answer(served: Gateway, png: bytes) -> None:
    release = threading.Event()
    served.engine.answer = lambda _request: Reply("late", after=release)
    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(keyed, served, png, "running") for _ in range(2)]
        try:
            wait_until(lambda: served.service.parts.queue.documents == 2, "both requests in work")
            wait_until(lambda: served.engine.running > 0, "work at the engine")
        finally:
            release.set()
    first, second = (answer.result() for answer in answers)
    assert first.json()["id"] == second.json()["id"]
    assert len(served.engine.requests) == len(first.json()["pages"][0]["blocks"])


@pytest.mark.parametrize("change", ["document", "options"])
def test_a_key_is_for_one_request_only(served: Gateway, png: bytes, tiff: bytes, change: str) -> None:
    assert keyed(served, png, change).status_code == 200
    again = keyed(served, tiff, change) if change == "document" else keyed(served, png, change, task="table")
    assert_problem(again, 422, "idempotency_key_reused")


def test_the_work_goes_on_for_those_who_stay(served: Gateway, png: bytes) -> None:
    release = threading.Event()
    served.engine.answer = lambda _request: Reply("late", after=release)
    with ThreadPoolExecutor(2) as clients:
        leaves = clients.submit(keyed, served, png, "stays", 1.5)
        wait_until(lambda: served.engine.running > 0, "work at the engine")
        stays = clients.submit(keyed, served, png, "stays")
        wait_until(lambda: served.service.parts.queue.documents == 2, "both requests in work")
        with pytest.raises(httpx.ReadTimeout):
            leaves.result()
        wait_until(lambda: served.service.parts.queue.documents == 1, "one request left")
        release.set()
        answer = stays.result()
    assert answer.json()["status"] == "ok"
    assert served.engine.aborted == 0


def test_when_all_leave_the_work_ends_and_the_key_is_free(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(hang=True)
    with ThreadPoolExecutor(2) as clients:
        for left in [clients.submit(keyed, served, png, "all leave", 0.7) for _ in range(2)]:
            with pytest.raises(httpx.ReadTimeout):
                left.result()
    wait_until(lambda: served.engine.running == 0, "an idle engine")
    wait_until(lambda: served.service.parts.queue.documents == 0, "an empty queue")
    served.reset()
    answer = keyed(served, png, "all leave")
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)


def test_a_failure_is_not_kept(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(status=400)
    assert_problem(keyed(served, png, "fails"), 502, "recognition_failed")
    served.reset()
    assert keyed(served, png, "fails").status_code == 200


def test_streams_and_odd_keys_are_refused(served: Gateway, png: bytes) -> None:
    assert_problem(keyed(served, png, "streamed", stream="true"), 422, "conflicting_option")
    assert_problem(keyed(served, png, ""), 400, "invalid_idempotency_key")
    assert_problem(keyed(served, png, "k" * 256), 400, "invalid_idempotency_key")


def test_paddlexs_clients_have_it_too(served: Gateway, png: bytes) -> None:
    body = {"file": base64.b64encode(png).decode(), "fileType": 1}
    headers = {"Idempotency-Key": "paddlex"}
    first, again = (served.client.post("/layout-parsing", json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    body["file"] = base64.b64encode(png + b"\n").decode()
    other = served.client.post("/layout-parsing", json=body, headers=headers)
    assert (other.status_code, other.json()["errorCode"]) == (422, 422)


def test_a_key_belongs_to_its_client(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, api_keys="one,two") as served:
        sent = {"files": {"file": ("a.png", png)}}
        ids = [
            served.post(**sent, headers={"X-API-Key": client, "Idempotency-Key": "same"}).headers["x-ocr-id"]
            for client in ("one", "two", "one")
        ]
    assert ids[0] == ids[2] != ids[1]


def test_small_answers_without_number_have_their_bound_too(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, idempotency_mb=0.05) as served:
        served.engine.answer = lambda _request: Reply("a")
        for number in range(14):
            keyed(served, png, str(number), format="text")
        assert "idempotent-replayed" not in keyed(served, png, "0", format="text").headers
        assert "idempotent-replayed" in keyed(served, png, "13", format="text").headers


def test_only_so_much_is_kept_for_so_long(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, idempotency_mb=0.05) as served:
        text = "x" * 8_000
        served.engine.answer = lambda _request: Reply(text)
        for key in ("a", "b", "c"):
            keyed(served, png, key, format="text")
        assert "idempotent-replayed" not in keyed(served, png, "a", format="text").headers
        assert "idempotent-replayed" in keyed(served, png, "c", format="text").headers
        text = "x" * 60_000
        for _ in range(2):
            assert "idempotent-replayed" not in keyed(served, png, "large", format="text").headers
    with gateway(tmp_path, idempotency_s=0) as served:
        for _ in range(2):
            assert "idempotent-replayed" not in keyed(served, png, "old").headers
