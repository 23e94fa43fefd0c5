"""Sample pages of OmniDocBench and olmOCR-bench: no part of the project, in `SAMPLES_DIR` or `../shared/samples`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def omnidocbench() -> tuple[list[Path], list[dict[str, Any]]]:
    """Page images in the order of the truth, and the truth of each. Exits with a sentence if they are not there."""
    if not has_omnidocbench():
        sys.exit(f"{_truth_file()} is not there; set SAMPLES_DIR to the folder that holds omnidocbench/")
    truth: list[dict[str, Any]] = json.loads(_truth_file().read_text())
    images = _truth_file().parent / "images"
    return [images / Path(page["page_info"]["image_path"]).name for page in truth], truth


def has_omnidocbench() -> bool:
    return _truth_file().is_file()


def samples_folder() -> Path:
    return Path(os.environ.get("SAMPLES_DIR", ROOT.parent / "shared" / "samples"))


def olmocr_bench() -> tuple[list[Path], Path]:
    """Pages of olmOCR-bench, and the file of its checks. Exits with a sentence if they are not there."""
    checks = samples_folder() / "pdf" / "checks.jsonl"
    if not checks.is_file():
        sys.exit(f"{checks} is not there; set SAMPLES_DIR to the folder that holds pdf/")
    return sorted(checks.parent.glob("*.pdf")), checks


def _truth_file() -> Path:
    return samples_folder() / "omnidocbench" / "ground_truth.json"
