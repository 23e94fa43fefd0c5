"""The driver is asked through a library of our own making, which answers, refuses, hangs and crashes for real."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.compiler import compile_driver
from tests.support.waiting import WAIT_S
from vlm_backend.driver import Driver, Gpu, probe_driver

Probe = Callable[..., Driver]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def probe(folder: Path) -> Probe:
    """The answer of a driver that STUB_… describe."""

    def ask(timeout_s: float = WAIT_S, **stub: str) -> Driver:
        names = {f"STUB_{name}": value for name, value in stub.items()}
        return probe_driver(timeout_s, {"LD_LIBRARY_PATH": str(folder), **names})

    return ask


def test_a_card_is_described_as_the_driver_describes_it(probe: Probe) -> None:
    driver = probe(CUDA="12080", TOTAL="8192", FREE="7000", CAPABILITY="86")
    assert driver == Driver((12, 8), (Gpu("Stub 4090", 8192, 7000, (8, 6)),), None)


def test_all_cards_are_named(probe: Probe) -> None:
    assert len(probe(GPUS="3").gpus) == 3


def test_without_a_library_the_remedy_is_how_to_get_one() -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        driver = probe_driver()
    else:
        pytest.skip("this machine has an NVIDIA driver")
    assert driver.reason is not None
    assert "libcuda.so.1: cannot open shared object file" in driver.reason
    assert driver.remedy is not None
    for word in ("--gpus all", "NVIDIA_DRIVER_CAPABILITIES=compute", "NVIDIA container runtime"):
        assert word in driver.remedy


def test_an_empty_library_left_in_the_image_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").touch()
    driver = probe_driver(environment={"LD_LIBRARY_PATH": str(tmp_path)})
    assert driver.reason is not None
    assert "left in the image" in driver.reason


def test_no_card_is_another_sentence_than_no_driver(probe: Probe) -> None:
    for driver in (probe(GPUS="0"), probe(INIT="100")):
        assert driver.gpus == ()
        assert driver.reason is not None
        assert "shows no GPU" in driver.reason
        assert driver.remedy is not None
        assert "CUDA_VISIBLE_DEVICES" in driver.remedy


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("803", "do not fit together"),
        ("804", "forward compatibility"),
        ("802", "fabric manager"),
        ("999", "unknown reason"),
        ("304", "operating system"),
        ("12345", "CUresult"),
    ],
)
def test_an_error_is_named_by_its_number_and_in_words(probe: Probe, code: str, word: str) -> None:
    driver = probe(INIT=code, CUDA="12020")
    assert driver.reason is not None
    assert f"cuInit gives CUDA error {code}" in driver.reason
    assert word in driver.reason
    assert driver.remedy
    assert driver.cuda_version == (12, 2)


def test_a_driver_that_hangs_is_left_alone_after_its_time(probe: Probe) -> None:
    driver = probe(timeout_s=1, INIT="hang")
    assert driver.reason is not None
    assert "hangs: cuInit did not return" in driver.reason


def test_a_driver_that_crashes_takes_only_the_child_along(probe: Probe) -> None:
    driver = probe(INIT="crash")
    assert driver.reason is not None
    assert "crashed with SIGABRT in cuInit" in driver.reason


def test_a_full_card_is_a_card_with_nothing_free(probe: Probe) -> None:
    driver = probe(CONTEXT="2", TOTAL="8192")
    assert driver.reason is None
    assert (driver.gpus[0].total_mib, driver.gpus[0].free_mib) == (8192, 0)


def test_a_card_that_takes_no_work_cannot_be_used(probe: Probe) -> None:
    driver = probe(CONTEXT="46")
    assert driver.reason is not None
    assert "CUDA error 46" in driver.reason
    assert "exclusively" in driver.reason


def test_a_driver_without_nvml_is_of_no_use_to_vllm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").symlink_to(folder / "libcuda.so.1")
    (tmp_path / "libnvidia-ml.so.1").touch()
    driver = probe_driver(environment={"LD_LIBRARY_PATH": str(tmp_path)})
    assert driver.reason is not None
    assert "libnvidia-ml.so.1" in driver.reason
    assert driver.remedy is not None
    assert "utility" in driver.remedy


def test_nvml_that_does_not_fit_the_kernel_is_named(probe: Probe) -> None:
    driver = probe(NVML="18")
    assert driver.reason is not None
    assert "different versions" in driver.reason
