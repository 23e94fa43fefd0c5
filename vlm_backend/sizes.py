"""How much vLLM takes on at once, by the memory of the card."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vlm_backend.driver import Gpu
from vlm_backend.settings import Settings

GIB = 1024
"""MiB."""
RESERVE_MIB = 600
"""What the CUDA context and the allocator's slack take before vLLM looks at what is free."""
LARGEST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of context, tokens of one step, sequences at once.

    One token of context costs 18,432 bytes of key-value cache in bfloat16 (2 x 18 layers x 2 heads x 128 x 2 bytes),
    and vLLM refuses to start unless one whole context fits. The tokens of one step bound the pictures that the vision
    tower sees at once, for which vLLM reserves memory at its start.
    """

    max_model_len: int
    max_batched_tokens: int
    max_sequences: int


_BY_MEMORY = (
    (6 * GIB, Sizes(8192, 4096, 32)),
    (12 * GIB, Sizes(16384, 8192, 64)),
)
_LARGE = Sizes(16384, 16384, 256)
"""As in vLLM's own recipe for PaddleOCR-VL."""
_CPU = Sizes(16384, 4096, 16)


def suggested_sizes(gpu: Gpu | None) -> Sizes:
    """Sizes for a card, or for a CPU where there is none."""
    if gpu is None:
        return _CPU
    return next((sizes for below_mib, sizes in _BY_MEMORY if gpu.total_mib < below_mib), _LARGE)


def sizes_for(settings: Settings, gpu: Gpu | None) -> Sizes:
    """The settings' sizes; what they leave open, as the card suggests."""
    suggested = suggested_sizes(gpu)
    return Sizes(
        settings.vlm_max_model_len or suggested.max_model_len,
        settings.vlm_max_batched_tokens or suggested.max_batched_tokens,
        settings.vlm_max_sequences or suggested.max_sequences,
    )


def memory_share(settings: Settings, gpu: Gpu) -> float:
    """Share of the card's memory for vLLM: the setting, or what is free less a reserve, in whole hundredths.

    vLLM refuses to start when its share is not free, and others may have a part of the card.
    """
    if settings.vlm_gpu_memory_share:
        return settings.vlm_gpu_memory_share
    free = (gpu.free_mib - RESERVE_MIB) / gpu.total_mib
    return min(LARGEST_SHARE, math.floor(100 * max(free, 0.01)) / 100)
