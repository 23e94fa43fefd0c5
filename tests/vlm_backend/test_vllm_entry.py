"""What vLLM's processes find of ours, whatever folder they are started in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.vllm import ROOT
from vlm_backend.settings import Settings
from vlm_backend.vllm import ENTRY, write_log_config

PROGRAM = """
import json, logging, logging.config, multiprocessing, runpy, sys
runpy.run_path(sys.argv[1], run_name="entry")

def write_line(name):
    logging.config.dictConfig(json.load(open(sys.argv[2])))
    logging.getLogger("vllm").warning(name, extra={"fields": {"path": sys.path}})

if __name__ == "__main__":
    write_line("parent")
    child = multiprocessing.get_context("spawn").Process(target=write_line, args=("child",))
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


def test_spawned_processes_log_like_the_tier(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    configuration = write_log_config(tmp_path / "logs.json", Settings())
    named = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(program), str(ENTRY), str(configuration)],
        cwd=tmp_path,
        env=named,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["logger"], line["event"]) for line in lines] == [("vlm", "parent"), ("vlm", "child")]
    # The folder above may hold all packages of another environment.
    assert not any(str(ROOT) in line["path"] for line in lines)
