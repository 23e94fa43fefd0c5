"""The context that vLLM 0.32 allows, by what config.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_backend.model_config import read_model_config


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"max_position_embeddings": 131_072}, 131_072),
        ({"text_config": {"max_position_embeddings": 8192}, "max_position_embeddings": 131_072}, 8192),
        ({"max_position_embeddings": 8192, "seq_length": 4096}, 4096),
        ({"max_position_embeddings": 8192, "model_max_length": 65_536}, 65_536),
        ({"max_position_embeddings": 8192, "rope_scaling": {"type": "linear", "factor": 2.0}}, 16_384),
        ({"max_position_embeddings": 8192, "rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, 8192),
        ({"max_position_embeddings": 8192, "rope_parameters": {"rope_type": "default", "factor": None}}, 8192),
        ({"max_position_embeddings": 8192, "rope_parameters": {"full": {"rope_type": "linear", "factor": 2}}}, 16_384),
        ({"max_position_embeddings": "many"}, None),
        ({"max_position_embeddings": float("inf"), "num_hidden_layers": float("inf")}, None),
        ({"max_position_embeddings": 10**400, "rope_scaling": {"type": "linear", "factor": 2.0}}, None),
        ({"max_position_embeddings": 8192, "rope_scaling": {"rope_type": ["yarn"], "factor": float("inf")}}, 8192),
        ({"num_hidden_layers": 1e300, "num_attention_heads": 1, "hidden_size": 1e300}, None),
        ({"hidden_size": 1024}, None),
    ],
)
def test_the_longest_context(tmp_path: Path, fields: dict[str, Any], context: int | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps(fields))
    config = read_model_config(tmp_path / "config.json")
    assert config is not None
    assert config.max_context == context


def test_paddleocr_vls_cache_is_18_kib_a_token_in_16_bits(tmp_path: Path) -> None:
    """vLLM's own figure, from its log."""
    fields = {"num_hidden_layers": 18, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 128}
    (tmp_path / "config.json").write_text(json.dumps(fields | {"hidden_size": 1024}))
    config = read_model_config(tmp_path / "config.json")
    assert config is not None
    assert 2 * config.cache_values_per_token == 18_432


@pytest.mark.parametrize("content", ["", "[]", '{"max_position', "\x00", "[" * 100_000])
def test_a_file_that_is_no_configuration_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert read_model_config(tmp_path / "config.json") is None
    assert read_model_config(tmp_path / "nowhere.json") is None
