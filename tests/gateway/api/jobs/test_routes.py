"""`/jobs` over a real socket: documents are taken at once, read in the background and shown as they come."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pypdfium2 as pdfium
import pytest

from gateway.api.ocr import options
from gateway.jobs.store import JobStore
from gateway.model import Region
from tests.support import local_http
from tests.support.answers import assert_problem, events_of
from tests.support.fakes import text_regions
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import SECRET

MAX_JOBS = 2
"""The default."""


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, jobs=True, api_keys="one,two", max_upload_mb=2, webhook_secret=SECRET) as running:
        running.client.headers["x-api-key"] = "one"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Iterator[Gateway]:
    _running.reset()
    yield _running
    for job in _running.client.get("/jobs", params={"limit": 500}).json()["jobs"]:
        _running.client.delete(f"/jobs/{job['id']}")
    _running.reset()


def submit(served: Gateway, data: bytes, name: str = "a.tiff", **options: str) -> httpx.Response:
    headers = {"idempotency-key": options.pop("key")} if "key" in options else {}
    return served.client.post("/jobs", files={"file": (name, data)}, data=options, headers=headers)


def end_of(served: Gateway, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it has ended."""
    seen: dict[str, Any] = {}

    def is_over() -> bool:
        seen.update(served.client.get(f"/jobs/{job['id']}").json())
        return seen["state"] not in ("queued", "running")

    wait_until(is_over, "the job's end")
    return seen


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    """The result without what it took of the engine, which is never the same twice."""
    for usage in (result["usage"], *(page["usage"] for page in result["pages"])):
        assert usage.pop("engine_s") > 0
    return result


def test_a_job_gives_what_a_request_would_have(served: Gateway, tiff: bytes) -> None:
    expected = without_times(served.read(tiff).json())
    answer = submit(served, tiff)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    ended = end_of(served, job)
    assert (ended["state"], ended["progress"], ended["name"]) == ("done", {"done": 3, "total": 3}, "a.tiff")
    result = without_times(served.client.get(ended["links"]["result"]).json())
    assert result["pages"] == expected["pages"]
    assert (result["markdown"], result["status"]) == (expected["markdown"], "ok")
    assert result["document"]["sha256"] == expected["document"]["sha256"]
    assert result["usage"] == expected["usage"]


@pytest.mark.parametrize("kind", ["markdown", "html", "text"])
def test_every_format_is_as_of_a_request(served: Gateway, tiff: bytes, kind: str) -> None:
    expected = served.read(tiff, format=kind)
    job = end_of(served, submit(served, tiff, name="a.png").json())
    result = served.client.get(f"/jobs/{job['id']}/result", params={"format": kind})
    assert (result.status_code, result.text) == (200, expected.text)
    assert result.headers["content-type"] == expected.headers["content-type"]


def test_pages_are_put_together_as_by_a_request(served: Gateway, tiff: bytes) -> None:
    served.layout.regions = [Region("paragraph_title", (10, 10, 200, 40), 1, 0.9), *text_regions(1)]
    served.engine.answer = lambda request: Reply("a line that goes on-" if request.size[1] > 30 else "2.1 Title")
    options = {"merge_tables": "true", "join_paragraphs": "true", "relevel_titles": "true"}
    expected = without_times(served.read(tiff, **options).json())
    plain = served.read(tiff).json()
    job = end_of(served, submit(served, tiff, **options).json())
    result = without_times(served.client.get(f"/jobs/{job['id']}/result").json())
    assert result["pages"] == expected["pages"]
    assert result["markdown"] == expected["markdown"] != plain["markdown"]


def test_options_are_those_of_ocr(served: Gateway, tiff: bytes) -> None:
    job = end_of(served, submit(served, tiff, pages="2-3", format="text").json())
    assert job["progress"]["total"] == 2
    assert served.client.get(f"/jobs/{job['id']}/result").headers["content-type"].startswith("text/plain")
    assert_problem(submit(served, tiff, nonsense="1"), 422, "unknown_option")
    assert_problem(submit(served, tiff, stream="true"), 422, "conflicting_option")
    assert_problem(submit(served, tiff, keep_s="1"), 422, "invalid_option")


def test_an_unknown_option_is_told_which_there_are(served: Gateway, png: bytes) -> None:
    refused = submit(served, png, keep="60")
    assert_problem(refused, 422, "unknown_option")
    assert {"pages", "keep_s", "batch", "webhook"} <= set(re.findall(r"\w+", refused.json()["detail"]))


