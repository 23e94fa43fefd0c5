"""A folder with a root file system, without any container engine: namespaces of its own by unshare. Needs root.

The folder is an OCI bundle: `rootfs/` and `config.json`, which may also be what `docker inspect` or `buildah inspect`
say of the image. Each container gets an overlay over it or, read-only, nothing but empty folders in it. The network is
the machine's, or none.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.verify_image.engines.engine import Options
from tools.verify_image.finding import Finding, warn
from tools.verify_image.image import Image, image_from

TOOLS = ("unshare", "nsenter", "setpriv", "mount", "ip")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SHM = "64m"
"""Size of /dev/shm, Docker's."""


@dataclass(frozen=True, slots=True)
class Process:
    """`identity`: user and group. `environment`: complete."""

    identity: tuple[int, int]
    environment: Mapping[str, str]
    folder: str

    def command(self, arguments: Sequence[str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["env", "-i", f"--chdir={self.folder}", *variables, *arguments]


@dataclass(frozen=True, slots=True)
class RootfsContainer:
    """`unshare`: the parent of its first process."""

    unshare: subprocess.Popen[bytes]
    process: Process
    output: Path
    is_reachable: bool

    @property
    def first(self) -> int | None:
        """The process that is 1 in it; None before it is there or when it is gone."""
        try:
            children = Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children").read_text(encoding="ascii")
        except OSError:
            return None
        return int(children.split()[0]) if children.split() else None

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        first, (user, group) = self.first, self.process.identity
        if first is None:
            return subprocess.CompletedProcess([], 1, b"", b"the container has ended")
        spaces = ["--mount", "--pid", "--net", "--root", "--wd"]
        command = ["nsenter", "--target", str(first), *spaces, "--setuid", str(user), "--setgid", str(group)]
        command += self.process.command(arguments)
        return subprocess.run(command, input=data, capture_output=True, check=False, timeout=seconds)

    def exit_code(self) -> int | None:
        return self.unshare.poll()

    def terminate(self) -> None:
        if (first := self.first) is not None:
            os.kill(first, signal.SIGTERM)

    def log(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Rootfs:
    """`root`: the folder that is `/` in a container."""

    name: str
    image: Image
    root: Path

    def inability(self, options: Options) -> Finding | None:
        if options.gpu and not Path("/dev/nvidia0").exists():
            return warn("untried.no-gpu")
        if options.gpu:
            return warn("untried.gpu-not-passed", engine=self.name)
        if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
            return warn("untried.tools", tools=", ".join(missing))
        return warn("untried.root") if os.geteuid() != 0 else None

    @contextmanager
    def start(self, options: Options, port: int) -> Iterator[RootfsContainer]:
        with tempfile.TemporaryDirectory(prefix="verify-image-", ignore_cleanup_errors=True) as name:
            work = Path(name)
            for folder in ("upper", "work", "root"):
                (work / folder).mkdir(mode=0o755)
            process = process_of(self.image, options)
            with (work / "log").open("wb") as log:
                unshare = subprocess.Popen(
                    command(self, options, process, work), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            try:
                yield RootfsContainer(unshare, process, work / "log", not options.offline)
            finally:
                if unshare.poll() is None:
                    unshare.kill()
                unshare.wait()


def command(engine: Rootfs, options: Options, process: Process, work: Path) -> list[str]:
    """`unshare` and a script that puts the root file system together and becomes the container's first process."""
    user, group = process.identity
    root = shlex.quote(str(work / "root"))
    inner = process.command([*engine.image.entry_point, *engine.image.command])
    script = ["set -e", *mounts(engine, options, work)]
    script += ["ip link set lo up"] if options.offline else []
    script += [f"exec setpriv --no-new-privs chroot --userspec={user}:{group} --groups= {root} {shlex.join(inner)}"]
    spaces = ["--mount", "--pid", "--ipc", *(["--net"] if options.offline else [])]
    unshare = ["unshare", *spaces, "--fork", "--kill-child", "--propagation", "private"]
    return [*unshare, "sh", "-c", "\n".join(script)]


def mounts(engine: Rootfs, options: Options, work: Path) -> Iterator[str]:
    inner = shlex.quote(str(work / "root"))
    if options.read_only:
        yield f"mount --bind {shlex.quote(str(engine.root))} {inner}"
        yield f"mount -o remount,ro,bind {inner}"
        yield from (f"mount -t tmpfs -o mode=1777 tmpfs {inner}{folder}" for folder in engine.image.writable)
    else:
        layers = f"lowerdir={engine.root},upperdir={work}/upper,workdir={work}/work"
        yield f"mount -t overlay overlay -o {shlex.quote(layers)} {inner}"
    yield f"mount -t proc proc {inner}/proc"
    yield f"mount -t tmpfs -o mode=755 tmpfs {inner}/dev && mkdir {inner}/dev/shm {inner}/dev/pts"
    for device in DEVICES:
        yield f"touch {inner}/dev/{device} && mount --bind /dev/{device} {inner}/dev/{device}"
    yield f"ln -s /proc/self/fd {inner}/dev/fd && ln -s /proc/self/fd/1 {inner}/dev/stdout"
    yield f"mount -t tmpfs -o mode=1777,size={SHM} tmpfs {inner}/dev/shm"


def process_of(image: Image, options: Options) -> Process:
    user, _, group = (options.user or image.user).partition(":")
    variables = {**image.environment, **options.environment}
    environment = {name: value for name, value in variables.items() if value is not None}
    return Process((int(user), int(group or 0)), environment, image.folder)


def find(folder: Path) -> Rootfs:
    """RuntimeError says what is missing."""
    description, root = folder / "config.json", folder / "rootfs"
    if not root.is_dir() or not description.is_file():
        raise RuntimeError(
            f"{folder} lacks rootfs/ or config.json, what `docker inspect` or `buildah inspect` say of it"
        )
    try:
        image = image_from(f"dir:{folder}", json.loads(description.read_bytes()))
    except ValueError as error:
        raise RuntimeError(f"{description}: {error}") from error
    return Rootfs("chroot", image, root.resolve())
