"""Cards and drivers, answered for by a library of our own making."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compiler import compile_driver
from tests.vlm_backend.doctor.conftest import Machine


def test_a_card_without_room_for_the_model_fails(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (gpu_machine.model / "model.safetensors").unlink()
    monkeypatch.setenv("STUB_TOTAL", "8192")
    monkeypatch.setenv("STUB_FREE", "2048")
    check = gpu_machine.check("gpu-memory")
    assert check.status == "fail"
    assert "2.0 of 8.0 GiB are free" in check.detail
    assert "needs 2.9 GiB" in check.detail


def test_a_card_of_4_gb_is_enough(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_TOTAL", "4096")
    monkeypatch.setenv("STUB_FREE", "3900")
    assert gpu_machine.check("gpu-memory").status == "ok"


def test_others_on_the_card_are_worth_a_warning(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_FREE", "9000")
    check = gpu_machine.check("gpu-memory")
    assert check.status == "warn"
    assert "other processes" in check.detail


def test_a_share_set_by_hand_has_to_be_free(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_TOTAL", "10000")
    monkeypatch.setenv("STUB_FREE", "6060")
    check = gpu_machine.check("gpu-memory", vlm_gpu_memory_share=0.8)
    assert check.status == "fail"
    assert "VLM_GPU_MEMORY_SHARE=0.8" in check.detail
    assert check.remedy is not None
    assert "VLM_GPU_MEMORY_SHARE=0.6 " in check.remedy


def test_a_share_too_small_for_the_model_fails(gpu_machine: Machine) -> None:
    check = gpu_machine.check("gpu-memory", vlm_gpu_memory_share=0.02)
    assert check.status == "fail"
    assert "share of 0.02" in check.detail


@pytest.mark.parametrize(
    ("name", "capability", "dtype", "status", "words"),
    [
        ("gpu", "90", "auto", "ok", "9.0"),
        ("gpu", "75", "bfloat16", "ok", "7.5"),
        ("gpu", "70", "auto", "fail", "7.5"),
        ("gpu", "61", "float16", "fail", "6.1"),
        ("gpu-settings", "90", "bfloat16", "ok", ""),
        ("gpu-settings", "75", "auto", "warn", "VLM_DTYPE=float16"),
        ("gpu-settings", "75", "bfloat16", "fail", "VLM_DTYPE=float16"),
    ],
)
def test_old_cards(
    gpu_machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    capability: str,
    dtype: str,
    status: str,
    words: str,
) -> None:
    monkeypatch.setenv("STUB_CAPABILITY", capability)
    check = gpu_machine.check(name, vlm_dtype=dtype)
    assert check.status == status
    assert words in f"{check.detail} {check.remedy}"


def test_more_copies_than_cards_fail(gpu_machine: Machine) -> None:
    check = gpu_machine.check("gpu-settings", vlm_data_parallel=2)
    assert check.status == "fail"
    assert "VLM_DATA_PARALLEL=2" in check.detail


def test_a_driver_older_than_torchs_cuda_fails_with_the_driver_to_get(
    gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_CUDA", "12040")
    check = gpu_machine.check("torch")
    assert check.status == "fail"
    assert "CUDA 13.0" in check.detail
    assert "12.4" in check.detail
    assert check.remedy is not None
    assert "580" in check.remedy
    assert "VLLM_ENABLE_CUDA_COMPATIBILITY=1" in check.remedy


def test_forward_compatibility_that_is_on_counts(
    gpu_machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = compile_driver(tmp_path / "compat", "-DVERSION=13000")
    monkeypatch.setenv("STUB_CUDA", "12040")
    monkeypatch.setenv("VLLM_CUDA_COMPATIBILITY_PATH", str(newer))
    assert gpu_machine.check("torch").status == "fail"
    monkeypatch.setenv("VLLM_ENABLE_CUDA_COMPATIBILITY", "1")
    assert gpu_machine.check("torch").status == "ok"


def test_a_driver_older_by_a_minor_version_mostly_works(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_machine.environment.torch_version("2.13.0", "13.2")
    monkeypatch.setenv("STUB_CUDA", "13000")
    assert gpu_machine.check("torch").status == "warn"


def test_a_cpu_torch_put_over_that_of_a_cuda_build_fails(gpu_machine: Machine) -> None:
    gpu_machine.environment.torch_version("2.13.0+cpu", None)
    check = gpu_machine.check("torch")
    assert check.status == "fail"
    assert "2.13.0+cpu" in check.detail


def test_another_torch_than_vllm_was_built_with_is_worth_a_warning(cpu_machine: Machine) -> None:
    cpu_machine.environment.torch_version("2.14.1+cpu", None)
    check = cpu_machine.check("torch")
    assert check.status == "warn"
    assert "2.14.1" in check.detail
    assert "2.13.0" in check.detail


def test_a_longer_context_needs_a_larger_cache(gpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """131,072 tokens of 18 KiB are 2.2 GiB, of which the usual context has a part already."""
    monkeypatch.setenv("STUB_TOTAL", "3000")
    monkeypatch.setenv("STUB_FREE", "2900")
    assert gpu_machine.check("gpu-memory", vlm_max_model_len=16_384).status == "ok"
    check = gpu_machine.check("gpu-memory", vlm_max_model_len=131_072)
    assert check.status == "fail"
    assert "2.0 GiB for a context beyond 16384 tokens" in check.detail
