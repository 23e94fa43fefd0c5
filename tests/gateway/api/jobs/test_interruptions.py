"""Jobs while what they need is away. A process has one database of jobs, so each gateway here is the only one."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.api.jobs.test_routes import end_of, submit
from tests.support.server import gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until


def test_an_engine_that_goes_away_costs_no_page(tmp_path: Path, tiff: bytes) -> None:
    with gateway(tmp_path, jobs=True, vlm_restart_grace_s=0.2, vlm_canary_interval_s=0.2) as served:
        served.engine.answer = lambda _request: Reply("late", delay_s=3600)
        job = submit(served, tiff).json()
        wait_until(lambda: served.engine.running, "calls")
        served.engine.kill()
        wait_until(lambda: served.client.get("/readyz").status_code == 503, "the gateway to see it")
        served.engine.answer = lambda _request: Reply("line one")
        served.engine.start()
        ended = end_of(served, job)
        result = served.client.get(f"/jobs/{job['id']}/result").json()
    assert (ended["state"], result["status"]) == ("done", "ok")
    assert [block["content"] for page in result["pages"] for block in page["blocks"]] == ["line one"] * 6


def test_an_engine_that_stays_away_ends_a_job_when_its_time_is_over(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, jobs=True, job_timeout_s=1, vlm_restart_grace_s=0.2, vlm_canary_interval_s=0.2) as served:
        served.engine.kill()
        wait_until(lambda: served.client.get("/readyz").status_code == 503, "the gateway to see it")
        ended = end_of(served, submit(served, png).json())
    assert (ended["state"], ended["error"]["code"]) == ("failed", "vlm_unavailable")
