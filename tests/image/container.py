"""Runs an image without a container engine: its root file system in a mount and a PID namespace of its own, as the user
and with the environment that an engine would give it. Needs root.

The file system is the image's own, mounted by buildah; each container gets an overlay of its own over it or, read-only,
nothing but empty folders in it. The network is the machine's.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

WRITABLE = ("/app/output", "/app/temp", "/app/cache")
"""What a read-only container still writes to."""


@dataclass(frozen=True, slots=True)
class Image:
    """`root`: where its file system is mounted."""

    name: str
    root: Path
    user: str
    environment: Mapping[str, str]
    entry_point: Sequence[str]
    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Options:
    """`user`: UID:GID. `environment`: what is added; None takes a name away. `shm`: size of /dev/shm."""

    user: str | None = None
    read_only: bool = False
    arguments: Sequence[str] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    shm: str = "64m"


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """The image that buildah knows by this name, for as long as it is looked at."""
    container = buildah("from", name)
    try:
        config = json.loads(buildah("inspect", "--type", "container", container))["OCIv1"]["config"]
        variables = dict(line.split("=", 1) for line in config.get("Env", []))
        root = Path(buildah("mount", container))
        yield Image(name, root, config["User"], variables, config["Entrypoint"], config["Cmd"])
    finally:
        buildah("rm", container)


def buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def mounts(image: Image, options: Options, work: Path, merged: Path) -> Iterator[str]:
    """Shell commands that put the root file system together in the new mount namespace."""
    inner = shlex.quote(str(merged))
    if options.read_only:
        yield f"mount --bind {shlex.quote(str(image.root))} {inner}"
        yield f"mount -o remount,ro,bind {inner}"
        # An empty folder, as a platform mounts it.
        yield from (f"mount -t tmpfs -o mode=0777 tmpfs {inner}{folder}" for folder in WRITABLE)
    else:
        layers = f"lowerdir={image.root},upperdir={work}/upper,workdir={work}/work"
        yield f"mount -t overlay overlay -o {shlex.quote(layers)} {inner}"
    yield f"mount -t proc proc {inner}/proc"
    yield f"mount -t tmpfs -o mode=755 tmpfs {inner}/dev && mkdir {inner}/dev/shm {inner}/dev/pts"
    for device in ("null", "zero", "full", "random", "urandom", "tty"):
        yield f"touch {inner}/dev/{device} && mount --bind /dev/{device} {inner}/dev/{device}"
    yield f"ln -s /proc/self/fd {inner}/dev/fd && ln -s /proc/self/fd/1 {inner}/dev/stdout"
    yield f"mount -t tmpfs -o mode=1777,size={options.shm} tmpfs {inner}/dev/shm"


def command(image: Image, options: Options) -> list[str]:
    """The image's command or, with its entry point, `options.arguments`."""
    user, _, group = (options.user or image.user).partition(":")
    variables = {**image.environment, **options.environment}
    return [
        *("setpriv", f"--reuid={user}", f"--regid={group or 0}", "--clear-groups", "--no-new-privs"),
        *("env", "-i", "--chdir=/app"),
        *(f"{name}={value}" for name, value in variables.items() if value is not None),
        *image.entry_point,
        *(image.command if options.arguments is None else options.arguments),
    ]


def script(image: Image, options: Options, work: Path) -> str:
    """What becomes the container, in the new namespaces."""
    root = work / "root"
    become = f"exec chroot {shlex.quote(str(root))} {shlex.join(command(image, options))}"
    return "\n".join(["set -e", *mounts(image, options, work, root), become])


@dataclass(slots=True)
class Container:
    """`process`: the `unshare` that its first process is the only child of."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def first(self) -> psutil.Process:
        return psutil.Process(self.process.pid).children()[0]

    def stop(self) -> None:
        """What an engine does first. The signal goes to the container's process 1."""
        self.first.send_signal(signal.SIGTERM)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_ready(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            assert self.process.poll() is None, f"it ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)


@contextmanager
def running(image: Image, folder: Path, port: int, options: Options, output: int | None = None) -> Iterator[Container]:
    """The image at work; `output` gets what it says, else the file `folder/log`."""
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # The overlay's upper folder is the root folder of the container.
    (folder / "upper").chmod(0o755)
    log = folder / "log"
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c"]
    with log.open("wb") as own:
        process = subprocess.Popen(
            [*unshare, script(image, options, folder)],
            stdin=subprocess.DEVNULL,
            stdout=own if output is None else output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
    try:
        yield Container(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def run(image: Image, folder: Path, options: Options) -> subprocess.CompletedProcess[str]:
    """The image with a command that ends by itself."""
    with running(image, folder, 0, options) as container:
        container.process.wait(120)
    return subprocess.CompletedProcess([], container.process.returncode, container.log.read_text())
