"""An engine without containers: what it starts is a process of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.supervision.support import ROOT, end, environment
from tests.support.examples import load_truth
from tools.verify_image.checks import ENGLISH, RUSSIAN
from tools.verify_image.image import Image, Options
from tools.verify_image.trial import Limits

BRIEF = Limits(start=5, ready=3, ready_gpu=3, document=60, program=60, grace=1)
"""For a stand-in, which does at once what it does at all."""
STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


@dataclass(frozen=True, slots=True)
class ProcessContainer:
    process: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    output: Path
    is_reachable: bool = True

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            arguments, input=data, capture_output=True, env=self.environment, cwd=ROOT, check=False, timeout=seconds
        )

    def exit_code(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def log(self) -> str:
        return self.output.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ProcessEngine:
    image: Image
    folder: Path
    name: str = "process"

    def obstacle(self, options: Options) -> str | None:
        return None

    @contextmanager
    def start(self, options: Options, port: int) -> Iterator[ProcessContainer]:
        added = {name: value for name, value in options.environment.items() if value is not None}
        names = environment(**{**self.image.environment, **added})
        output = self.folder / "log"
        with output.open("wb") as log:
            command = [*self.image.entry_point, *self.image.command]
            process = subprocess.Popen(command, env=names, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield ProcessContainer(process, names, output)
        finally:
            end(process)


def image(folder: Path, entry_point: Sequence[str] = STAND_IN, **names: str) -> Image:
    """One that runs from this checkout; `folder` gets what it writes."""
    places = {"OUTPUT_DIR": "output", "TEMP_DIR": "temp", "CACHE_DIR": "cache", "DATA_DIR": "data", "HOME": "home"}
    for place in places.values():
        (folder / place).mkdir(exist_ok=True)
    variables = {name: str(folder / place) for name, place in places.items()}
    (folder / "truth").mkdir(exist_ok=True)
    for name in (ENGLISH, RUSSIAN):
        (folder / "truth" / name).write_text(load_truth()[name].pages[0].text(), encoding="utf-8")
    variables["TRUTH"] = str(folder / "truth")
    variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Image(
        "localhost/made-up", f"{os.getuid()}:0", variables | names, tuple(entry_point), ("serve",), folder=str(ROOT)
    )
