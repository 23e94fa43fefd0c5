"""What a model's own `config.json` says of it: architecture, longest context, size of its key-value cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_backend.settings import Settings
from vlm_backend.weights import find_cached_snapshot, locate

CONTEXT_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
"""Names of the longest context, tokens; of several the least counts, as in vLLM 0.32
(`ModelArchConfigConvertorBase.derive_max_model_len_and_key`)."""
DECISIVE_CONTEXT_KEY = "model_max_length"
"""It wins over all others, even over smaller ones."""
ROPE_TYPES_WITHOUT_FACTOR = frozenset({"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling"})
"""RoPE scalings whose factor the configuration's context already holds (`_get_and_verify_max_len`)."""


MAX_NUMBER = 1e30
"""More is no length of a context (1e30 is transformers' word for none) and breaks sums."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """`max_context`: the most tokens that vLLM lets a context have, `max_context_key` the name of it in `file`; None
    where the file names none. `cache_values_per_token`: numbers in the key-value cache for each token of context, 0
    where that cannot be told."""

    file: Path
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    max_context: int | None = None
    max_context_key: str = ""
    cache_values_per_token: int = 0


def find_model_config(settings: Settings) -> ModelConfig | None:
    """The configuration of `VLM_MODEL`; None where it is not on this machine or cannot be read.

    Of a download that was broken off, the configuration may be there without the weights.
    """
    folder = locate(settings) or find_cached_snapshot(settings.vlm_model)
    return read_model_config(folder / "config.json") if folder else None


def read_model_config(file: Path) -> ModelConfig | None:
    """None where `file` is missing or holds no JSON object."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    text = content.get("text_config")
    # Checkpoints from before transformers 5 keep the language model's fields beside the others.
    fields = {**content, **(text if isinstance(text, dict) else {})}
    architectures = content.get("architectures")
    key, context = _context(fields)
    return ModelConfig(
        file,
        tuple(map(str, architectures)) if isinstance(architectures, list) else (),
        str(content["model_type"]) if content.get("model_type") else None,
        context,
        key,
        _cache_values(fields),
    )


def _context(fields: Mapping[str, Any]) -> tuple[str, int | None]:
    named = {key: length for key in CONTEXT_KEYS if (length := _number(fields.get(key)))}
    if not named:
        return "", None
    key = DECISIVE_CONTEXT_KEY if DECISIVE_CONTEXT_KEY in named else min(named, key=lambda name: named[name])
    return key, int(named[key] * _rope_factor(fields))


def _rope_factor(fields: Mapping[str, Any]) -> float:
    factors = [
        _number(rope.get("factor")) or 1
        for rope in _rope_parameters(fields.get("rope_parameters") or fields.get("rope_scaling"))
        if str(rope.get("rope_type", rope.get("type"))) not in ROPE_TYPES_WITHOUT_FACTOR
    ]
    return factors[-1] if factors else 1


def _rope_parameters(parameters: object) -> Iterator[Mapping[str, Any]]:
    """One mapping, or one for each type of layer."""
    if isinstance(parameters, dict):
        nested = [value for value in parameters.values() if isinstance(value, dict)]
        yield from nested or [parameters]


def _cache_values(fields: Mapping[str, Any]) -> int:
    """A key and a value of `head_dim` numbers, for each key-value head of each layer."""
    layers, heads = _number(fields.get("num_hidden_layers")), _number(fields.get("num_attention_heads"))
    hidden = _number(fields.get("hidden_size"))
    if not (layers and heads and hidden):
        return 0
    key_value_heads = _number(fields.get("num_key_value_heads")) or heads
    head_dim = _number(fields.get("head_dim")) or hidden / heads
    return int(2 * layers * key_value_heads * head_dim)


def _number(value: object) -> float | None:
    """None for what is no count of anything; JSON's `1e999` is infinite in Python."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MAX_NUMBER else None
