"""Weights and chat templates as people have them."""

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
