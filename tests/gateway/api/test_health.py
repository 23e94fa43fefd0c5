"""Health, probes and metrics of a running gateway."""

from __future__ import annotations

import re
import time

import pytest

from gateway.storage.folders import FolderState
from tests.support.answers import assert_problem
from tests.support.server import Gateway
from tests.support.waiting import wait_until


def test_health_names_every_part(served: Gateway) -> None:
    health = served.client.get("/health").json()
    assert (health["status"], health["reasons"]) == ("healthy", [])
    assert (health["paddleocr"], health["s3_storage"]) == ("ready", "not_configured")
    assert health["vlm"].pop("state_s") < 600
    assert health["vlm"] == {
        "state": "ready",
        "model": "stub-model",
        "engine": "embedded",
        "reason": None,
        "warning": None,
        "scripts": None,
        "runtimes": None,
    }
    assert health["output_dir"]["writable"]
    assert health["temp_dir"]["writable"]
    assert health["self_check"]["state"] == "passed"
    assert (health["errorCode"], health["errorMsg"]) == (0, "Healthy")
    assert health["logId"]
    assert health["docs"] == "/docs"
    # MinerU's clients send nothing to a server that does not say these.
    assert (health["protocol_version"], health["processing_window_size"]) == (2, 64)
    assert health["max_concurrent_requests"] > 0


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/ready", "/startupz", "/ping", "/v1/health/live", "/v1/health/ready"]
)
def test_probes_of_a_ready_service(served: Gateway, path: str) -> None:
    assert served.client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/readyz", "/startupz", "/ping", "/v1/models"])
def test_head_is_get_without_the_body(served: Gateway, path: str) -> None:
    answer, full = served.client.head(path), served.client.get(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == full.headers["content-type"]


def test_head_of_a_service_that_is_not_ready(served: Gateway) -> None:
    served.service.draining = True
    try:
        assert served.client.head("/readyz").status_code == 503
        assert served.client.head("/ocr").status_code == 405
    finally:
        served.service.draining = False


def test_draining_is_not_ready_but_alive(served: Gateway) -> None:
    served.service.draining = True
    try:
        assert served.client.get("/readyz").json()["reasons"] == ["draining"]
        assert served.client.get("/ping").status_code == 503
        assert served.client.get("/livez").status_code == 200
        assert served.client.get("/startupz").status_code == 200
        answer = served.post(files={"file": b"x"})
        assert (answer.status_code, answer.json()["code"]) == (503, "shutting_down")
    finally:
        served.service.draining = False


def test_a_folder_that_cannot_be_written_is_named(served: Gateway) -> None:
    before = served.service.output_dir
    served.service.output_dir = FolderState("/x", writable=False, reason="Read-only file system")
    try:
        health = served.client.get("/health").json()
        assert health["status"] == "degraded"
        assert health["output_dir"] == {"path": "/x", "writable": False, "reason": "Read-only file system"}
        assert served.client.get("/readyz").status_code == 503
    finally:
        served.service.output_dir = before


def test_a_full_disk_keeps_out_only_who_needs_it(served: Gateway, png: bytes) -> None:
    before = served.service.output_dir, served.service.temp_dir
    full = FolderState("/x", writable=False, reason="No space left on device")
    served.service.output_dir = served.service.temp_dir = full
    try:
        assert served.client.get("/readyz").status_code == 200
        health = served.client.get("/health").json()
        assert (health["status"], health["reasons"]) == ("degraded", [])
        assert [("OUTPUT_DIR" in limit, "TEMP_DIR" in limit) for limit in health["limitations"]] == [
            (True, False),
            (False, True),
        ]
        assert served.read(png).status_code == 200
        assert_problem(served.read(png, images="stored"), 503, "storage_unavailable")
    finally:
        served.service.output_dir, served.service.temp_dir = before


def test_an_engine_that_dies_turns_readiness_off_and_comes_back_by_itself(served: Gateway, png: bytes) -> None:
    served.engine.kill()
    wait_until(lambda: served.client.get("/readyz").status_code == 503, "not ready")
    assert served.client.get("/health").json()["vlm"]["reason"]
    assert "ocr_ready 0.0" in served.client.get("/metrics").text
    served.engine.start()
    wait_until(lambda: served.client.get("/readyz").status_code == 200, "ready again")
    assert "ocr_ready 1.0" in served.client.get("/metrics").text
    assert served.read(png).status_code == 200


def test_metrics_count_what_was_done(served: Gateway, png: bytes) -> None:
    assert served.read(png).status_code == 200
    text = served.client.get("/metrics").text
    assert 'ocr_requests_total{route="/ocr",status="200"}' in text
    assert 'ocr_pages_total{status="ok"}' in text
    assert 'ocr_blocks_total{status="ok"}' in text
    assert "ocr_regions_waiting 0.0" in text
    assert "ocr_runaways_total 0.0" in text
    assert "ocr_runaway_tokens_saved_total 0.0" in text
    assert "ocr_hedges_total 0.0" in text
    assert "ocr_hedges_won_total 0.0" in text
    assert 'ocr_stage_duration_seconds_count{stage="layout"}' in text
    assert re.search(r"^ocr_document_duration_seconds_count [1-9]", text, re.MULTILINE)


def test_a_blocked_event_loop_shows_in_the_metrics(served: Gateway, png: bytes) -> None:
    def block(_page: int) -> float:
        time.sleep(1.2)
        return 0.0

    served.layout.delay_s = block
    assert served.read(png).status_code == 200
    wait_until(lambda: _late(served) > 0, "a lag of more than a second")


def _late(served: Gateway) -> float:
    text = served.client.get("/metrics").text
    seconds = dict(re.findall(r"^ocr_event_loop_lag_seconds_bucket\{le=\"(\S+)\"\} (\S+)$", text, re.MULTILINE))
    return float(seconds["+Inf"]) - float(seconds["1.0"])
