"""The OmniDocBench sample pages: not part of the project, read from `SAMPLES_DIR` or `../shared/samples`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def omnidocbench() -> tuple[list[Path], list[dict[str, Any]]]:
    """Page images in the order of the truth, and the truth of each. Exits with a sentence if they are not there."""
    folder = Path(os.environ.get("SAMPLES_DIR", ROOT.parent / "shared" / "samples")) / "omnidocbench"
    truth_file = folder / "ground_truth.json"
    if not truth_file.is_file():
        sys.exit(f"{truth_file} is not there; set SAMPLES_DIR to the folder that holds omnidocbench/")
    truth: list[dict[str, Any]] = json.loads(truth_file.read_text())
    return [folder / "images" / Path(page["page_info"]["image_path"]).name for page in truth], truth
