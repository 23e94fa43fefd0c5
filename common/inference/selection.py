"""Which runtime runs a model fastest on this machine: measured when it is first loaded here, and remembered.

The memory is `runtimes.json` in TEMP_DIR, which both tiers read and write: a model's file, the CPU and the versions of
the runtimes make a key, so that whatever changes is measured anew.

    {"9f2c… on AMD EPYC, 2 cores, onnxruntime 1.32.0, openvino 2026.4.1": {"onnxruntime": 21.9, "openvino-bf16": 12.8}}

Figures are milliseconds of a core.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.atomic import replace_file
from common.inference.measurement import measure_in_subprocess
from common.inference.sessions import (
    RUNTIMES,
    TITLES,
    Runtime,
    RuntimeUnavailable,
    Session,
    open_session,
    runtime_versions,
)
from common.settings import InferenceRuntime

DEFAULT: Runtime = "onnxruntime"
MEMORY_FILE = "runtimes.json"
MIN_GAIN = 1.15
"""Times by which another runtime must be faster than ONNX Runtime: less is noise, and OpenVINO takes more memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A loaded model, and in a few words what runs it and why it is not what was asked for."""

    session: Session
    description: str


def select_runtime(
    file: Path, shape: Sequence[int], preference: InferenceRuntime, cores: int, memory: Path | None
) -> Selection:
    """Loads the model on the runtime that is asked for, or on the fastest one.

    `shape` is that of a usual input; `memory`: the folder that keeps what was measured. Where the runtime can't be had,
    ONNX Runtime serves and the description says why. Raises what ONNX Runtime raises for a broken model.
    """
    if preference != "auto":
        return _load(file, preference, cores)
    return _load(file, fastest_runtime(find_times(file, shape, cores, memory)), cores)


def find_times(file: Path, shape: Sequence[int], cores: int, memory: Path | None) -> Mapping[Runtime, float]:
    """Milliseconds of a core that a run costs on each runtime: remembered ones, or measured now and remembered.

    Arguments are those of `select_runtime`.
    """
    key = f"{_fingerprint(file)} on {_processor()}, {cores} cores, {runtime_versions()}"
    times = _recall(memory, key)
    if times is None:
        times = measure_in_subprocess(file, shape, cores)
        _remember(memory, key, times)
    return times


def fastest_runtime(times: Mapping[Runtime, float]) -> Runtime:
    """The runtime with the least time, ONNX Runtime unless another one gains clearly. `times`: milliseconds."""
    best = min(times, key=lambda runtime: times[runtime], default=DEFAULT)
    return best if times.get(best, 0.0) * MIN_GAIN <= times.get(DEFAULT, 0.0) else DEFAULT


def _load(file: Path, runtime: Runtime, cores: int) -> Selection:
    try:
        return _describe(open_session(file, runtime, cores))
    except RuntimeUnavailable as unavailable:
        session = open_session(file, DEFAULT, cores)
        return Selection(session, f"{TITLES[DEFAULT]} ({unavailable})")


def _describe(session: Session) -> Selection:
    return Selection(session, TITLES[session.runtime])


def _recall(folder: Path | None, key: str) -> dict[Runtime, float] | None:
    times = _read(folder).get(key)
    if not isinstance(times, dict):
        return None
    known = {runtime: times[runtime] for runtime in RUNTIMES if isinstance(times.get(runtime), int | float)}
    return known or None


def _remember(folder: Path | None, key: str, times: Mapping[Runtime, float]) -> None:
    """Two processes that write at once lose one entry, which is measured at the next start."""
    if folder is None or not times:
        return
    with suppress(OSError):
        replace_file(folder / MEMORY_FILE, json.dumps({**_read(folder), key: times}))


def _read(folder: Path | None) -> dict[str, object]:
    """What the file holds; nothing of a file that is missing or odd."""
    with suppress(OSError, ValueError):
        content = json.loads((folder / MEMORY_FILE).read_text(encoding="utf-8")) if folder else {}
        return content if isinstance(content, dict) else {}
    return {}


def _fingerprint(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def _processor() -> str:
    """The CPU's name; where /proc tells none, as on ARM, its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
