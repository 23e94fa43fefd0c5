"""Jobs that go when their time is over, whatever else lies in the store."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.api.jobs.test_routes import end_of, submit
from tests.support.server import gateway
from tests.support.waiting import wait_until


def test_a_broken_record_costs_its_own_job_only(tmp_path: Path, png: bytes) -> None:
    """Others go when their time is over, and what those take that stay is counted on."""
    broken = tmp_path / "data" / "jobs" / ("b" * 32)
    broken.mkdir(parents=True)
    for name in ("job.json", "end.json"):
        (broken / name).write_text("{}")
    with gateway(tmp_path, jobs=True, jobs_keep_s=2) as served:
        job = end_of(served, submit(served, png).json())["id"]
        wait_until(lambda: not (broken.parent / job).exists(), "the removal of the job")
        wait_until(lambda: "ocr_jobs_stored_bytes 4.0" in served.client.get("/metrics").text, "the bytes that stay")
    assert broken.exists()
