"""What the service says of itself at start and when it is ready."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.server import gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until


def events(logs: list[Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in logs if entry["event"] == name]


def test_the_log_tells_folders_engine_and_the_line_to_try(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file where the folder should be")
    with capture_logs() as logs, gateway(tmp_path, await_ready=False) as served:
        wait_until(lambda: events(logs, "service ready"), "the ready event")
    folders = {entry["name"]: entry for entry in events(logs, "folder")}
    assert (folders["TEMP_DIR"]["writable"], folders["TEMP_DIR"]["log_level"]) == (True, "info")
    assert (folders["OUTPUT_DIR"]["writable"], folders["OUTPUT_DIR"]["log_level"]) == (False, "warning")
    assert folders["OUTPUT_DIR"]["reason"]
    assert events(logs, "service starting")[0]["vlm_engine"] == "external"
    states = events(logs, "state")
    assert (states[0]["vlm"], states[-1]["vlm"]) == ("starting", "ready")
    assert (states[-1]["engine"], states[-1]["model"]) == ("embedded", "stub-model")
    (ready,) = events(logs, "service ready")
    assert ready["url"] == served.url
    assert f"{served.url}/ocr?format=markdown" in ready["curl"]


def test_for_eyes_the_address_and_the_line_to_try_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway(tmp_path, log_format="console") as served:
        printed = capsys.readouterr().out
    assert f"Ready: {served.url}" in printed
    assert f"curl -F file=@examples/article-en.png '{served.url}/ocr?format=markdown'" in printed
    assert f"{served.url}/docs" in printed
    assert "HOST=0.0.0.0" in printed


def test_no_text_of_a_document_is_ever_logged(tmp_path: Path, png: bytes) -> None:
    with capture_logs() as logs, gateway(tmp_path) as served:
        assert "line one" in served.read(png).text
        served.engine.answer = lambda _request: Reply("line one", status=400)
        assert served.read(png).status_code == 502
        assert served.post(json={"source": {"base64": "line one!"}}).status_code == 400
    assert events(logs, "request")
    assert "line one" not in str(logs)


def test_a_model_that_loads_with_the_first_page_does_not_hold_readiness_up(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, layout_loading="lazy") as served:
        before = served.client.get("/health").json()
        assert (before["status"], before["paddleocr"], served.layout.starts) == ("healthy", "not_initialized", 0)
        assert "line one" in served.read(png).text
        after = served.client.get("/health").json()
        assert (after["status"], after["paddleocr"], served.layout.starts) == ("healthy", "ready", 1)


def test_a_model_that_does_not_load_with_the_first_page_makes_the_service_unready(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, layout_loading="lazy") as served:
        served.layout.failing = "there is no file"
        assert "layout_failed" in served.read(png).text
        health = served.client.get("/health").json()
        assert (health["status"], health["paddleocr"]) == ("degraded", "failed")
        assert health["reasons"] == ["layout is failed: there is no file"]
        assert served.client.get("/readyz").status_code == 503


def test_answers_and_metrics_tell_what_the_engine_cost(tmp_path: Path, tiff: bytes) -> None:
    call_s, price_of_a_second = 0.1, 0.01
    with gateway(tmp_path, price_per_gpu_hour=3600 * price_of_a_second) as served:
        served.engine.answer = lambda _request: Reply("a line", delay_s=call_s)
        result = served.read(tiff).json()
        metrics = served.client.get("/metrics").text
    usage = result["usage"]
    assert usage["engine_s"] >= call_s
    assert usage["cost"] == pytest.approx(usage["engine_s"] * price_of_a_second, abs=1e-5)
    of_pages = [page["usage"] for page in result["pages"]]
    assert sum(page["engine_s"] for page in of_pages) == pytest.approx(usage["engine_s"], abs=1e-3)
    assert sum(page["cost"] for page in of_pages) == pytest.approx(usage["cost"], abs=1e-6)
    (busy,) = re.findall(r"^ocr_engine_busy_seconds_total (\S+)$", metrics, re.MULTILINE)
    assert float(busy) >= usage["engine_s"] - 1e-3
    assert "ocr_price_per_gpu_hour 36.0" in metrics


def test_without_a_price_there_is_no_cost(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path) as served:
        usage = served.read(png).json()["usage"]
    assert usage["engine_s"] > 0
    assert usage["cost"] is None
