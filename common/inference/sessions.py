"""ONNX models of one input on ONNX Runtime or OpenVINO, behind one call."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Runtime = Literal["onnxruntime", "openvino", "openvino-bf16"]
"""`openvino` computes with 32 bits, `openvino-bf16` with 16 where the CPU does so in hardware."""
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
TITLES: Mapping[Runtime, str] = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino-bf16": "OpenVINO (bf16)",
}
Floats = NDArray[np.float32]


class RuntimeUnavailable(Exception):
    """The runtime is not installed, or can't run a model here; the message says why."""


class Session(Protocol):
    """A loaded model. Thread-safe; as many calls at once as there are cores keep all busy.

    `recompiles`: whether a shape that it has not seen costs it tens of milliseconds and megabytes, so that callers
    should pad their inputs to few shapes.
    `gives_logits`: whether the softmax over many classes that ends the model is left to the caller, who may need it of
    few steps, or not at all; then the outputs are logarithms of probabilities but for a constant at each step.
    """

    @property
    def runtime(self) -> Runtime: ...
    @property
    def recompiles(self) -> bool: ...
    @property
    def gives_logits(self) -> bool: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...

    def run(self, values: Floats) -> AbstractContextManager[Sequence[Floats]]:
        """The outputs for the one input, in the model's order; they belong to the session and end with the block."""
        ...


def open_session(file: Path, runtime: Runtime, cores: int) -> Session:
    """Loads a model for a process that has so many cores. Raises RuntimeUnavailable, and what ONNX Runtime raises."""
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(file)
    try:
        return OpenVinoSession(file, runtime, cores)
    except ImportError as error:
        raise RuntimeUnavailable("OpenVINO is not installed") from error
    except RuntimeError as error:
        raise RuntimeUnavailable(f"OpenVINO can't run {file.name}: {_last_line(error)}") from error


def runtime_versions() -> str:
    """Names and versions of what is installed, the same as long as nothing is updated."""
    return ", ".join(f"{package} {_find_version(package)}" for package in ("onnxruntime", "openvino"))


class OnnxRuntimeSession:
    """ONNX Runtime on one core a call."""

    runtime: Runtime = "onnxruntime"
    recompiles = gives_logits = False

    def __init__(self, file: Path) -> None:
        import onnxruntime  # slow import: paid by whoever loads a model

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest page
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    @contextmanager
    def run(self, values: Floats) -> Iterator[Sequence[Floats]]:
        yield self._session.run(None, {self._input: values})


LARGE_INPUT = 2_000_000
"""Bytes of an input, that of a page and not of a line, after which a model with free shapes gives back what OpenVINO
keeps between its layers: 180 MB for a page's text lines. The bundled layout model, of one shape, keeps 12 MB, which
would be taken anew for each page."""
KEPT_SHAPES = 8
"""Of each kind of layer, those whose prepared work is kept by models of whole pages, which come in many sizes: 60
random ones took 1,284 MB without a bound and 562 with this one, and eight by turns no more time. Lines come in few
widths."""
MANY_CLASSES = 1000
"""Of a softmax that is left to the caller: of PP-OCR's 18,710 it is an eighth of the time of a line."""
_RUNNING = threading.Lock()
"""OpenVINO 2026.4 corrupts its heap when models with free shapes run at the same time, in several streams of one model
within a minute. One after the other, each on all cores, they are as fast on few cores."""


class OpenVinoSession:
    """OpenVINO, one call at a time on all cores. A call takes a request, of which as many are made as are ever used at
    once: each holds the memory of its outputs."""

    recompiles = True

    def __init__(self, file: Path, runtime: Runtime, cores: int) -> None:
        import openvino

        core = openvino.Core()
        is_bf16 = runtime == "openvino-bf16"
        if is_bf16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeError("the CPU has no instructions for bf16")
        model = core.read_model(file)
        self.runtime = runtime
        self.metadata: Mapping[str, str] = _read_metadata(model)
        self._has_free_height = has_free_height = model.inputs[0].partial_shape[2].is_dynamic
        self.gives_logits = _drop_softmax(model)
        self._compiled: Any = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if is_bf16 else "f32",
                "INFERENCE_NUM_THREADS": cores,
                "NUM_STREAMS": 1,
                # Both tiers would pin their threads to the same first cores.
                "ENABLE_CPU_PINNING": False,
                **({"CPU_RUNTIME_CACHE_CAPACITY": KEPT_SHAPES} if has_free_height else {}),
            },
        )
        self._idle: LifoQueue[Any] = LifoQueue()

    @contextmanager
    def run(self, values: Floats) -> Iterator[Sequence[Floats]]:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            with _RUNNING:
                request.infer([values], share_inputs=True, share_outputs=True)
                outputs = [request.get_output_tensor(index).data for index in range(len(self._compiled.outputs))]
                if self._has_free_height and values.nbytes >= LARGE_INPUT:
                    outputs = [output.copy() for output in outputs]
                    self._compiled.release_memory()
            yield outputs
        finally:
            self._idle.put_nowait(request)


def _drop_softmax(model: Any) -> bool:  # noqa: ANN401 (openvino.Model)
    """Whether the model ended with a softmax over many classes, which is gone then."""
    softmax = model.get_results()[0].input_value(0).get_node()
    if len(model.outputs) > 1 or softmax.get_type_name() != "Softmax":
        return False
    classes = softmax.get_output_partial_shape(0)[-1]
    if softmax.get_axis() not in (-1, len(softmax.get_output_partial_shape(0)) - 1) or classes.is_dynamic:
        return False
    if classes.get_length() < MANY_CLASSES:
        return False
    model.get_results()[0].input(0).replace_source_output(softmax.input_value(0))
    return True


def _read_metadata(model: Any) -> Mapping[str, str]:  # noqa: ANN401 (openvino.Model)
    """OpenVINO keeps an ONNX file's metadata below `framework`."""
    if not model.has_rt_info(["framework"]):
        return {}
    entries = model.get_rt_info(["framework"]).value
    return {key: str(getattr(entry, "value", entry)) for key, entry in entries.items()}


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
