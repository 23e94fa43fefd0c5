"""The driver, the card and its memory."""

from __future__ import annotations

import math

from vlm_backend.doctor.checkpoint import weights_mib
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.driver import Gpu
from vlm_backend.sizes import MAX_SHARE, cache_mib, choose_sizes, memory_share

GIB = 1024
"""MiB."""
WORKING_SPACE_MIB = 1024
"""Key-value cache of one usual context, activations and CUDA graphs on the smallest card that works."""
USUAL_CONTEXT = 16384
BYTES_OF_16_BITS = 2
MUCH = 0.25
"""Share of a card that others may hold before it is worth a word."""
MIN_CAPABILITY = (7, 0)
MIN_CAPABILITY_OF_CUDA_13 = (7, 5)
"""CUDA 13 dropped Maxwell, Pascal and Volta."""
BFLOAT16_CAPABILITY = (8, 0)


def check_driver(facts: Facts) -> Finding:
    if facts.installation and not facts.needs_gpu:
        return ok(f"{_build(facts)}: no NVIDIA driver needed.")
    driver = facts.driver
    if driver.reason is None:
        return ok(f"The driver runs CUDA up to {_format_version(driver.cuda_version)}; GPUs: {_names(driver.gpus)}.")
    if facts.installation is None:
        return warn(driver.reason, driver.remedy or "")
    return fail(f"vLLM is installed as a CUDA build, and no GPU can be used. {driver.reason}", driver.remedy or "")


def check_gpu(facts: Facts) -> Finding | None:
    """Whether the cards are young enough."""
    gpus = _list_used_gpus(facts)
    if not gpus:
        return None
    oldest, least = _oldest(gpus), _least_capability(facts)
    if oldest.capability < least:
        return fail(
            f"{_capability(oldest)}; this vLLM's torch needs {_format_version(least)}.",
            "Use a card of that generation (T4 or newer), or VLM_ENGINE=embedded.",
        )
    return ok(f"{_capability(oldest)}.")


def check_gpu_settings(facts: Facts) -> Finding | None:
    """Whether the settings ask for what the cards have."""
    gpus = _list_used_gpus(facts)
    if not gpus:
        return None
    wanted, dtype = facts.settings.vlm_data_parallel, facts.settings.vlm_dtype
    if len(gpus) < wanted:
        return fail(f"VLM_DATA_PARALLEL={wanted} needs as many GPUs; {len(gpus)} can be seen.", "Set it to fewer.")
    oldest = _oldest(gpus)
    if oldest.capability >= BFLOAT16_CAPABILITY:
        return ok("The settings ask for nothing that the cards don't have.")
    if dtype == "bfloat16":
        return fail(f"{_capability(oldest)}, and VLM_DTYPE=bfloat16 needs 8.0.", "Set VLM_DTYPE=float16.")
    return warn(
        f"{_capability(oldest)}: it has no bfloat16, which the model was made with.",
        f"Nothing has to be done: VLM_DTYPE={dtype if dtype != 'auto' else 'float16'} is used, and reading is slower. "
        "Compare some results.",
    )


def _oldest(gpus: tuple[Gpu, ...]) -> Gpu:
    return min(gpus, key=lambda gpu: gpu.capability)


def _capability(gpu: Gpu) -> str:
    return f"{gpu.name} has compute capability {_format_version(gpu.capability)}"


def check_gpu_memory(facts: Facts) -> Finding | None:
    gpus = _list_used_gpus(facts)
    if not gpus:
        return None
    fullest = min(gpus, key=lambda gpu: gpu.free_mib)
    state = f"{_gib(fullest.free_mib)} of {_gib(fullest.total_mib)} GiB are free on {fullest.name}"
    if facts.engine_pid:
        return ok(f"{state}; this service's own engine (process {facts.engine_pid}) is running on it.")
    return _shortage(facts, fullest, state) or _crowd(fullest, state)


def _shortage(facts: Facts, gpu: Gpu, state: str) -> Finding | None:
    """The engine would not start: with what is free, or with the share it is told to take."""
    cache = _cache_of_long_context_mib(facts, gpu)
    need = weights_mib(facts.settings, facts.weights) + WORKING_SPACE_MIB + cache
    long = f", {_gib(cache)} GiB for a context beyond {USUAL_CONTEXT} tokens" if cache else ""
    needs = f"the model needs {_gib(need)} GiB (weights{long}, and 1 GiB to work with)"
    if gpu.free_mib < need:
        remedy = "End what else runs on the card (nvidia-smi lists it), or take a larger one."
        return fail(f"{state}; {needs}.", remedy)
    by_hand = facts.settings.vlm_gpu_memory_share
    if by_hand and by_hand * gpu.total_mib > gpu.free_mib:
        return fail(
            f"VLM_GPU_MEMORY_SHARE={by_hand:g} asks for {_gib(by_hand * gpu.total_mib)} GiB; {state}.", _share(gpu)
        )
    share = memory_share(facts.settings, gpu)
    if share * gpu.total_mib < need:
        return fail(f"A share of {share:g} is {_gib(share * gpu.total_mib)} GiB of the card; {needs}.", _share(gpu))
    return None


def _cache_of_long_context_mib(facts: Facts, gpu: Gpu) -> float:
    """What the key-value cache of one context takes beyond that of a usual one."""
    context = choose_sizes(facts.settings, gpu, facts.model_config).max_model_len
    return cache_mib(facts.model_config, max(context - USUAL_CONTEXT, 0), BYTES_OF_16_BITS)


def _share(gpu: Gpu) -> str:
    fitting = min(MAX_SHARE, math.floor(100 * gpu.free_mib / gpu.total_mib) / 100)
    return f"Set VLM_GPU_MEMORY_SHARE={fitting:g} at most, or 0: what is free at the start is taken then."


def _crowd(gpu: Gpu, state: str) -> Finding:
    if gpu.total_mib - gpu.free_mib > MUCH * gpu.total_mib:
        return warn(
            f"{state}: other processes hold the rest.",
            "If they are not meant to be there, end them (nvidia-smi lists them): more memory is more regions at once.",
        )
    return ok(f"{state}.")


def _list_used_gpus(facts: Facts) -> tuple[Gpu, ...]:
    """The cards vLLM will work on: as many as it has copies of the model, in the driver's order."""
    if not facts.needs_gpu or facts.driver.reason:
        return ()
    return facts.driver.gpus[: facts.settings.vlm_data_parallel]


def _least_capability(facts: Facts) -> tuple[int, int]:
    built_for = facts.torch.cuda_version if facts.torch else None
    return MIN_CAPABILITY_OF_CUDA_13 if built_for and built_for >= (13, 0) else MIN_CAPABILITY


def _build(facts: Facts) -> str:
    return "CPU build" if facts.installation and facts.installation.build == "cpu" else "A build for other accelerators"


def _names(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(gpu.name for gpu in gpus)


def _gib(mib: float) -> str:
    return f"{mib / GIB:.1f}"


def _format_version(version: tuple[int, int] | None) -> str:
    return "unknown" if version is None else ".".join(map(str, version))
