from __future__ import annotations

from pathlib import Path

import pytest

from vlm_backend.driver import Gpu
from vlm_backend.model_config import ModelConfig
from vlm_backend.settings import Settings
from vlm_backend.sizes import choose_sizes, memory_share, picture_pixels

WEIGHTS_MIB = 1940
"""1.8939 GiB, as vLLM's log says of the 0.9B model."""
CACHE_BYTES_A_TOKEN = 18_432
ACTIVATIONS_BYTES_A_PATCH = 2 * (1152 * 6 + 4304 * 2)
"""A vision layer's inputs, projections and MLP in bfloat16."""


def card(total_gib: float, free_gib: float) -> Gpu:
    return Gpu("a card", int(total_gib * 1024), int(free_gib * 1024), (8, 6))


def settings(**names: object) -> Settings:
    return Settings.model_validate(names)


@pytest.mark.parametrize(("total_gib", "free_gib"), [(4, 3.7), (6, 5.6), (8, 7.6), (24, 23.5), (80, 79)])
def test_weights_pictures_and_one_whole_context_fit_into_what_is_free(total_gib: float, free_gib: float) -> None:
    gpu = card(total_gib, free_gib)
    sizes, share = choose_sizes(settings(), gpu), memory_share(settings(), gpu)
    taken_mib = share * gpu.total_mib
    assert taken_mib < gpu.free_mib
    patches = 4 * sizes.max_batched_tokens
    need_mib = WEIGHTS_MIB + (sizes.max_model_len * CACHE_BYTES_A_TOKEN + patches * ACTIVATIONS_BYTES_A_PATCH) / 2**20
    assert need_mib < taken_mib


@pytest.mark.parametrize("total_gib", [4, 8, 80])
def test_the_largest_picture_with_the_longest_answer_fits_into_the_context(total_gib: float) -> None:
    sizes = choose_sizes(settings(), card(total_gib, total_gib))
    assert sizes.max_model_len >= 2048 + 4096 + 64
    assert sizes.max_batched_tokens >= 2048


def test_a_card_that_others_use_too_is_not_asked_for_what_they_hold() -> None:
    gpu = card(24, 10)
    assert memory_share(settings(), gpu) * gpu.total_mib < gpu.free_mib


def test_what_the_settings_say_is_done() -> None:
    named = settings(
        vlm_max_model_len=5000, vlm_max_batched_tokens=6000, vlm_max_sequences=7, vlm_gpu_memory_share=0.37
    )
    sizes = choose_sizes(named, card(80, 80))
    assert (sizes.max_model_len, sizes.max_batched_tokens, sizes.max_sequences) == (5000, 6000, 7)
    assert memory_share(named, card(80, 80)) == 0.37


@pytest.mark.parametrize("gpu", [None, card(4, 4), card(80, 80)])
@pytest.mark.parametrize("tokens", [1024, 4096, 8192])
def test_a_models_own_context_is_not_exceeded_and_half_of_it_is_left_to_the_text(gpu: Gpu | None, tokens: int) -> None:
    model = ModelConfig(Path("config.json"), max_context=tokens)
    sizes = choose_sizes(settings(), gpu, model)
    assert sizes.max_model_len == tokens
    assert picture_pixels(settings(), sizes.max_model_len) / (28 * 28) <= tokens / 2


def test_a_long_context_is_not_taken_for_its_own_sake() -> None:
    model = ModelConfig(Path("config.json"), max_context=131_072)
    assert choose_sizes(settings(), card(80, 80), model).max_model_len == 16_384
