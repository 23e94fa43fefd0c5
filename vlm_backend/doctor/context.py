"""The context: tokens of picture and text together, no more than the model has and enough for a page's regions."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.settings import Settings
from vlm_backend.sizes import sizes_for
from vlm_backend.vllm import working_gpu

OPTION = "--max-model-len"
MIN_CONTEXT = 1024
"""A picture of 512 tokens, some 600 x 600 pixels, and as many tokens of text: less is no paragraph."""
FULL_CONTEXT = 1280 + 4096 + 64
"""A region's largest picture, the most tokens of its text, and its prompt."""
ALLOW_LONG = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT]?)")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
"""As in vLLM's `human_readable_int`."""


def check_context(facts: Facts) -> Finding | None:
    model, asked = facts.model_config, _context(facts)
    if asked is None:
        return ok(f"VLM_EXTRA_ARGUMENTS has {OPTION} with a value that vLLM finds itself.")
    tokens, origin = asked
    if model and model.max_context and tokens > model.max_context:
        return _too_long(facts, tokens, origin, model.max_context, f"{model.file} ({model.max_context_key})")
    if tokens < MIN_CONTEXT:
        return fail(
            f"{origin} gives a context of {tokens} tokens; a region's picture and text need {MIN_CONTEXT} at least.",
            "Set VLM_MAX_MODEL_LEN to 0 or to more, or take a model with a longer context.",
        )
    if tokens < FULL_CONTEXT:
        return warn(
            f"{origin} gives a context of {tokens} tokens; a full page's region may need {FULL_CONTEXT}.",
            "Long tables and dense print are cut off, and say so. A model with a longer context reads them whole.",
        )
    return ok(f"{tokens} tokens ({origin}).")


def _context(facts: Facts) -> tuple[int, str] | None:
    """Tokens of the context that vLLM is asked for, and who says so; None where vLLM is to choose."""
    settings, installation, model = facts.settings, facts.installation, facts.model_config
    if (wished := _extra_argument(settings)) is not None:
        length = _LENGTH.fullmatch(wished)
        return (
            (int(float(length[1]) * _UNITS[length[2]]), f"VLM_EXTRA_ARGUMENTS: {OPTION} {wished}") if length else None
        )
    if settings.vlm_max_model_len:
        return settings.vlm_max_model_len, f"VLM_MAX_MODEL_LEN={settings.vlm_max_model_len}"
    gpu = working_gpu(settings, installation, facts.driver) if installation else None
    tokens = sizes_for(settings, gpu, model).max_model_len
    is_models_own = model is not None and tokens == model.max_context
    return tokens, str(model.file) if model and is_models_own else "VLM_MAX_MODEL_LEN=0"


def _extra_argument(settings: Settings) -> str | None:
    """The value of the last `--max-model-len` in VLM_EXTRA_ARGUMENTS."""
    try:
        words = shlex.split(settings.vlm_extra_arguments)
    except ValueError:
        return None
    # vLLM takes underscores for dashes, and a value after `=` or after a space.
    options = [
        (word.partition("=")[0].replace("_", "-"), word.partition("=")[2], after)
        for word, after in pairwise([*words, ""])
    ]
    values = [joined or after for option, joined, after in options if option == OPTION]
    return values[-1] if values else None


def _too_long(facts: Facts, tokens: int, origin: str, most: int, limit: str) -> Finding:
    sentence = f"{origin} asks for a context of {tokens} tokens, and the model has {most}: {limit}."
    if facts.environment.get(ALLOW_LONG, "").strip().lower() in ("1", "true"):
        return warn(sentence, f"{ALLOW_LONG} is set: beyond {most} tokens what vLLM reads may mean nothing.")
    return fail(sentence, f"Set it to {most} at most, or leave it out: what the model has is taken then.")
