"""PP-DocLayout's files from the Hugging Face hub, into the folder that the gateway loads them from.

    python -m gateway.layout.fetch_model [--model NAME] [--to FOLDER]

A process of its own: what hangs in it can be ended (`common/download.py` carries the bytes).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path

from common.download import DownloadError, download_missing, find_files
from gateway.settings import Settings

FILES = ("inference.yml", "inference.onnx")
"""In this order, so that where the second is, the first is."""
PADDLE_MODEL = "PP-DocLayoutV3"
"""The layout model of PaddleOCR-VL 1.5 and 1.6."""


def repository(model: str) -> str:
    """Where PaddleX's ONNX Runtime engine gets the model from."""
    return f"PaddlePaddle/{model}_onnx"


def cache_folder(settings: Settings, model: str) -> Path:
    return (settings.layout_cache_dir or settings.temp_dir / "layout") / model


async def fetch_in_subprocess(model: str, folder: Path) -> None:
    """Gets the files in a process of its own, which ends with this call. DownloadError."""
    command = (sys.executable, "-m", "gateway.layout.fetch_model", "--model", model, "--to", str(folder))
    quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=quiet)
    except OSError as error:
        raise DownloadError(f"the download can't be started: {error}") from error
    try:
        _, said = await process.communicate()
    finally:
        # What has arrived stays, and the next process goes on from there.
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise DownloadError(lines[-1] if lines else f"the download ended with code {process.returncode}")


def fetch(model: str, folder: Path) -> None:
    """Makes the folder hold the hub's files; what is there and whole is left alone. DownloadError."""
    from huggingface_hub import constants

    try:
        download_missing(find_files(repository(model), FILES), folder)
    except Exception as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")
        raise DownloadError(
            f"{repository(model)} of {constants.ENDPOINT} can't be had: {reason}. HF_ENDPOINT names a mirror of the "
            f"hub; without network, copy {' and '.join(FILES)} of it to a folder and name that in LAYOUT_MODEL_DIR"
        ) from error


def main(arguments: Sequence[str]) -> int:
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
    except DownloadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{folder} is complete.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
