"""docker and podman, whose command lines are alike."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tools.verify_image.engines.engine import Options, run
from tools.verify_image.finding import Finding, warn
from tools.verify_image.image import Image, image_from

GPU = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}


@dataclass(frozen=True, slots=True)
class CommandLineContainer:
    program: str
    identity: str
    is_reachable: bool

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        command = [self.program, "exec", "-i", self.identity, *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=False, timeout=seconds)

    def exit_code(self) -> int | None:
        state = json.loads(run([self.program, "inspect", "--format", "{{json .State}}", self.identity]))
        return None if state["Running"] else int(state["ExitCode"])

    def terminate(self) -> None:
        run([self.program, "kill", "--signal", "TERM", self.identity])

    def log(self) -> str:
        command = [self.program, "logs", self.identity]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        return done.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`name`: the program."""

    name: str
    image: Image

    def inability(self, options: Options) -> Finding | None:
        if options.gpu and not shutil.which("nvidia-smi"):
            return warn("untried.no-gpu")
        return None

    @contextmanager
    def start(self, options: Options, port: int) -> Iterator[CommandLineContainer]:
        identity = run([self.name, "run", "--detach", *run_arguments(self, options, port), self.image.name]).strip()
        try:
            yield CommandLineContainer(self.name, identity, not options.offline)
        finally:
            with contextlib.suppress(RuntimeError):
                run([self.name, "rm", "--force", "--volumes", identity])


def run_arguments(engine: CommandLine, options: Options, port: int) -> Iterator[str]:
    """A name that is to be missing is empty instead: neither program can take one of the image's away."""
    if options.user:
        yield from ("--user", options.user)
    if options.read_only:
        yield "--read-only"
        for folder in engine.image.writable:
            yield from ("--tmpfs", f"{folder}:mode=1777")
    yield from ("--network", "none") if options.offline else ("--publish", f"127.0.0.1:{port}:{port}")
    yield from GPU[engine.name] if options.gpu else ()
    for name, value in options.environment.items():
        yield from ("--env", f"{name}={value or ''}")


def find(program: str, name: str) -> CommandLine | None:
    """None where the program does not work here, or does not know the image."""
    try:
        return CommandLine(program, image_from(name, json.loads(run([program, "image", "inspect", name]))))
    except RuntimeError:
        return None
