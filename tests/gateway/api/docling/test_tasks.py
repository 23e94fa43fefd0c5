"""docling-serve's tasks: submitted, polled, fetched; and each key sees its own."""

from __future__ import annotations

import base64
import threading
import zipfile
from io import BytesIO
from typing import Any

from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

FILE, SOURCE = "/v1/convert/file/async", "/v1/convert/source/async"
STATUS, RESULT = "/v1/status/poll", "/v1/result"
WAIT = {"wait": "50"}


def submit(served: Gateway, data: bytes, **fields: Any) -> str:  # noqa: ANN401 - a form's fields
    answer = served.client.post(FILE, files={"files": ("report.pdf", data)}, data=fields)
    assert answer.status_code == 200, answer.text
    task = answer.json()
    assert (task["task_type"], task["task_meta"]) == ("convert", None)
    assert task["task_status"] in ("pending", "started")
    return str(task["task_id"])


def test_a_task_converts_as_a_request_does(served: Gateway) -> None:
    data, fields = pdf(2), {"to_formats": ["md", "json", "doctags"], "image_export_mode": "embedded"}
    at_once = served.client.post("/v1/convert/file", files={"files": ("report.pdf", data)}, data=fields).json()
    task = submit(served, data, **fields)
    assert served.client.get(f"{STATUS}/{task}", params=WAIT).json()["task_status"] == "success"
    result = served.client.get(f"{RESULT}/{task}").json()
    assert result["document"] == at_once["document"]
    assert (result["status"], result["errors"]) == ("success", [])


def test_a_poll_ends_with_the_task(served: Gateway) -> None:
    """And before it where its own time is over."""
    may_read = threading.Event()
    read = served.engine.answer
    served.engine.answer = lambda asked: Reply(read(asked).text, after=may_read)
    source = {"kind": "file", "filename": "a.pdf", "base64_string": base64.b64encode(pdf(1)).decode()}
    task = served.client.post(SOURCE, json={"sources": [source]}).json()["task_id"]
    assert served.client.get(f"{STATUS}/{task}", params={"wait": "0"}).json()["task_status"] in ("pending", "started")
    not_ready = served.client.get(f"{RESULT}/{task}")
    assert (not_ready.status_code, not_ready.json()["detail"].startswith("Task result not found")) == (404, True)
    may_read.set()
    assert served.client.get(f"{STATUS}/{task}", params=WAIT).json()["task_status"] == "success"


def test_a_zip_is_made_of_a_task(served: Gateway) -> None:
    task = submit(served, pdf(1), target_type="zip", to_formats="json")
    served.client.get(f"{STATUS}/{task}", params=WAIT)
    answer = served.client.get(f"{RESULT}/{task}")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["report.json"]


def test_a_task_that_fails_says_why(served: Gateway) -> None:
    task = submit(served, b"plain text")
    state = served.client.get(f"{STATUS}/{task}", params=WAIT).json()
    assert (state["task_status"], "plain text" in state["error_message"]) == ("failure", True)
    result = served.client.get(f"{RESULT}/{task}").json()
    assert (result["kind"], result["failure"]["message"]) == ("TaskFailureResult", state["error_message"])


def test_tasks_of_others_do_not_exist(served: Gateway) -> None:
    """Nor do jobs of other dialects, and what was never there."""
    task = submit(served, pdf(1))
    other = served.client.post("/jobs", files={"file": ("a.pdf", pdf(1))}).json()["id"]
    asked = [(task, "two"), (other, "one"), ("0" * 32, "one"), ("..", "one")]
    for id, key in asked:
        for path in (STATUS, RESULT):
            answer = served.client.get(f"{path}/{id}", headers={"x-api-key": key})
            assert answer.status_code == 404
            assert path == RESULT or id == ".." or answer.json() == {"detail": "Task not found."}
