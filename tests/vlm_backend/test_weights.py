"""Model folders as they are met: whole, cut off, half copied."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from vlm_backend.settings import Settings
from vlm_backend.weights import locate, problems

DATA = b"\x00" * 48
CACHE_VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


def safetensors(data: bytes = DATA) -> bytes:
    """A file of the format with two tensors that fill `data`."""
    half = len(data) // 2
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "U8", "shape": [half], "data_offsets": [0, half]},
        "b": {"dtype": "U8", "shape": [half], "data_offsets": [half, 2 * half]},
    }
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "PaddleOCR-VL-1.6"
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors())
    return folder


@pytest.fixture(autouse=True)
def _no_cache_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in CACHE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def settings(tmp_path: Path, model: str = "PaddlePaddle/PaddleOCR-VL-1.6") -> Settings:
    return Settings(vlm_model=model, vlm_model_dir=tmp_path / "models")


def cache_snapshot(hub: Path, reference: str | None = "c0ffee") -> Path:
    repository = hub / "models--PaddlePaddle--PaddleOCR-VL-1.6"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    if reference:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(reference)
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        (snapshot / name).write_text("{}")
    (snapshot / "model.safetensors").write_bytes(safetensors())
    return snapshot


def test_a_whole_model_has_no_problems(model: Path) -> None:
    assert problems(model) == []


def test_files_of_newer_and_older_libraries_are_taken_too(model: Path) -> None:
    (model / "preprocessor_config.json").rename(model / "processor_config.json")
    (model / "tokenizer.json").rename(model / "tokenizer.model")
    assert problems(model) == []


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("config.json", "configuration"),
        ("tokenizer.json", "tokenizer"),
        ("preprocessor_config.json", "preprocessor configuration"),
        ("model.safetensors", "weights"),
    ],
)
def test_a_missing_file_is_named(model: Path, name: str, what: str) -> None:
    (model / name).unlink()
    (problem,) = problems(model)
    assert what in problem
    assert name in problem
    assert str(model) in problem


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda whole: b"", "truncated"),
        (lambda whole: whole[:5], "truncated"),
        (lambda whole: whole[:40], "truncated within its header: 40 bytes"),
        (lambda whole: whole[:-1], f"truncated: {len(safetensors()) - 1} of {len(safetensors())} bytes"),
        (lambda whole: whole + b"tail", "4 bytes longer"),
        (lambda whole: whole[:8] + b"!" * (len(whole) - 8), "not a safetensors file"),
        (lambda whole: b"<!DOCTYPE html>" * 40, "not a safetensors file"),
        (lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    ],
    ids=["empty", "five bytes", "in the header", "in the data", "longer", "no header", "a web page", "lfs pointer"],
)
def test_damaged_weights_are_found(model: Path, damage: Callable[[bytes], bytes], said: str) -> None:
    file = model / "model.safetensors"
    file.write_bytes(damage(safetensors()))
    (problem,) = problems(model)
    assert problem.startswith(f"{file} ")
    assert said in problem


def test_every_shard_of_the_index_has_to_be_there_and_whole(model: Path) -> None:
    (model / "model.safetensors").unlink()
    names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    index = {"weight_map": {"a": names[0], "b": names[1], "c": names[2], "d": names[0]}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    (model / names[0]).write_bytes(safetensors())
    (model / names[1]).write_bytes(safetensors()[:-7])
    missing, truncated = problems(model)
    assert names[1] in truncated
    assert "truncated" in truncated
    assert names[2] in missing
    assert "missing" in missing


def test_a_cut_off_json_file_is_found(model: Path) -> None:
    (model / "tokenizer.json").write_text('{"model": {"vocab": {"a"')
    (problem,) = problems(model)
    assert "tokenizer.json is not whole JSON" in problem


def test_a_folder_that_is_none_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert problems(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'} is not a folder."]
    assert problems(tmp_path / "file") == [f"{tmp_path / 'file'} is not a folder."]


def test_a_folder_given_as_the_model_is_taken(tmp_path: Path, model: Path) -> None:
    assert locate(settings(tmp_path, str(model))) == model


def test_a_path_that_leads_nowhere_is_not_taken_for_a_hub_name(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert locate(settings(tmp_path, nowhere)) == Path(nowhere)


def test_a_fetched_model_goes_before_the_cache(tmp_path: Path, model: Path) -> None:
    cache_snapshot(tmp_path / "home" / ".cache" / "huggingface" / "hub")
    assert locate(settings(tmp_path)) == model


@pytest.mark.parametrize(
    ("variable", "value", "hub"),
    [
        ("HF_HUB_CACHE", "hub", "hub"),
        ("HF_HOME", "hf", "hf/hub"),
        ("XDG_CACHE_HOME", "cache", "cache/huggingface/hub"),
        ("HOME", "home", "home/.cache/huggingface/hub"),
    ],
)
def test_a_snapshot_in_the_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hub: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / value))
    assert locate(settings(tmp_path)) is None
    snapshot = cache_snapshot(tmp_path / hub)
    assert locate(settings(tmp_path)) == snapshot


@pytest.mark.parametrize("reference", [None, "deadbeef"])
def test_a_cache_whose_main_revision_is_not_there_is_passed_over(tmp_path: Path, reference: str | None) -> None:
    cache_snapshot(tmp_path / "home" / ".cache" / "huggingface" / "hub", reference)
    assert locate(settings(tmp_path)) is None
