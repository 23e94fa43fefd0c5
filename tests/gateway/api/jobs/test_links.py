"""What links begin with, and how long they are good. A process has one database of jobs, so each gateway here is the
only one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.model import Region
from tests.gateway.api.jobs.test_routes import end_of, submit
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until

PADDLEOCR = "/api/v2/ocr/jobs"
FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "ocr.example:8443", "x-forwarded-prefix": "/paddle"}


def result_url(served: Gateway, png: bytes) -> str:
    """Of a job of PaddleOCR's dialect that is done."""
    form = {"model": "PaddleOCR-VL-1.6"}
    job = served.client.post(PADDLEOCR, files={"file": ("a.png", png)}, data=form).json()["data"]["jobId"]
    state: dict[str, Any] = {}

    def is_done() -> bool:
        state.update(served.client.get(f"{PADDLEOCR}/{job}").json()["data"])
        return bool(state["state"] == "done")

    wait_until(is_done, "the job's end")
    return str(state["resultUrl"]["jsonUrl"])


def test_links_lead_to_a_trusted_proxy(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, jobs=True, forwarded_allow_ips="127.0.0.1") as proxied:
        proxied.client.headers.update(FORWARDED)
        address = urlsplit(result_url(proxied, png))
        assert (address.scheme, address.netloc) == ("https", "ocr.example:8443")
        assert address.path.startswith(f"/paddle{PADDLEOCR}/")
        # Proxies hand on the path as it came, or without the prefix.
        for path in (address.path, address.path.removeprefix("/paddle")):
            assert proxied.client.get(f"{path}?{address.query}").status_code == 200
        taken = submit(proxied, png)
        job = end_of(proxied, taken.json())
        assert urlsplit(taken.headers["location"]).path == f"/paddle/jobs/{job['id']}"
        assert job["links"]["self"] == f"https://ocr.example:8443/paddle/jobs/{job['id']}"
        task = proxied.client.post("/tasks", files={"files": ("a.png", png)}).json()
        assert task["status_url"] == f"https://ocr.example:8443/paddle/tasks/{task['task_id']}"
        proxied.client.headers["x-forwarded-host"] = "not a host/"
        job = proxied.client.get(f"/jobs/{job['id']}").json()
        assert urlsplit(job["links"]["self"]).hostname == "127.0.0.1"


def test_a_stranger_s_forwarded_headers_and_expired_links_mean_nothing(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, jobs=True, forwarded_allow_ips="10.0.0.1", jobs_keep_s=2) as served:
        served.client.headers.update(FORWARDED)
        served.layout.regions = [Region("image", (10, 10, 210, 110), 1, 0.9)]
        job = end_of(served, submit(served, png, images="stored").json())
        assert urlsplit(job["links"]["self"]).netloc == urlsplit(served.url).netloc
        link = job["links"]["result"]
        wait_until(lambda: served.client.get(link).status_code != 200, "the link's end")
        assert_problem(served.client.get(link), 410, "link_expired")
        wait_until(lambda: not list((tmp_path / "data" / "jobs").iterdir()), "the removal of the job and its pictures")
        assert_problem(served.client.get(f"/jobs/{job['id']}"), 404, "not_found")
        wait_until(lambda: served.client.get("/jobs").json()["jobs"] == [], "its removal from the database")


def test_a_public_address_goes_before_all(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, jobs=True, public_base_url="https://ocr.example/a/") as served:
        served.client.headers.update(FORWARDED)
        job = submit(served, png).json()
        assert job["links"]["self"] == f"https://ocr.example/a/jobs/{job['id']}"
