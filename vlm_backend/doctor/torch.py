"""torch in vLLM's environment: there, the one vLLM was built with, and for a CUDA that the driver runs."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

from textlines.remedies import command_of
from vlm_backend.doctor import compatibility
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.installation import DISTRIBUTIONS, Torch, installed

LEAST_DRIVERS = {12: 525, 13: 580}
"""Oldest driver branch for each CUDA major version (CUDA Toolkit release notes, minor version compatibility)."""
INSTALL_ANEW = f"Make vLLM's environment anew ({command_of('vllm')}), and put nothing else into it."


def check_torch(facts: Facts) -> Finding | None:
    if facts.installation is None:
        return None
    torch = facts.torch
    if torch is None:
        return fail(f"There is no torch beside vLLM in the environment of {facts.installation.python}.", INSTALL_ANEW)
    return _replaced(facts, torch) or _cuda(facts, torch)


def _replaced(facts: Facts, torch: Torch) -> Finding | None:
    """Another torch was put over the one vLLM was compiled with."""
    pins = sorted({pin for vllm in _vllm(facts) for pin in _torch_pins(vllm)})
    if facts.needs_gpu and torch.cuda is None:
        return fail(f"vLLM is a CUDA build, and torch {torch.version} beside it is not.", INSTALL_ANEW)
    if pins and torch.version.partition("+")[0] not in pins:
        return warn(
            f"torch is {torch.version}, and vLLM was built with {' or '.join(pins)}: something replaced it.",
            INSTALL_ANEW,
        )
    return None


def _cuda(facts: Facts, torch: Torch) -> Finding:
    if not facts.needs_gpu or torch.cuda_version is None:
        return ok(f"torch {torch.version}; CPU build: a driver's CUDA version is not needed.")
    built_for, runs = torch.cuda_version, facts.driver.cuda_version
    what = f"torch {torch.version} is built for CUDA {torch.cuda}"
    if runs is None:
        return ok(f"{what}; there is no driver to compare it with.")
    if runs[0] < built_for[0]:
        return fail(
            f"{what}, and the driver is too old: it runs CUDA up to {_dotted(runs)}.", _newer_driver(facts, torch)
        )
    if runs < built_for:
        return warn(
            f"{what}, and the driver runs CUDA up to {_dotted(runs)}: most of it works (minor version compatibility).",
            f"If vLLM fails with `unsupported toolchain` or `PTX`: {_newer_driver(facts, torch)}",
        )
    return ok(f"{what}; the driver runs up to {_dotted(runs)}.")


def _newer_driver(facts: Facts, torch: Torch) -> str:
    major = torch.cuda_version[0] if torch.cuda_version else 0
    branch = f"{LEAST_DRIVERS[major]} or newer" if major in LEAST_DRIVERS else f"one for CUDA {torch.cuda}"
    remedy = f"Update the NVIDIA driver of the host ({branch})"
    if compatibility.folder(facts.environment, torch.cuda) is None:
        package = f"cuda-compat-{(torch.cuda or '').replace('.', '-')}"
        return f"{remedy}. On data centre cards {package} in the image and {compatibility.SWITCH}=1 do instead."
    if compatibility.is_enabled(facts.environment):
        return f"{remedy}; forward compatibility is on already and does not reach far enough."
    return f"{remedy}, or on data centre cards set {compatibility.SWITCH}=1: the library for it is in this image."


def _vllm(facts: Facts) -> list[Distribution]:
    return list(installed(facts.installation.paths, DISTRIBUTIONS)) if facts.installation else []


def _torch_pins(vllm: Distribution) -> list[str]:
    """The versions that `torch==…` of its requirements names, one for each kind of machine, without local labels."""
    found = (re.match(r"torch\s*\(?==\s*([\w.]+)", requirement) for requirement in vllm.requires or ())
    return [pin[1] for pin in found if pin]


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
