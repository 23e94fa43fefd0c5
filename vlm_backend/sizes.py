"""How much vLLM takes on at once, by the memory of the card."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vlm_backend.driver import Gpu
from vlm_backend.model_config import ModelConfig
from vlm_backend.settings import Settings

GIB = 1024
"""MiB."""
RESERVE_MIB = 600
"""What the CUDA context and the allocator's slack take before vLLM looks at what is free."""
MAX_SHARE = 0.9
MIB = 1024 * 1024
CACHE_VALUES_PER_TOKEN = 2 * 18 * 2 * 128
"""A key and a value for 18 layers with 2 heads of 128 numbers: PaddleOCR-VL."""
PIXELS_PER_TOKEN = 28 * 28
MIN_PIXELS = PIXELS_PER_TOKEN * 144
"""PaddleOCR-VL's pipeline's; the checkpoint's own is larger and would blow up what the gateway has already sized."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of context, tokens of one step, sequences at once.

    One token of context costs 18,432 bytes of key-value cache in bfloat16 (`CACHE_VALUES_PER_TOKEN`), and vLLM refuses
    to start unless one whole context fits. The tokens of one step bound the pictures that the vision tower sees at
    once, for which vLLM reserves memory at its start.
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


def suggest_sizes(gpu: Gpu | None) -> Sizes:
    """Sizes for a card, or for a CPU where there is none."""
    if gpu is None:
        return _CPU
    return next((sizes for below_mib, sizes in _BY_MEMORY if gpu.total_mib < below_mib), _LARGE)


def choose_sizes(settings: Settings, gpu: Gpu | None, model: ModelConfig | None = None) -> Sizes:
    """The settings' sizes; what they leave open, as the card suggests and the model can."""
    suggested = suggest_sizes(gpu)
    longest = model.max_context if model and model.max_context else suggested.max_model_len
    return Sizes(
        settings.vlm_max_model_len or min(suggested.max_model_len, longest),
        settings.vlm_max_batched_tokens or suggested.max_batched_tokens,
        settings.vlm_max_sequences or suggested.max_sequences,
    )


def cache_mib(model: ModelConfig | None, tokens: int, bytes_per_value: int) -> float:
    """Memory of the key-value cache of a context of `tokens`; the model of the 0.9B size is meant where none is
    known."""
    values = (model.cache_values_per_token if model else 0) or CACHE_VALUES_PER_TOKEN
    return values * bytes_per_value * tokens / MIB


def picture_pixels(settings: Settings, max_model_len: int) -> int:
    """Most pixels of a picture: the setting's, or what takes half of a small context; the rest is for the text."""
    return min(settings.vlm_max_pixels, max(max_model_len // 2 * PIXELS_PER_TOKEN, MIN_PIXELS))


def memory_share(settings: Settings, gpu: Gpu) -> float:
    """Share of the card's memory for vLLM: the setting, or what is free less a reserve, in whole hundredths.

    vLLM refuses to start when its share is not free, and others may have a part of the card.
    """
    if settings.vlm_gpu_memory_share:
        return settings.vlm_gpu_memory_share
    free = (gpu.free_mib - RESERVE_MIB) / gpu.total_mib
    return min(MAX_SHARE, math.floor(100 * max(free, 0.01)) / 100)
