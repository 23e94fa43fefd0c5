"""PP-DocLayout's files from the Hugging Face hub, into the folder that the gateway loads them from.

    python -m gateway.layout.fetch_model [--model NAME] [--to FOLDER]

A process of its own: what hangs in it can be ended. huggingface_hub carries the bytes, so HF_ENDPOINT, HF_TOKEN,
HF_HUB_OFFLINE and the proxy variables mean what they always do.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.settings import Settings

FILES = ("inference.yml", "inference.onnx")
"""In this order, so that where the second is, the first is."""
PADDLE_MODEL = "PP-DocLayoutV3"
"""The layout model of PaddleOCR-VL 1.5 and 1.6."""
SHA256_LENGTH = 64
_END_S = 5.0


class FetchError(Exception):
    """Why the files can't be had and what to do about it, in a sentence or two."""


def repository(model: str) -> str:
    """Where PaddleX's ONNX Runtime engine gets the model from."""
    return f"PaddlePaddle/{model}_onnx"


def cache_folder(settings: Settings, model: str) -> Path:
    return (settings.layout_cache_dir or settings.temp_dir / "layout") / model


async def fetch_apart(model: str, folder: Path) -> None:
    """Gets the files in a process of its own, which ends with this call. FetchError."""
    command = (sys.executable, "-m", "gateway.layout.fetch_model", "--model", model, "--to", str(folder))
    quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=quiet)
    except OSError as error:
        raise FetchError(f"the download can't be started: {error}") from error
    try:
        _, said = await process.communicate()
    finally:
        await _ended(process)
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise FetchError(lines[-1] if lines else f"the download ended with code {process.returncode}")


async def _ended(process: Process) -> None:
    """Interrupts it, so that it takes its half a file away; kills it where that does not help."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def fetch(model: str, folder: Path) -> None:
    """Makes the folder hold the hub's files; what is there and whole is left alone. FetchError."""
    # Its protocol for large files needs a writable home, and one file more to trust; plain HTTP needs neither.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    from huggingface_hub import constants

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            _fetch_file(repository(model), name, folder)
    except FetchError:
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")
        raise FetchError(
            f"{repository(model)} of {constants.ENDPOINT} can't be had: {reason}. HF_ENDPOINT names a mirror of the "
            f"hub; without network, copy {' and '.join(FILES)} of it to a folder and name that in LAYOUT_MODEL_DIR"
        ) from error


def _fetch_file(repo: str, name: str, folder: Path) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    expected = get_hf_file_metadata(hf_hub_url(repo, name))
    for _ in range(2):
        if _is_whole(folder / name, expected):
            return
        hf_hub_download(repo, name, revision=expected.commit_hash, local_dir=folder, force_download=True)
    if not _is_whole(folder / name, expected):
        (folder / name).unlink(missing_ok=True)
        raise FetchError(f"{name} of {repo} arrived twice with another content than the hub says; try another mirror")


def _is_whole(file: Path, expected: Any) -> bool:  # noqa: ANN401 - huggingface_hub's HfFileMetadata
    """Of the hub's size, and of its checksum where it tells one: it does of large files."""
    if not file.is_file() or file.stat().st_size != expected.size:
        return False
    if len(expected.etag or "") != SHA256_LENGTH:
        return True
    with file.open("rb") as content:
        return bool(hashlib.file_digest(content, "sha256").hexdigest() == expected.etag)


def main(arguments: Sequence[str]) -> int:
    # Not SIGINT, which whoever runs in the background has ignored, and children inherit that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings()
    wanted = PADDLE_MODEL if settings.layout_model == "auto" else settings.layout_model
    parser = argparse.ArgumentParser(
        prog="python -m gateway.layout.fetch_model", description="Downloads the layout model."
    )
    parser.add_argument("--model", default=wanted, help="default: what LAYOUT_MODEL says")
    parser.add_argument("--to", type=Path, help="folder; default: LAYOUT_MODEL_DIR, else one in LAYOUT_CACHE_DIR")
    chosen = parser.parse_args(arguments)
    if chosen.model == "bundled":
        sys.stdout.write("LAYOUT_MODEL is `bundled`: there is no layout model to download.\n")
        return 0
    folder = chosen.to or settings.layout_model_dir or cache_folder(settings, chosen.model)
    try:
        fetch(chosen.model, folder)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder} is complete.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
