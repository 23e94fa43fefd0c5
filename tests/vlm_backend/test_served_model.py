from __future__ import annotations

from pathlib import Path

import pytest

from vlm_backend.served_model import chat_template, list_served_names, source
from vlm_backend.settings import Settings


def settings(folder: Path, **names: object) -> Settings:
    return Settings.model_validate({"vlm_model_dir": folder / "models", **names})


def text_of(template: Path | None) -> str:
    assert template
    return template.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("model", "assistant"),
    [
        ("PaddlePaddle/PaddleOCR-VL", "Assistant: "),
        ("PaddlePaddle/PaddleOCR-VL-1.5", "Assistant:\\n"),
        ("PaddlePaddle/PaddleOCR-VL-1.6", "Assistant:\\n"),
        ("somebody/tuned-on-my-receipts", "Assistant:\\n"),
    ],
)
def test_each_version_gets_the_prompt_it_was_trained_with(tmp_path: Path, model: str, assistant: str) -> None:
    assert f'"{assistant}"' in text_of(chat_template(settings(tmp_path, vlm_model=model)))


def test_a_template_that_lies_with_unknown_weights_is_theirs_to_use(tmp_path: Path) -> None:
    weights = tmp_path / "tuned"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    (weights / "chat_template.jinja").write_text("mine")
    assert chat_template(settings(tmp_path, vlm_model=str(weights))) is None


def test_a_template_can_be_named_by_version_or_file(tmp_path: Path) -> None:
    assert '"Assistant: "' in text_of(chat_template(settings(tmp_path, vlm_chat_template="v1")))
    assert chat_template(settings(tmp_path, vlm_chat_template="/a/b.jinja")) == Path("/a/b.jinja")


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("PaddlePaddle/PaddleOCR-VL-1.6", ["PaddlePaddle/PaddleOCR-VL-1.6", "PaddleOCR-VL-1.6-0.9B"]),
        ("PaddlePaddle/PaddleOCR-VL", ["PaddlePaddle/PaddleOCR-VL", "PaddleOCR-VL-0.9B"]),
        ("somebody/tuned", ["somebody/tuned"]),
    ],
)
def test_the_model_answers_to_its_own_name_and_to_that_of_paddlexs_clients(
    tmp_path: Path, model: str, names: list[str]
) -> None:
    assert list_served_names(settings(tmp_path, vlm_model=model)) == names


def test_a_folder_is_called_by_its_last_part_and_names_can_be_chosen(tmp_path: Path) -> None:
    assert list_served_names(settings(tmp_path, vlm_model=str(tmp_path))) == [tmp_path.name]
    assert list_served_names(settings(tmp_path, vlm_served_names=" a , b,")) == ["a", "b"]


def test_weights_that_were_fetched_are_taken_without_a_network(tmp_path: Path) -> None:
    here = settings(tmp_path, vlm_model="PaddlePaddle/PaddleOCR-VL-1.6")
    assert source(here) == "PaddlePaddle/PaddleOCR-VL-1.6"
    fetched = tmp_path / "models" / "PaddleOCR-VL-1.6"
    fetched.mkdir(parents=True)
    (fetched / "config.json").write_text("{}")
    assert source(here) == str(fetched)
