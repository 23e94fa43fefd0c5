"""Which checks there are for which engine, and how they are run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from vlm_backend.doctor import checkpoint, disk, gpu, machine, nccl, packages
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Check, Finding, Report, warn
from vlm_backend.settings import Settings

Engine = Literal["vllm", "embedded"]
Examine = Callable[[Facts], Finding | None]
"""None where there is nothing to say, because an earlier check has said it all."""

CHECKS: Mapping[Engine, Mapping[str, Examine]] = {
    "vllm": {
        "vllm": packages.check_vllm,
        "driver": gpu.check_driver,
        "gpu": gpu.check_gpu,
        "gpu-settings": gpu.check_gpu_settings,
        "gpu-memory": gpu.check_gpu_memory,
        "torch": packages.check_torch,
        "nccl-files": nccl.check_files,
        "nccl": nccl.check_loaded,
        "weights": checkpoint.check_weights,
        "architecture": checkpoint.check_architecture,
        "context": checkpoint.check_context,
        "chat-template": checkpoint.check_chat_template,
        "arguments": packages.check_arguments,
        "shm": machine.check_shm,
        "port": machine.check_port,
        "temp-dir": disk.check_temp_dir,
        "cache": disk.check_cache,
        "disk": disk.check_disk_for_model,
        "user": machine.check_user,
    },
    "embedded": {
        "packages": packages.check_packages,
        "port": machine.check_port,
        "temp-dir": disk.check_temp_dir,
        "disk": disk.check_disk,
    },
}


def examine(settings: Settings, engine: Engine) -> Report:
    """Every check that `engine` needs. Never raises: a check that fails itself is a warning."""
    facts = Facts(settings, os.environ)
    return Report(tuple(_checks(facts, CHECKS[engine])))


def _checks(facts: Facts, checks: Mapping[str, Examine]) -> Iterator[Check]:
    for name, examine_one in checks.items():
        if finding := _examine(facts, examine_one):
            yield Check(name, finding.status, finding.detail, finding.remedy)


def _examine(facts: Facts, examine_one: Examine) -> Finding | None:
    try:
        return examine_one(facts)
    except Exception as error:
        return warn(
            f"This could not be examined: {type(error).__name__}: {error}.",
            "The engine is started all the same; if it does not work, this may be why.",
        )
