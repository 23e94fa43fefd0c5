"""The model: its weights and its chat template."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from textlines.remedies import command_of
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok, warn
from vlm_backend.model import chat_template, is_known
from vlm_backend.settings import Settings
from vlm_backend.weights import file_problems, model_folder, problems, shards

ARCHITECTURE = "PaddleOCRVLForConditionalGeneration"
REGISTRIES = ("vllm/model_executor/models/registry.py", "transformers/models/auto/modeling_auto.py")
DEFAULT_WEIGHTS_MIB = 1940
"""PaddleOCR-VL (0.9B) in 16 bits: vLLM's log says 1.8939 GiB."""
MIB = 1024 * 1024
DOWNLOAD_GB = 2
"""Weights, tokenizer and configuration, rounded up."""
FETCH = f"Run {command_of('fetch-models')} where the network is, and keep or mount VLM_MODEL_DIR"


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
    known = _known_architectures(facts)
    if known and facts.installation and not any(f'"{name}"' in known for name in model.architectures):
        return fail(
            f"{model.file} names the architecture {named}, which vLLM {facts.installation.vllm} does not have.",
            f"Set VLM_MODEL to a PaddleOCR-VL ({ARCHITECTURE}), or correct config.json.",
        )
    return warn(
        f"{model.file} names the architecture {named}, which is not PaddleOCR-VL's ({ARCHITECTURE}).",
        "It is asked with PaddleOCR-VL's prompts all the same: compare some results, or set VLM_MODEL to another.",
    )


def _known_architectures(facts: Facts) -> str:
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
