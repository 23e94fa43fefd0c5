"""`make tune` with the real vLLM and the tiny model: a few trials, and settings that can be used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values

from tests.support.vllm import ROOT, vllm_python
from tests.vllm.lessons import EXAMPLE


def test_the_settings_of_the_best_trial_are_written(checkpoint: Path, tmp_path: Path) -> None:
    """Of two trials on one engine, whose start takes longer than all else."""
    out = tmp_path / "tuned.env"
    command = [
        sys.executable, "-m", "tools.tune", str(EXAMPLE), "--out", str(out), "--trials", "2", "--rounds", "2",
        "--only", "MAX_CONCURRENT_REGIONS",
    ]  # fmt: skip
    environment = {
        "VLLM_PYTHON": str(vllm_python()),
        "VLM_MODEL": str(checkpoint),
        "VLM_MAX_SEQUENCES": "4",
        "LAYOUT_MODEL": "bundled",
        "PRICE_PER_GPU_HOUR": "3.6",
        "RENDER_WORKERS": "1",
        "INFERENCE_RUNTIME": "onnxruntime",
        "FONT_DOWNLOAD": "false",
    }
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    rates = [float(rate) for rate in re.findall(r"^    ([0-9.]+) pages/s, .* per 1,000 pages$", done.stdout, re.M)]
    assert len(rates) == 2, done.stdout
    assert "MAX_CONCURRENT_REGIONS=0\n" in done.stdout
    # What is best as it is set already is not written.
    best = f"MAX_CONCURRENT_REGIONS={dotenv_values(out).get('MAX_CONCURRENT_REGIONS', '0')}"
    line = done.stdout.index(f"{best}\n")
    rate = re.match(r"\s*([0-9.]+) pages/s", done.stdout[line + len(best) :])
    assert rate is not None
    assert f"# {float(rate[1]):.3f} pages/s" in out.read_text()
