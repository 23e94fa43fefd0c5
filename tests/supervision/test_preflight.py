"""What the launcher says before it starts anything."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import Settings as GatewaySettings
from supervision.launch import leave_out_line_reader
from tests.supervision.support import launch
from tests.support.ports import free_port
from vlm_backend.settings import Settings as VlmSettings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_named_with_a_way_out(taken: int) -> None:
    done = launch(PORT=str(taken), VLM_PORT=str(free_port()))
    assert done.returncode == 78
    assert f"port {taken} (PORT) is already in use" in done.stderr
    assert "make run PORT=" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_port_of_the_vlm_tier_in_use_is_named(taken: int) -> None:
    done = launch(PORT=str(free_port()), VLM_PORT=str(taken))
    assert done.returncode != 0
    assert f"port {taken} (VLM_PORT) is already in use" in done.stderr


def test_both_tiers_on_one_port_are_refused() -> None:
    port = str(free_port())
    done = launch(PORT=port, VLM_PORT=port)
    assert done.returncode != 0
    assert "need two ports" in done.stderr


def test_a_host_that_is_none_is_named() -> None:
    done = launch(HOST="no such host", PORT=str(free_port()))
    assert done.returncode != 0
    assert "HOST=no such host" in done.stderr
    assert "Traceback" not in done.stderr


def test_each_bad_setting_of_either_tier_gets_one_sentence() -> None:
    done = launch(PORT="eighty", LOG_LEVEL="loud", EMBEDDED_QUEUE="0")
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for name in ("PORT=eighty", "LOG_LEVEL=loud", "EMBEDDED_QUEUE=0"):
        assert sum(name in line for line in lines) == 1


def test_an_engine_elsewhere_needs_an_address() -> None:
    ports = {"PORT": str(free_port()), "VLM_PORT": str(free_port())}
    done = launch(**ports, VLM_ENGINE="external", VLM_BASE_URL="")
    assert done.returncode != 0
    assert "VLM_ENGINE=external needs VLM_BASE_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_that_do_not_go_together_are_named_without_secrets() -> None:
    done = launch(VLM_ENGINE="vllm", VLM_MODELS="one=http://127.0.0.1:9/v1", VLM_API_KEY="the-key")
    assert done.returncode == 78
    assert done.stderr.splitlines() == ["paddleocr-vl-service: VLM_MODELS needs VLM_ENGINE=external."]


def test_a_port_that_nothing_listens_at_is_free_for_the_engine_beside_the_vlm(taken: int) -> None:
    port = str(free_port())
    elsewhere = {"VLM_ENGINE": "external", "VLM_BASE_URL": "http://127.0.0.1:9/v1"}
    done = launch(PORT=str(taken), VLM_PORT=port, LINE_READER_PORT=port, **elsewhere)
    assert f"port {taken} (PORT) is already in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_embedded_engine_is_started_beside_one(capsys: pytest.CaptureFixture[str]) -> None:
    without_vllm = VlmSettings(vllm_python=Path("/no/such/python"), _env_file=None)
    for engine, port in (("auto", 0), ("vllm", 8119), ("external", 8119)):
        gateway = GatewaySettings(vlm_engine=engine, line_reader_port=8119, _env_file=None)
        assert leave_out_line_reader(gateway, without_vllm).line_reader_port == port
    assert "LINE_READER_PORT=8119 has no effect" in capsys.readouterr().err


def test_an_engine_beside_the_vlm_needs_a_port_of_its_own(taken: int) -> None:
    ports = {"PORT": str(free_port()), "VLM_PORT": str(free_port())}
    done = launch(**ports, VLM_ENGINE="auto", LINE_READER_PORT=ports["VLM_PORT"])
    assert done.returncode == 78
    assert f"LINE_READER_PORT={ports['VLM_PORT']} is PORT or VLM_PORT too" in done.stderr
    done = launch(**ports, VLM_ENGINE="auto", LINE_READER_PORT=str(taken))
    assert f"port {taken} (LINE_READER_PORT) is already in use" in done.stderr
