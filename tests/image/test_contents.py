"""What is in the images, and what isn't."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.image.container import run
from tools.verify_image.image import Options
from tools.verify_image.rootfs import Rootfs

pytestmark = pytest.mark.timeout(600)

MOST_BYTES = 1.2e9
TOOLS = ("usr/bin/gcc", "usr/bin/cc", "usr/bin/make", "opt/sbom", "build", "root/.cache/pip", "opt/gateway/bin/pip")


def test_the_cpu_image_stays_below_its_size(cpu_image: Rootfs) -> None:
    files = {file.lstat().st_ino: file.lstat().st_size for file in cpu_image.root.rglob("*") if not file.is_dir()}
    assert sum(files.values()) < MOST_BYTES


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_of_the_build_are_left_behind(cpu_image: Rootfs, tool: str) -> None:
    assert not (cpu_image.root / tool).exists()


def components(image: Rootfs, name: str) -> set[str]:
    bill = json.loads((image.root / "app" / name).read_text(encoding="utf-8"))
    return {component["name"] for component in bill["components"]}


def test_the_bill_of_materials_lists_the_packages_and_not_the_tool(cpu_image: Rootfs) -> None:
    listed = components(cpu_image, "sbom.json")
    assert {"fastapi", "onnxruntime", "supervisor"} <= listed
    assert "cyclonedx-bom" not in listed


def test_the_bill_of_materials_of_vllm_stands_beside_that_of_the_gateway(gpu_image: Rootfs) -> None:
    assert "torch" in components(gpu_image, "sbom-vllm.json")
    assert "torch" not in components(gpu_image, "sbom.json")


def test_paddleocr_stands_in_an_environment_of_its_own(gpu_image: Rootfs, cpu_image: Rootfs) -> None:
    listed = components(gpu_image, "sbom-layout.json")
    assert {"paddleocr", "opencv-contrib-python-headless"} <= listed
    assert not {"torch", "opencv-contrib-python"} & listed
    assert "paddleocr" not in components(gpu_image, "sbom.json")
    assert not (cpu_image.root / "opt" / "layout").exists()


def test_nothing_of_the_code_can_be_changed_by_who_runs_it(cpu_image: Rootfs) -> None:
    code = [file for file in (cpu_image.root / "app").rglob("*.py") if file.stat().st_mode & 0o022]
    assert code == []


def test_a_changed_torch_is_found(gpu_image: Rootfs, tmp_path: Path) -> None:
    """By the step of the build, in the image that it let pass."""
    record = '"$VLLM_PYTHON" -I tools/freeze.py base.txt'
    file = "/usr/local/lib/python3.11/dist-packages/torch/lib/libtorch_python.so"
    whole = run(gpu_image, tmp_path / "whole", Options("0:0", arguments=["sh", "-c", record]))
    changed = run(gpu_image, tmp_path / "changed", Options("0:0", arguments=["sh", "-c", f"echo >>{file}; {record}"]))
    assert (whole.returncode, changed.returncode) == (0, 1)
    assert "torch/lib/libtorch_python.so" in changed.stdout
