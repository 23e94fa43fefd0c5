"""Where the model's files are on this machine, and whether they are whole. Standard library only; nothing is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlm_backend.settings import Settings

INDEX = "model.safetensors.index.json"
LENGTH_BYTES = 8
"""A safetensors file begins with its header's length: 8 bytes, little-endian."""
MAX_HEADER_BYTES = 100_000_000
"""The safetensors library refuses a longer header, bytes."""
LFS_POINTER = b"version https://git-lfs"
NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("configuration", ("config.json",)),
    ("tokenizer", ("tokenizer.json", "tokenizer.model")),
    ("preprocessor configuration", ("preprocessor_config.json", "processor_config.json")),
)
"""What vLLM reads besides weights; of each group one file is enough."""


def locate(settings: Settings) -> Path | None:
    """The folder that vLLM is to load `VLM_MODEL` from; None where it would have to be downloaded.

    A folder named as such is returned even where it does not exist: nothing else can be meant.
    """
    named = Path(settings.vlm_model).expanduser()
    if os.path.isdir(named) or settings.vlm_model.startswith(("/", ".", "~")):
        return named
    fetched = model_folder(settings)
    if os.path.isdir(fetched):
        return fetched
    snapshot = find_cached_snapshot(settings.vlm_model)
    # A download that was broken off goes on where it stopped; what is there and damaged is for the doctor.
    return snapshot if snapshot and not any(find_missing_parts(snapshot)) else None


def model_folder(settings: Settings) -> Path:
    """Where `fetch-models` puts `VLM_MODEL`."""
    return settings.vlm_model_dir / settings.vlm_model.rstrip("/").rpartition("/")[2]


def find_cached_snapshot(model: str) -> Path | None:
    """The snapshot of the hub model `model` that `refs/main` names in the Hugging Face cache."""
    repository = hub_cache() / f"models--{model.replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = repository / "snapshots" / revision
    return snapshot if revision and os.path.isdir(snapshot) else None


def hub_cache() -> Path:
    """The folder that huggingface_hub takes, from the same variables in the same order."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return expand_path(folder)
    if home := os.environ.get("HF_HOME"):
        return expand_path(home) / "hub"
    return expand_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def expand_path(folder: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(folder)))


def problems(folder: Path) -> list[str]:
    """One sentence for each thing that keeps vLLM from loading the model in `folder`; empty where it is complete."""
    return _list_problems(folder, find_missing_parts, find_damaged_json, find_damaged_weights)


def file_problems(folder: Path) -> list[str]:
    """The same, but for the weights."""
    return _list_problems(folder, find_missing_files, find_damaged_json)


def _list_problems(folder: Path, *searches: Callable[[Path], Iterator[str]]) -> list[str]:
    try:
        if not folder.is_dir():
            return [f"{folder} is not a folder."]
        return [problem for search in searches for problem in search(folder)]
    except OSError as error:
        return [f"{folder} cannot be read: {error}."]


def find_missing_files(folder: Path) -> Iterator[str]:
    for what, names in NEEDED:
        if not any((folder / name).is_file() for name in names):
            yield f"{folder} holds no {what} ({' or '.join(names)})."


def find_missing_parts(folder: Path) -> Iterator[str]:
    """The same, and weights that are not there."""
    yield from find_missing_files(folder)
    names = shards(folder)
    if not names:
        yield f"{folder} holds no weights (model.safetensors)."
    for name in names:
        if not (folder / name).is_file():
            yield f"{folder / name} is missing, which {INDEX} names."


def find_damaged_json(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            yield f"{file} is not whole JSON: {file.stat().st_size} bytes are there."


def find_damaged_weights(folder: Path) -> Iterator[str]:
    for name in shards(folder):
        if (folder / name).is_file() and (problem := safetensors_problem(folder / name)):
            yield f"{folder / name} {problem}."


def shards(folder: Path) -> list[str]:
    """Names of the weight files: those in the index, or all that are there where no (readable) index is."""
    try:
        names = set(json.loads((folder / INDEX).read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names = {file.name for file in folder.glob("*.safetensors")}
    return sorted(names)


def safetensors_problem(file: Path) -> str | None:
    """What is wrong with a safetensors file, as the rest of a sentence; None where its size is what its header says."""
    size = file.stat().st_size
    with file.open("rb") as content:
        start = content.read(LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if (start + content.read(len(LFS_POINTER) - LENGTH_BYTES)) == LFS_POINTER:
            return "is a pointer of git-lfs, not the weights: run `git lfs pull` where it was cloned"
        if size < LENGTH_BYTES + length and length <= MAX_HEADER_BYTES:
            return f"is truncated within its header: {size} bytes are there"
        if length > MAX_HEADER_BYTES:
            return f"is not a safetensors file: its header would be {length} bytes long"
        content.seek(LENGTH_BYTES)
        expected = compute_expected_size(content.read(length))
    if expected is None:
        return "is not a safetensors file: its header is not a table of tensors"
    if size < expected:
        return f"is truncated: {size} of {expected} bytes are there"
    return f"is {size - expected} bytes longer than its header says" if size > expected else None


def compute_expected_size(header: bytes) -> int | None:
    """Bytes that a safetensors file with `header` has; None where `header` is none."""
    try:
        table: Mapping[str, Any] = json.loads(header)
        ends = [int(tensor["data_offsets"][1]) for name, tensor in table.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    return LENGTH_BYTES + len(header) + max(ends, default=0)
