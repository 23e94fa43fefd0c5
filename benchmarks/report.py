"""A result as a Markdown table under the circumstances it was measured in."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("rapidocr", "rapid-layout", "onnxruntime", "openvino", "tesserocr", "fastapi", "openai", "aiohttp")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(is_met: bool) -> str:
    return "met" if is_met else "**not met**"


def command() -> str:
    """The command line that this runs by; of absolute paths the last part."""
    module = ".".join(Path(sys.argv[0]).resolve().relative_to(ROOT).with_suffix("").parts)
    return " ".join(
        ["python -m", module, *(Path(word).name if word.startswith("/") else word for word in sys.argv[1:])]
    )


def write_report(name: str, title: str, *sections: str) -> None:
    """Writes `results/<name>.md` and prints it."""
    text = "\n\n".join([f"# {title}", circumstances(), *sections]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def circumstances() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{_processor()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()}"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return table(
        ["circumstance", "value"],
        [
            ["date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"],
            ["commit", _commit()],
            ["machine", machine],
            ["versions", f"Python {platform.python_version()}, {versions}"],
        ],
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return git("rev-parse", "--short", "HEAD") + (" with uncommitted changes" if changed else "")
