"""The models that this process has loaded: each once, whoever asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from common.cores import available_cores
from common.inference.selection import DEFAULT, Selection, find_times, select_runtime
from common.inference.sessions import TITLES, Floats, Runtime, Session, open_session
from common.settings import InferenceRuntime

TINY = 1e-30
"""Stands for a probability that is too small for a float."""


@dataclass(slots=True)
class _Loaded:
    sessions: dict[Path, SafeSession] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    preference: InferenceRuntime = DEFAULT
    memory: Path | None = None


_loaded = _Loaded()


def configure_inference(preference: InferenceRuntime, memory: Path) -> None:
    """For models loaded from now on: the runtime that runs them, and the folder that keeps what was measured.

    Without it ONNX Runtime runs them.
    """
    _loaded.preference, _loaded.memory = preference, memory


@cache
def find_model(package: str, name: str) -> Path:
    """A file in the `models` folder of an installed package, which is not imported. Raises FileNotFoundError."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder) / "models" / name).is_file():
            return file
    raise FileNotFoundError(f"the package {package} with {name} is not installed")


def load_session(file: Path, shape: Sequence[int]) -> Session:
    """The model of the file, loaded at the first call; `shape` is that of a usual input. Thread-safe.

    Raises what ONNX Runtime raises for a file that it can't load.
    """
    with _loaded.lock:
        if file not in _loaded.sessions:
            cores = available_cores()
            selection = select_runtime(file, shape, _loaded.preference, cores, _loaded.memory)
            _loaded.sessions[file] = SafeSession(file, selection)
        return _loaded.sessions[file]


def measure_ahead(file: Path, shape: Sequence[int]) -> None:
    """Has the model of the file measured where that is to be, so that the first call of `load_session` does not wait
    for it; arguments as there."""
    if _loaded.preference == "auto" and _loaded.memory is not None:
        find_times(file, shape, available_cores(), _loaded.memory)


def describe_models() -> Mapping[str, str]:
    """Names of the loaded models, without suffix, to what runs each."""
    return {file.stem: session.description for file, session in list(_loaded.sessions.items())}


class SafeSession:
    """A model that goes on with ONNX Runtime when another runtime fails at an input."""

    def __init__(self, file: Path, selection: Selection) -> None:
        self.description = selection.description
        self.gives_logits = selection.session.gives_logits
        self._file, self._session = file, selection.session
        self._lock = threading.Lock()

    @property
    def runtime(self) -> Runtime:
        return self._session.runtime

    @property
    def recompiles(self) -> bool:
        return self._session.recompiles

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._session.metadata

    @contextmanager
    def run(self, values: Floats) -> Iterator[Sequence[Floats]]:
        session = self._session
        with ExitStack() as stack:
            try:
                outputs = stack.enter_context(session.run(values))
            except RuntimeError as error:
                if session.runtime == DEFAULT:
                    raise
                session = self._replace(error)
                outputs = stack.enter_context(session.run(values))
            if self.gives_logits and not session.gives_logits:
                outputs = [np.log(np.maximum(output, TINY)) for output in outputs]
            yield outputs

    def _replace(self, error: RuntimeError) -> Session:
        with self._lock:
            if self.runtime != DEFAULT:
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                self.description = f"{TITLES[DEFAULT]} ({TITLES[self.runtime]} failed: {reason})"
                self._session = open_session(self._file, DEFAULT, available_cores())
            return self._session
