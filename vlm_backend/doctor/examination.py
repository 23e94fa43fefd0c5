"""Which checks there are for which engine, and how they are run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from vlm_backend.doctor import context, embedded, folders, gpu, model, nccl, port, shm, torch, user, vllm
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Check, Finding, Report, warn
from vlm_backend.settings import Settings

Engine = Literal["vllm", "embedded"]
Examine = Callable[[Facts], Finding | None]
"""None where there is nothing to say, because an earlier check has said it all."""

CHECKS: Mapping[Engine, Mapping[str, Examine]] = {
    "vllm": {
        "vllm": vllm.check_vllm,
        "driver": gpu.check_driver,
        "gpu": gpu.check_gpu,
        "gpu-settings": gpu.check_gpu_settings,
        "gpu-memory": gpu.check_gpu_memory,
        "torch": torch.check_torch,
        "nccl-files": nccl.check_files,
        "nccl": nccl.check_loaded,
        "weights": model.check_weights,
        "architecture": model.check_architecture,
        "context": context.check_context,
        "chat-template": model.check_chat_template,
        "arguments": vllm.check_arguments,
        "shm": shm.check_shm,
        "port": port.check_port,
        "temp-dir": folders.check_temp_dir,
        "cache": folders.check_cache,
        "disk": folders.check_disk_for_model,
        "user": user.check_user,
    },
    "embedded": {
        "packages": embedded.check_packages,
        "port": port.check_port,
        "temp-dir": folders.check_temp_dir,
        "disk": folders.check_disk,
    },
}


def examine(settings: Settings, engine: Engine) -> Report:
    """Every check that `engine` needs. Never raises: a check that fails itself is a warning."""
    facts = Facts(settings, os.environ)
    return Report(tuple(_checks(facts, CHECKS[engine])))


def _checks(facts: Facts, checks: Mapping[str, Examine]) -> Iterator[Check]:
    for name, examine_one in checks.items():
        if finding := _finding(facts, examine_one):
            yield Check(name, finding.status, finding.detail, finding.remedy)


def _finding(facts: Facts, examine_one: Examine) -> Finding | None:
    try:
        return examine_one(facts)
    except Exception as error:
        return warn(
            f"This could not be examined: {type(error).__name__}: {error}.",
            "The engine is started all the same; if it does not work, this may be why.",
        )
