"""Asks the NVIDIA driver what there is. A program for a process of its own: a broken driver takes along whoever asks.

Writes one JSON object a step to stdout, each adding to those before; `step` is what was begun last. Standard library
only.
"""

from __future__ import annotations

import ctypes
import json
import resource
import sys

OUT_OF_MEMORY = 2
MAJOR, MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h."""
NAME_BYTES = 128


class Refused(Exception):
    """A call of the driver that did not return 0."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class MemoryInfo(ctypes.Structure):
    """`nvmlMemory_t`, bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def say(**facts: object) -> None:
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


def call(function: str, library: ctypes.CDLL, *arguments: object) -> None:
    code = library[function](*arguments)
    if code:
        raise Refused(code)


def number(function: str, library: ctypes.CDLL, *arguments: object) -> int:
    """What `function` writes through its first argument."""
    value = ctypes.c_int()
    call(function, library, ctypes.byref(value), *arguments)
    return value.value


def gpu(cuda: ctypes.CDLL, index: int) -> dict[str, object]:
    device = number("cuDeviceGet", cuda, index)
    name = ctypes.create_string_buffer(NAME_BYTES)
    call("cuDeviceGetName", cuda, name, NAME_BYTES, device)
    total = ctypes.c_size_t()
    call("cuDeviceTotalMem_v2", cuda, ctypes.byref(total), device)
    capability = [number("cuDeviceGetAttribute", cuda, attribute, device) for attribute in (MAJOR, MINOR)]
    facts = {"name": name.value.decode(errors="replace"), "total": total.value, "capability": capability}
    try:
        return facts | {"free": free_in_context(cuda, device)}
    except Refused as refused:
        free = 0 if refused.code == OUT_OF_MEMORY else free_by_nvml(cuda, device)
        return facts | {"free": total.value if free is None else free, "error": refused.code}


def free_in_context(cuda: ctypes.CDLL, device: int) -> int:
    """Bytes that are free to a process like vLLM, which has a context of its own too."""
    context = ctypes.c_void_p()
    call("cuDevicePrimaryCtxRetain", cuda, ctypes.byref(context), device)
    try:
        call("cuCtxSetCurrent", cuda, context)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        call("cuMemGetInfo_v2", cuda, ctypes.byref(free), ctypes.byref(total))
        return free.value
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(device)


def free_by_nvml(cuda: ctypes.CDLL, device: int) -> int | None:
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        call("nvmlInit_v2", nvml)
        bus = ctypes.create_string_buffer(NAME_BYTES)
        call("cuDeviceGetPCIBusId", cuda, bus, NAME_BYTES, device)
        handle, memory = ctypes.c_void_p(), MemoryInfo()
        call("nvmlDeviceGetHandleByPciBusId_v2", nvml, bus, ctypes.byref(handle))
        call("nvmlDeviceGetMemoryInfo", nvml, handle, ctypes.byref(memory))
    except (OSError, AttributeError, Refused):
        return None
    return int(memory.free)


def ask_nvml() -> None:
    """vLLM takes a machine for one with a GPU only where this library says so."""
    say(step="libnvidia-ml.so.1")
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        return say(nvml_missing=str(error))
    say(step="nvmlInit")
    try:
        call("nvmlInit_v2", nvml)
        return say(nvml_gpus=number("nvmlDeviceGetCount_v2", nvml))
    except Refused as refused:
        return say(nvml_error=refused.code)


def ask_cuda() -> None:
    say(step="libcuda.so.1")
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return say(missing=str(error))
    try:
        say(step="cuDriverGetVersion")
        say(version=number("cuDriverGetVersion", cuda))
        say(step="cuInit")
        call("cuInit", cuda, 0)
        say(step="cuDeviceGetCount")
        count = number("cuDeviceGetCount", cuda)
        say(step="cuDevicePrimaryCtxRetain")
        say(gpus=[gpu(cuda, index) for index in range(count)])
    except Refused as refused:
        return say(error=refused.code)
    return ask_nvml()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ask_cuda()
