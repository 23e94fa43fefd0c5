"""docker and podman, whose command lines are alike."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tools.verify_image.image import Image, Options, parse_image, run

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

    def obstacle(self, options: Options) -> str | None:
        return "there is no GPU here" if options.gpu and not shutil.which("nvidia-smi") else None

    @contextmanager
    def start(self, options: Options, port: int) -> Iterator[CommandLineContainer]:
        command = [self.name, "run", "--detach", *run_arguments(self, options, port), self.image.name]
        identity = run([*command, *(options.arguments or ())]).strip()
        try:
            yield CommandLineContainer(self.name, identity, not options.offline)
        finally:
            with contextlib.suppress(RuntimeError):
                run([self.name, "rm", "--force", "--volumes", identity])


def run_arguments(engine: CommandLine, options: Options, port: int) -> Iterator[str]:
    """A variable to remove is set to nothing instead: neither program can remove one of the image's."""
    yield from ("--shm-size", options.shm)
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


def find_image(program: str, name: str) -> CommandLine | None:
    """None where the program does not work here, or does not know the image."""
    try:
        return CommandLine(program, parse_image(name, json.loads(run([program, "image", "inspect", name]))))
    except RuntimeError:
        return None
