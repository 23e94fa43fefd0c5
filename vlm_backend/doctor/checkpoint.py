"""The model: its weights, its architecture, its context and its chat template."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from common.remedies import command_of
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.served_model import chat_template, is_known
from vlm_backend.settings import Settings
from vlm_backend.sizes import choose_sizes
from vlm_backend.vllm import find_working_gpu
from vlm_backend.weights import file_problems, model_folder, problems, shards

ARCHITECTURE = "PaddleOCRVLForConditionalGeneration"
REGISTRIES = ("vllm/model_executor/models/registry.py", "transformers/models/auto/modeling_auto.py")
DEFAULT_WEIGHTS_MIB = 1940
"""PaddleOCR-VL (0.9B) in 16 bits: vLLM's log says 1.8939 GiB."""
MIB = 1024 * 1024
DOWNLOAD_GB = 2
"""Weights, tokenizer and configuration, rounded up."""
FETCH = f"Run {command_of('fetch-models')} where the network is, and keep or mount VLM_MODEL_DIR"
CONTEXT_OPTION = "--max-model-len"
MIN_CONTEXT = 1024
"""A picture of 512 tokens, some 600 x 600 pixels, and as many tokens of text: less is no paragraph."""
FULL_CONTEXT = 1280 + 4096 + 64
"""A region's largest picture, the most tokens of its text, and its prompt."""
ALLOW_LONG = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT]?)")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
"""As in vLLM's `human_readable_int`."""


def weights_mib(settings: Settings, folder: Path | None) -> float:
    """Memory the weights take: their files' size, which is in 16 bits, twice that for VLM_DTYPE=float32."""
    files = [folder / name for name in shards(folder)] if folder else []
    size = sum(file.stat().st_size for file in files if file.is_file())
    mib = size / MIB if size else DEFAULT_WEIGHTS_MIB
    return 2 * mib if settings.vlm_dtype == "float32" else mib


