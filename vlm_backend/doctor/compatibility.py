"""CUDA forward compatibility: a newer libcuda.so.1 from a package, on an older driver of a data centre card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SWITCH = "VLLM_ENABLE_CUDA_COMPATIBILITY"


def is_enabled(environment: Mapping[str, str]) -> bool:
    return environment.get(SWITCH, "").strip().lower() in ("1", "true")


def folder(environment: Mapping[str, str], torch_cuda: str | None) -> Path | None:
    """Where vLLM takes that library from (vllm/env_override.py of 0.32.0); None where there is no such folder."""
    candidates = [
        environment.get("VLLM_CUDA_COMPATIBILITY_PATH"),
        environment.get("CONDA_PREFIX") and f"{environment['CONDA_PREFIX']}/cuda-compat",
        torch_cuda and f"/usr/local/cuda-{torch_cuda}/compat",
    ]
    return next((Path(place) for place in candidates if place and os.path.isdir(place)), None)


def driver_environment(environment: Mapping[str, str], torch_cuda: str | None) -> Mapping[str, str]:
    """`environment` as it is once vLLM has put that folder before all others."""
    place = folder(environment, torch_cuda) if is_enabled(environment) else None
    if place is None:
        return environment
    paths = [str(place), *filter(None, [environment.get("LD_LIBRARY_PATH")])]
    return {**environment, "LD_LIBRARY_PATH": os.pathsep.join(paths)}