def test_a_form_s_empty_fields_ask_for_nothing(served: Gateway, png: bytes) -> None:
    job = submit(served, png, keep_s="", batch="", webhook="", pages="")
    assert (job.status_code, job.json()["batch"]) == (202, None), job.text


def test_json_with_base64_makes_a_job_too(served: Gateway, png: bytes) -> None:
    source = {"base64": base64.b64encode(png).decode(), "name": "scan.png"}
    job = end_of(served, served.client.post("/jobs", json={"source": source, "batch": "b1"}).json())
    assert (job["state"], job["name"], job["batch"]) == ("done", "scan.png", "b1")


def test_events_tell_of_each_page_and_can_be_taken_up_again(served: Gateway, tiff: bytes) -> None:
    job = submit(served, tiff).json()
    events = events_of(served.client.get(f"/jobs/{job['id']}/events").text)
    assert [(name, data.get("page")) for name, data in events] == [("page", 1), ("page", 2), ("page", 3), ("end", None)]
    assert events[-1][1]["state"] == "done"
    again = served.client.get(f"/jobs/{job['id']}/events", headers={"last-event-id": "2"})
    assert [(name, data.get("page")) for name, data in events_of(again.text)] == [("page", 3), ("end", None)]
    assert "id: 3\n" in again.text


def test_a_page_is_there_before_the_job_has_ended(served: Gateway, tiff: bytes) -> None:
    served.layout.delay_s = lambda number: 0 if number == 1 else 3600
    job = submit(served, tiff).json()
    page = f"/jobs/{job['id']}/pages/1"
    wait_until(lambda: served.client.get(page).status_code == 200, "the first page")
    assert served.client.get(page).json()["blocks"][0]["content"] == "line one\nline two"
    assert_problem(served.client.get(f"/jobs/{job['id']}/pages/2"), 404, "not_found")
    assert_problem(served.client.get(f"/jobs/{job['id']}/result"), 409, "job_not_finished")
    shown = served.client.get(f"/jobs/{job['id']}").json()
    assert (shown["state"], shown["progress"]) == ("running", {"done": 1, "total": 3})


def test_deleting_a_job_ends_its_work_and_leaves_nothing(served: Gateway, tiff: bytes) -> None:
    served.engine.answer = lambda _request: Reply("late", delay_s=3600)
    job = submit(served, tiff).json()
    wait_until(lambda: served.engine.requests, "calls")
    folder = served.service.settings.data_dir / "jobs" / job["id"]
    assert folder.exists()
    assert served.client.delete(f"/jobs/{job['id']}").status_code == 204
    wait_until(lambda: not served.service.parts.queue.running, "the end of its calls")
    assert not folder.exists()
    assert_problem(served.client.get(f"/jobs/{job['id']}"), 404, "not_found")