def is_offline(environment: Mapping[str, str]) -> bool:
    """huggingface_hub may not use the network."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(environment.get(name, "").strip().upper() in ("1", "ON", "YES", "TRUE") for name in names)


def loads_no_weights(settings: Settings) -> bool:
    """`--load-format dummy` is asked for: vLLM makes weights up, as measurements of its speed want it."""
    try:
        words = shlex.split(settings.vlm_extra_arguments)
    except ValueError:
        return False
    return "--load-format=dummy" in words or ("--load-format", "dummy") in pairwise(words)


def check_weights(facts: Facts) -> Finding:
    model, folder = facts.settings.vlm_model, facts.weights
    if folder is None:
        return _absent(model, is_offline(facts.environment))
    is_dummy = loads_no_weights(facts.settings)
    found = file_problems(folder) if is_dummy else problems(folder)
    if found and not os.path.isdir(folder):
        return fail(
            f"VLM_MODEL={model}: {' '.join(found)}",
            f"Correct the path, or mount the folder there so that this user (uid {os.getuid()}) can read it.",
        )
    if found:
        again = (
            f"run {command_of('fetch-models')}"
            if folder == model_folder(facts.settings)
            else "copy it from where it came"
        )
        return fail(" ".join(found), f"Put into {folder} what is missing or damaged: {again}.")
    if is_dummy:
        return warn(
            "VLM_EXTRA_ARGUMENTS has `--load-format dummy`: vLLM makes weights up, and what it answers means nothing.",
            "Take it out, unless it is only speed that you measure.",
        )
    return ok(f"{model} is complete in {folder} ({weights_mib(facts.settings, folder) / 1024:.1f} GiB).")


def _absent(model: str, offline: bool) -> Finding:
    if offline:
        return fail(
            f"{model} is not on this machine, and HF_HUB_OFFLINE=1 forbids to download it.",
            f"{FETCH}; or unset HF_HUB_OFFLINE.",
        )
    return warn(
        f"{model} is not on this machine: vLLM downloads about {DOWNLOAD_GB} GB at its start, which takes minutes and "
        "needs the network.",
        f"{FETCH}.",
    )


def check_architecture(facts: Facts) -> Finding | None:
    """Whether vLLM has code for the model."""
    model = facts.model_config
    if model is None:
        return None
    if not model.architectures or model.model_type is None:
        missing = "model_type" if model.architectures else "architectures"
        return fail(
            f"{model.file} has no `{missing}`: vLLM cannot tell what kind of model it is.",
            "Copy config.json from where the weights came.",
        )
    named = ", ".join(model.architectures)
    if ARCHITECTURE in model.architectures:
        return ok(f"{named}.")
    known = _read_architectures(facts)
    if known and facts.installation and not any(f'"{name}"' in known for name in model.architectures):
        return fail(
            f"{model.file} names the architecture {named}, which vLLM {facts.installation.vllm} does not have.",
            f"Set VLM_MODEL to a PaddleOCR-VL ({ARCHITECTURE}), or correct config.json.",
        )
    return warn(
        f"{model.file} names the architecture {named}, which is not PaddleOCR-VL's ({ARCHITECTURE}).",
        "It is asked with PaddleOCR-VL's prompts all the same: compare some results, or set VLM_MODEL to another.",
    )


def _read_architectures(facts: Facts) -> str:
    """The texts in which vLLM and transformers name every architecture that they have; empty where they can't be
    read. vLLM runs those of transformers too."""
    for packages in facts.installation.paths if facts.installation else ():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return "".join((packages / part).read_text(encoding="utf-8") for part in REGISTRIES)
    return ""


def check_chat_template(facts: Facts) -> Finding:
    template, wished = chat_template(facts.settings), facts.settings.vlm_chat_template
    if template is None:
        return ok("The template that lies with the weights is used.")
    if not os.access(template, os.R_OK) or not template.is_file():
        return fail(
            f"VLM_CHAT_TEMPLATE={wished}: there is no file {template.absolute()} that can be read.",
            "Set it to `auto`, `v1`, `v1.5` or an existing file.",
        )
    if wished == "auto" and not is_known(facts.settings):
        return warn(
            f"VLM_MODEL={facts.settings.vlm_model} does not tell which PaddleOCR-VL it is, and no template lies with "
            "it, so that of 1.5 and 1.6 is taken.",
            "Set VLM_CHAT_TEMPLATE=v1 for the first version, v1.5 for later ones; a wrong one makes reading worse.",
        )
    return ok(f"{'That of the model version' if wished == 'auto' else wished}: {template}.")


def check_context(facts: Facts) -> Finding | None:
    model, asked = facts.model_config, _find_context(facts)
    if asked is None:
        return ok(f"VLM_EXTRA_ARGUMENTS has {CONTEXT_OPTION} with a value that vLLM finds itself.")
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


def _find_context(facts: Facts) -> tuple[int, str] | None:
    """Tokens of the context that vLLM is asked for, and who says so; None where vLLM is to choose."""
    settings, installation, model = facts.settings, facts.installation, facts.model_config
    if (wished := _extra_argument(settings)) is not None:
        length = _LENGTH.fullmatch(wished)
        origin = f"VLM_EXTRA_ARGUMENTS: {CONTEXT_OPTION} {wished}"
        return (int(float(length[1]) * _UNITS[length[2]]), origin) if length else None
    if settings.vlm_max_model_len:
        return settings.vlm_max_model_len, f"VLM_MAX_MODEL_LEN={settings.vlm_max_model_len}"
    gpu = find_working_gpu(settings, installation, facts.driver) if installation else None
    tokens = choose_sizes(settings, gpu, model).max_model_len
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
    values = [joined or after for option, joined, after in options if option == CONTEXT_OPTION]
    return values[-1] if values else None


def _too_long(facts: Facts, tokens: int, origin: str, most: int, limit: str) -> Finding:
    sentence = f"{origin} asks for a context of {tokens} tokens, and the model has {most}: {limit}."
    if facts.environment.get(ALLOW_LONG, "").strip().lower() in ("1", "true"):
        return warn(sentence, f"{ALLOW_LONG} is set: beyond {most} tokens what vLLM reads may mean nothing.")
    return fail(sentence, f"Set it to {most} at most, or leave it out: what the model has is taken then.")
