"""The NCCL that torch gets: the one installed beside it, and the one that is really loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.elf import read_symbols
from vlm_backend.installation import Torch, normal_name
from vlm_backend.last_words import find_reason
from vlm_backend.probe import ProbeResult, python_command, run_probe

LIBRARY = "libnccl.so.2"
SYMBOL = "ncclCommWindowRegister"
"""New in NCCL 2.27.3; torch needs it since 2.8. Whoever meets the error searches for this name."""
PROBE = Path(__file__).with_name("nccl_probe.py")
IMPORT_S = 180
"""Seconds for `import torch`: three from a warm disk, a minute or two from a cold network volume."""
NOT_NEEDED = "CPU build: not needed."
APART = (
    "Give vLLM an environment of its own: remove it and run `make vllm`; install paddlepaddle-gpu and others elsewhere."
)


def check_files(facts: Facts) -> Finding | None:
    """The NCCL in vLLM's environment: one owner, torch's version, every function torch calls."""
    torch = facts.torch
    if facts.installation is None or torch is None:
        return None
    if not facts.needs_gpu:
        return ok(NOT_NEEDED)
    installed = list(distributions(path=[str(path) for path in facts.installation.paths]))
    file = torch.folder.parent / "nvidia" / "nccl" / "lib" / LIBRARY
    missing = list_missing_functions(torch.folder / "lib" / "libtorch_cuda.so", file) if file.exists() else []
    disorder = _disorder(installed)
    if missing:
        return fail(
            " ".join([f"{file} lacks {_some(missing)}, which torch {torch.version} calls: it is too old.", *disorder]),
            APART,
        )
    if disorder:
        return warn(f"{' '.join(disorder)} The file that is there now fits torch.", APART)
    return ok(_owners_line(installed, file))


def list_missing_functions(torch_cuda: Path, nccl: Path) -> list[str]:
    """The NCCL functions that torch's library asks for and `nccl` does not offer."""
    return sorted(read_symbols(torch_cuda, "nccl").undefined - read_symbols(nccl, "nccl").defined)


def _disorder(installed: list[Distribution]) -> list[str]:
    """Sentences about packages that fight over NCCL."""
    owners = sorted({f"{_name(item)} {item.version}" for item in installed if _name(item).startswith("nvidia-nccl-")})
    sentences = []
    if len(owners) > 1:
        sentences.append(f"{' and '.join(owners)} are the same file, and the one that was installed last won.")
    versions = dict(owner.split() for owner in owners)
    for item in installed:
        for package, version in _nccl_pins(item):
            if versions.get(package) != version:
                sentences.append(f"{_name(item)} {item.version} wants {package} {version}.")
    return sentences


def _nccl_pins(item: Distribution) -> Iterator[tuple[str, str]]:
    for requirement in item.requires or ():
        if found := re.match(r"(nvidia-nccl-\w+)\s*\(?==\s*([\w.]+)", requirement):
            yield found[1], found[2]


def _owners_line(installed: list[Distribution], file: Path) -> str:
    owner = next((item for item in installed if _name(item).startswith("nvidia-nccl-")), None)
    if owner is None or not file.exists():
        return "vLLM's environment brings no NCCL of its own; what the system has is loaded."
    return f"{_name(owner)} {owner.version} alone owns {file}, and torch finds every function in it."


def check_loaded(facts: Facts) -> Finding | None:
    """What a process that imports torch in vLLM's environment really gets."""
    torch, installation = facts.torch, facts.installation
    if installation is None or torch is None:
        return None
    if not facts.needs_gpu:
        return ok(NOT_NEEDED)
    result = run_probe(python_command(installation.python, PROBE), IMPORT_S, facts.environment)
    said = _answer(result)
    if said is None:
        return _no_answer(result)
    if not said["nccl"]:
        return _report_no_nccl(said)
    return _judge(said, torch, facts.environment)


