"""Nothing is told to the makers of libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.supervision.support import ROOT

_LOAD = """
from common.inference.sessions import RUNTIMES, RuntimeUnavailable, open_session
from common.inference.models import find_model
for runtime in RUNTIMES:
    try:
        open_session(find_model("rapidocr", "PP-OCRv6_rec_small.onnx"), runtime, 1)
    except RuntimeUnavailable:
        pass
"""


def test_runtimes_keep_nothing_to_be_sent(tmp_path: Path) -> None:
    """Their telemetry makes a number for the machine and a store of events there, before it sends any."""
    folders = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    names = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", _LOAD], cwd=ROOT, env=names | folders, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