def test_a_job_that_is_deleted_is_not_begun_anew_while_its_files_go(
    served: Gateway, tiff: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.engine.answer = lambda _request: Reply("never", delay_s=3600)
    job = submit(served, tiff).json()
    wait_until(lambda: len(served.layout.asked) == 3, "all its pages")
    delete = JobStore.delete

    def be_slow(store: JobStore, job_id: str) -> None:
        time.sleep(0.5)
        delete(store, job_id)

    monkeypatch.setattr(JobStore, "delete", be_slow)
    assert served.client.delete(f"/jobs/{job['id']}").status_code == 204
    assert len(served.layout.asked) == 3


def test_what_cannot_be_read_fails_with_the_code_of_ocr(served: Gateway) -> None:
    job = end_of(served, submit(served, b"%PDF-1.4 nothing", name="a.pdf").json())
    refused = served.read(b"%PDF-1.4 nothing")
    assert job["state"] == "failed"
    assert (job["error"]["status"], job["error"]["code"]) == (refused.status_code, refused.json()["code"])
    assert_problem(served.client.get(f"/jobs/{job['id']}/result"), refused.status_code, refused.json()["code"])


def test_another_key_sees_no_job(served: Gateway, png: bytes) -> None:
    job = submit(served, png).json()
    other = {"x-api-key": "two"}
    for path in ("", "/result", "/events", "/pages/1"):
        assert_problem(served.client.get(f"/jobs/{job['id']}{path}", headers=other), 404, "not_found")
    assert_problem(served.client.delete(f"/jobs/{job['id']}", headers=other), 404, "not_found")
    assert served.client.get("/jobs", headers=other).json()["jobs"] == []


def test_another_key_s_job_does_not_wait_for_many(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply("late", delay_s=3600)
    for _ in range(2 * MAX_JOBS):
        submit(served, png)
    calls = MAX_JOBS * len(served.layout.regions)
    wait_until(lambda: served.engine.running == calls, "all places of the first key to be taken")
    served.engine.answer = lambda _request: Reply("line one")
    other = {"x-api-key": "two"}
    job = served.client.post("/jobs", files={"file": png}, headers=other).json()["links"]["self"]
    wait_until(lambda: served.client.get(job, headers=other).json()["state"] == "done", "the other key's job")
    assert sorted(states(served)) == ["queued"] * MAX_JOBS + ["running"] * MAX_JOBS
    served.client.delete(job, headers=other)


def test_a_password_is_forgotten_when_the_job_has_ended(served: Gateway, png: bytes) -> None:
    job = end_of(served, submit(served, png, password="open sesame").json())
    folder = served.service.settings.data_dir / "jobs" / job["id"]
    kept = folder / "job.json"
    wait_until(lambda: "open sesame" not in kept.read_text(encoding="utf-8"), "the password to be forgotten")
    assert not any(b"open sesame" in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_an_idempotency_key_finds_the_same_job(served: Gateway, png: bytes, tiff: bytes) -> None:
    first = submit(served, png, key="k").json()
    again = submit(served, png, key="k")
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(submit(served, tiff, key="k"), 422, "idempotency_key_reused")


def test_an_idempotency_key_finds_the_same_job_at_a_later_version(
    served: Gateway, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that knows an option more, which this client does not send."""

    class LaterOptions(options.RequestOptions):
        formula_numbers: bool = True

    first = submit(served, png, key="versions", dpi="100").json()
    monkeypatch.setattr(options, "RequestOptions", LaterOptions)
    again = submit(served, png, key="versions", dpi="100")
    assert (again.status_code, again.json().get("id")) == (202, first["id"])


def test_a_later_version_s_job_is_read_and_shown(served: Gateway, png: bytes) -> None:
    """Its gateway knows options that this one does not, and keeps them with the job."""
    job = end_of(served, submit(served, png).json())
    path = served.service.settings.data_dir / "jobs" / job["id"] / "job.json"
    record = json.loads(path.read_bytes())
    record |= {"later": 1, "options": {**record["options"], "later": 1}, "params": {**record["params"], "later": True}}
    path.write_text(json.dumps(record))
    result = served.client.get(f"/jobs/{job['id']}/result")
    assert (result.status_code, result.json()["status"]) == (200, "ok"), result.text


def test_a_webhook_to_a_private_address_is_refused(served: Gateway, png: bytes) -> None:
    assert_problem(submit(served, png, webhook="http://192.168.0.1/hook"), 422, "webhook_not_allowed")
    assert served.client.get("/jobs").json()["jobs"] == []


def test_jobs_are_listed_newest_first(served: Gateway, png: bytes) -> None:
    made = [submit(served, png, name=f"{at}.png", batch="b" if at else "c").json()["id"] for at in range(3)]
    listed = served.client.get("/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in listed["jobs"]] == made[:0:-1]
    older = served.client.get(listed["next"]).json()
    assert ([job["id"] for job in older["jobs"]], older["next"]) == (made[:1], None)
    batch = served.client.get("/jobs", params={"batch": "c"}).json()["jobs"]
    assert [job["id"] for job in batch] == made[:1]
    for job in made:
        end_of(served, {"id": job})
    assert len(served.client.get("/jobs", params={"state": "done"}).json()["jobs"]) == 3
    assert served.client.get("/jobs", params={"state": "failed"}).json()["jobs"] == []


def test_a_list_goes_on_where_it_was_when_others_come(served: Gateway, png: bytes) -> None:
    made = [submit(served, png).json()["id"] for _ in range(3)]
    first = served.client.get("/jobs", params={"limit": 2}).json()
    submit(served, png)
    rest = served.client.get(first["next"]).json()
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]


def test_a_filtered_list_can_be_followed_to_its_end(served: Gateway, png: bytes) -> None:
    made = [submit(served, data).json() for data in (b"%PDF-1.4 nothing", png, png)]
    for job in made:
        end_of(served, job)
    found, path = [], "/jobs?state=failed&limit=1"
    while path:
        listed = served.client.get(path).json()
        found += [job["id"] for job in listed["jobs"]]
        path = listed["next"]
    assert found == [made[0]["id"]]


def test_a_cursor_that_no_list_gave(served: Gateway, png: bytes) -> None:
    made = submit(served, png).json()["id"]
    no_job = "f" * 32
    assert_problem(served.client.get(f"/jobs?cursor={10**14}-0-{no_job}"), 422, "invalid_option")
    late = served.client.get(f"/jobs?cursor={10**14 - 1}-0-{no_job}").json()
    assert [job["id"] for job in late["jobs"]] == [made]


def test_a_job_that_waits_says_how_many_go_before_it(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply("late", delay_s=3600)
    jobs = [submit(served, png).json()["id"] for _ in range(MAX_JOBS)]
    wait_until(lambda: states(served) == ["running"] * MAX_JOBS, "all places to be taken")
    late = submit(served, png, priority="batch").json()
    first, second = (submit(served, png).json() for _ in range(2))
    wait_until(lambda: position(served, late) == 3, "the last place")
    assert (position(served, first), position(served, second)) == (1, 2)
    assert served.client.get(f"/jobs/{jobs[0]}").json()["position"] is None
    served.client.delete(f"/jobs/{first['id']}")
    wait_until(lambda: position(served, late) == 2, "the place of the one that is gone")


def states(served: Gateway) -> list[str]:
    return [job["state"] for job in served.client.get("/jobs").json()["jobs"]]


def position(served: Gateway, job: dict[str, Any]) -> int | None:
    place: int | None = served.client.get(f"/jobs/{job['id']}").json()["position"]
    return place


def test_a_job_tells_of_its_warnings_and_attempts(served: Gateway, tiff: bytes) -> None:
    served.engine.script.append(Reply("not taken", status=400))
    job = end_of(served, submit(served, tiff).json())
    result = served.client.get(f"/jobs/{job['id']}/result").json()
    assert result["status"] == "partial"
    assert job["warnings"] == result["warnings"] != []
    assert job["attempts"] == 1
    assert job["created"] <= job["started"] <= job["ended"] < job["expires"]


def test_a_link_to_a_result_needs_no_key(served: Gateway, png: bytes) -> None:
    served.layout.regions = [Region("image", (10, 10, 210, 110), 1, 0.9)]
    job = submit(served, png, images="stored").json()
    assert local_http.get(job["links"]["result"]).status_code == 401
    link = end_of(served, job)["links"]["result"]
    (picture,) = local_http.get(link).json()["images"].values()
    assert local_http.get(picture).headers["content-type"] == "image/jpeg"
    assert local_http.get(link.replace(job["id"], "0" * 32)).status_code == 403
    assert local_http.get(picture.partition("?")[0]).status_code == 401
    assert served.client.get(picture.partition("?")[0]).status_code == 200


def test_what_is_no_id_of_a_job_is_not_found(served: Gateway) -> None:
    for name in ("%2e%2e", "x" * 32, "0" * 31, "..%2f..%2fetc"):
        assert served.client.get(f"/jobs/{name}").status_code == 404
        assert served.client.get(f"/jobs/{name}/imgs/a.jpg").status_code == 404


def test_a_jobs_result_comes_in_the_formats_of_a_request(served: Gateway, tiff: bytes) -> None:
    job = submit(served, tiff, include="lines,words").json()
    assert end_of(served, job)["state"] == "done"
    answer = served.client.get(f"/jobs/{job['id']}/result", params={"format": "pdf"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    document = pdfium.PdfDocument(answer.content)
    assert len(document) == 3
    assert document[2].get_textpage().get_text_range().split() == ["line", "one", "line", "two"] * 2
    document.close()
    hocr = served.client.get(f"/jobs/{job['id']}/result", params={"format": "hocr"}).text
    assert hocr.count('class="ocr_page"') == 3


def test_a_job_without_places_says_that_it_has_none(served: Gateway, tiff: bytes) -> None:
    job = submit(served, tiff).json()
    end_of(served, job)
    answer = served.client.get(f"/jobs/{job['id']}/result", params={"format": "pdf"})
    assert_problem(answer, 422, "conflicting_option")
    assert served.client.get(f"/jobs/{job['id']}/result", params={"format": "docx"}).content[:2] == b"PK"


@pytest.mark.parametrize("part", ["pages/0", "pages/-1", f"pages/{'9' * 400}", f"imgs/{'a' * 400}.jpg"])
def test_what_a_job_cannot_have_is_not_found(served: Gateway, png: bytes, part: str) -> None:
    job = end_of(served, submit(served, png).json())
    assert_problem(served.client.get(f"/jobs/{job['id']}/{part}"), 404, "not_found")
