"""Weights, contexts and chat templates as people have them."""

from __future__ import annotations

import shutil

import pytest

from tests.vlm_backend.doctor.conftest import Machine


def test_truncated_weights_are_named(cpu_machine: Machine) -> None:
    weights = cpu_machine.model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    check = cpu_machine.check("weights")
    assert check.status == "fail"
    assert f"{weights} is truncated" in check.detail
    assert check.remedy is not None
    assert "make fetch-models" in check.remedy


@pytest.mark.parametrize("arguments", ["--load-format dummy", "--seed 1 --load-format=dummy"])
def test_weights_that_are_made_up_need_no_file_and_are_a_warning(cpu_machine: Machine, arguments: str) -> None:
    (cpu_machine.model / "model.safetensors").unlink()
    check = cpu_machine.check("weights", vlm_extra_arguments=arguments)
    assert check.status == "warn"
    assert "means nothing" in check.detail
    (cpu_machine.model / "tokenizer.json").unlink()
    assert cpu_machine.check("weights", vlm_extra_arguments=arguments).status == "fail"


def test_absent_weights_are_downloaded_unless_that_is_forbidden(
    cpu_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(cpu_machine.model)
    check = cpu_machine.check("weights")
    assert check.status == "warn"
    assert "2 GB" in check.detail
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check = cpu_machine.check("weights")
    assert check.status == "fail"
    assert "HF_HUB_OFFLINE" in check.detail


def test_a_model_folder_that_does_not_exist_fails(cpu_machine: Machine) -> None:
    check = cpu_machine.check("weights", vlm_model=f"{cpu_machine.folder}/nothing")
    assert check.status == "fail"
    assert f"{cpu_machine.folder}/nothing is not a folder" in check.detail


def test_a_template_file_that_does_not_exist_fails(cpu_machine: Machine) -> None:
    check = cpu_machine.check("chat-template", vlm_chat_template="/nowhere/own.jinja")
    assert check.status == "fail"
    assert "/nowhere/own.jinja" in check.detail


@pytest.mark.parametrize("template", ["v1", "v1.5", "auto"])
def test_templates_of_our_own_are_there(cpu_machine: Machine, template: str) -> None:
    assert cpu_machine.check("chat-template", vlm_chat_template=template).status == "ok"


def test_a_folder_whose_name_tells_no_version_is_a_warning_unless_it_brings_a_template(cpu_machine: Machine) -> None:
    folder = cpu_machine.model.rename(cpu_machine.folder / "my-checkpoint")
    assert cpu_machine.check("chat-template", vlm_model=str(folder)).status == "warn"
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert cpu_machine.check("chat-template", vlm_model=str(folder)).status == "ok"


def test_an_architecture_that_this_vllm_does_not_have_fails(cpu_machine: Machine) -> None:
    registry = cpu_machine.environment.packages / "vllm" / "model_executor" / "models" / "registry.py"
    automatic = cpu_machine.environment.packages / "transformers" / "models" / "auto" / "modeling_auto.py"
    for file, text in ((registry, '"LlamaForCausalLM": ("llama", "LlamaForCausalLM"),'), (automatic, "")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    cpu_machine.configure(architectures=["FancyOCR"])
    check = cpu_machine.check("architecture")
    assert check.status == "fail"
    assert "FancyOCR" in check.detail
    cpu_machine.configure(architectures=["LlamaForCausalLM"])
    assert cpu_machine.check("architecture").status == "warn"


@pytest.mark.parametrize("field", ["architectures", "model_type"])
def test_a_configuration_that_does_not_say_what_the_model_is_fails(cpu_machine: Machine, field: str) -> None:
    cpu_machine.configure(**{field: None})
    check = cpu_machine.check("architecture")
    assert check.status == "fail"
    assert f"`{field}`" in check.detail


def test_a_download_that_was_broken_off_goes_on(cpu_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hub model vLLM fetches config.json first; what was refused then may have left nothing else."""
    cache = cpu_machine.folder / "hub"
    snapshot = cache / "models--acme--ocr" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (cache / "models--acme--ocr" / "refs").mkdir()
    (cache / "models--acme--ocr" / "refs" / "main").write_text("1")
    (cpu_machine.model / "config.json").rename(snapshot / "config.json")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    assert cpu_machine.check("weights", vlm_model="acme/ocr").status == "warn"
    assert cpu_machine.check("context", vlm_model="acme/ocr", vlm_max_model_len=200_000).status == "fail"


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