def _answer(result: ProbeResult) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = json.loads(result.output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None
    return answer if result.code == 0 else None


def _no_answer(result: ProbeResult) -> Finding:
    if result.code is None:
        return warn(
            f"`import torch` was not done after {IMPORT_S} s.", "Look at the disk that vLLM's environment is on."
        )
    if result.signal_name:
        return fail(f"`import torch` crashes with {result.signal_name} in vLLM's environment.", APART)
    last = find_reason(result.errors) or "no word why"
    return fail(f"vLLM's interpreter cannot import torch: {last}.", APART)


def _report_no_nccl(said: Mapping[str, Any]) -> Finding:
    if said["error"]:
        return fail(f"torch cannot be imported: {said['error']}.", APART)
    return ok("torch was imported and needs no NCCL library.")


def _judge(said: Mapping[str, Any], torch: Torch, environment: Mapping[str, str]) -> Finding:
    loaded = Path(said["nccl"][0])
    what = f"{loaded} (NCCL {format_version(said['version'])})"
    missing = list_missing_functions(Path(said["torch"]), loaded)
    if missing:
        error = f" The loader says: {said['error']}." if said["error"] else ""
        return fail(
            f"torch gets {what}, which lacks {_some(missing)}: it is older than torch {torch.version} needs.{error}",
            _way_out(loaded, environment),
        )
    if said["error"]:
        return fail(f"torch cannot be imported: {said['error']}.", APART)
    if not loaded.resolve().is_relative_to(torch.folder.parent.resolve()) and _is_own(torch):
        return warn(f"torch gets {what} and not the one it was installed with.", _way_out(loaded, environment))
    return ok(f"torch gets {what}, which has every function it calls, {SYMBOL} too.{_shadows(loaded, environment)}")


def _is_own(torch: Torch) -> bool:
    return (torch.folder.parent / "nvidia" / "nccl" / "lib" / LIBRARY).exists()


def _way_out(loaded: Path, environment: Mapping[str, str]) -> str:
    if any(Path(entry).resolve() == loaded.resolve() for entry in _preloads(environment) if "/" in entry):
        return f"Unset LD_PRELOAD, which names {loaded}, or take that entry out of it."
    for folder in _library_folders(environment):
        if (folder / LIBRARY).resolve() == loaded.resolve():
            return f"Take {folder} out of LD_LIBRARY_PATH: the library there comes before torch's own."
    return f"Remove {loaded} or the package it came with. {APART}"


def _shadows(loaded: Path, environment: Mapping[str, str]) -> str:
    others = [str(folder) for folder in _library_folders(environment) if (folder / LIBRARY).exists()]
    others = [folder for folder in others if (Path(folder) / LIBRARY).resolve() != loaded.resolve()]
    return f" Another one, in LD_LIBRARY_PATH ({', '.join(others)}), is passed over." if others else ""


def _library_folders(environment: Mapping[str, str]) -> list[Path]:
    return [Path(entry) for entry in re.split("[:;]", environment.get("LD_LIBRARY_PATH", "")) if entry]


def _preloads(environment: Mapping[str, str]) -> list[str]:
    return re.split("[: ]", environment.get("LD_PRELOAD", ""))


def format_version(code: int | None) -> str:
    """NCCL's own number as its package writes it (`NCCL_VERSION` in nccl.h): 22809 is 2.28.9 and, before 2.9, 2804 is
    2.8.4."""
    if not code:
        return "of an unknown version"
    scale = 10000 if code >= 10000 else 1000
    return f"{code // scale}.{code % scale // 100}.{code % 100}"


def _some(functions: list[str]) -> str:
    """The telltale first, where it is among them."""
    ordered = sorted(functions, key=lambda name: (name != SYMBOL, name))
    rest = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return f"{', '.join(ordered[:3])}{rest}"


def _name(item: Distribution) -> str:
    return normal_name(item.metadata["Name"] or "")
