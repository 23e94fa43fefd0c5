"""Contexts that the model does not have, or that are too small for a page."""

from __future__ import annotations

import pytest

from tests.vlm_backend.doctor.conftest import Machine


def test_a_setting_beyond_the_models_context_fails_and_says_what_fits(cpu_machine: Machine) -> None:
    cpu_machine.configure(max_position_embeddings=8192)
    check = cpu_machine.check("context", vlm_max_model_len=16_384)
    assert check.status == "fail"
    for words in ("VLM_MAX_MODEL_LEN=16384", "8192", "config.json", "max_position_embeddings"):
        assert words in check.detail
    assert "8192" in (check.remedy or "")
    assert cpu_machine.check("context", vlm_max_model_len=8192).status == "ok"
    assert cpu_machine.check("context").status == "ok"


@pytest.mark.parametrize("arguments", ["--max-model-len 16384", "--max_model_len=16k", "--seed 1 --max-model-len 16K"])
def test_an_argument_beyond_the_models_context_fails_too(cpu_machine: Machine, arguments: str) -> None:
    cpu_machine.configure(max_position_embeddings=8192)
    check = cpu_machine.check("context", vlm_extra_arguments=arguments)
    assert check.status == "fail"
    assert "VLM_EXTRA_ARGUMENTS" in check.detail


@pytest.mark.parametrize("value", ["auto", "-1"])
def test_a_length_that_vllm_finds_itself_is_left_to_it(cpu_machine: Machine, value: str) -> None:
    assert cpu_machine.check("context", vlm_extra_arguments=f"--max-model-len {value}").status == "ok"


def test_a_longer_context_may_be_allowed_by_hand(cpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")
    assert cpu_machine.check("context", vlm_max_model_len=200_000).status == "warn"


@pytest.mark.parametrize(("tokens", "status"), [(512, "fail"), (4096, "warn"), (8192, "ok")])
def test_a_models_context_may_be_too_small_for_a_page(cpu_machine: Machine, tokens: int, status: str) -> None:
    cpu_machine.configure(max_position_embeddings=tokens)
    check = cpu_machine.check("context")
    assert (check.status, str(tokens) in check.detail) == (status, True)


def test_a_model_that_is_not_here_yet_is_not_judged(bare: Machine) -> None:
    assert bare.check("context").status == "ok"
