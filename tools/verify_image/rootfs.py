"""A root file system in a folder, run without a container engine in namespaces made by unshare. Needs root.

Each container gets an overlay over the folder or, read-only, the folder itself with empty folders where the image
writes. The network is the machine's, or none.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.verify_image.image import Image, Options, parse_image, run

TOOLS = ("unshare", "nsenter", "setpriv", "mount", "ip")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True, slots=True)
class RootfsContainer:
    """`unshare`: the parent of its first process. `user`: UID and GID. `prefix`: `env` with the whole environment."""

    unshare: subprocess.Popen[bytes]
    user: tuple[str, str]
    prefix: Sequence[str]
    log_file: Path
    is_reachable: bool

    @property
    def first(self) -> int | None:
        """The process that is 1 in it; None before it started or after it ended."""
        try:
            children = Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children").read_text(encoding="ascii")
        except OSError:
            return None
        return int(children.split()[0]) if children.split() else None

    def execute(self, arguments: Sequence[str], data: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        if (first := self.first) is None:
            return subprocess.CompletedProcess([], 1, b"", b"the container has ended")
        command = ["nsenter", "--target", str(first), "--mount", "--pid", "--net", "--root", "--wd"]
        command += ["--setuid", self.user[0], "--setgid", self.user[1], *self.prefix, *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=False, timeout=seconds)

    def exit_code(self) -> int | None:
        return self.unshare.poll()

    def terminate(self) -> None:
        if (first := self.first) is not None:
            os.kill(first, signal.SIGTERM)

    def kill(self) -> None:
        """With all that runs in it. The end of `unshare` alone would not reach a container whose user is not root: with
        the change of the user Linux forgets that a signal was asked for."""
        if (first := self.first) is None:
            self.unshare.kill()
        else:
            with suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
        self.unshare.wait()

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Rootfs:
    """`root`: the folder that is `/` in a container."""

    name: str
    image: Image
    root: Path

    def obstacle(self, options: Options) -> str | None:
        if options.gpu:
            return "only docker and podman can pass a GPU on"
        if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
            return f"{', '.join(missing)} missing here"
        return "without a container engine only root can start it" if os.geteuid() != 0 else None

    @contextmanager
    def start(self, options: Options, port: int) -> Iterator[RootfsContainer]:
        with (
            tempfile.TemporaryDirectory(prefix="verify-image-", ignore_cleanup_errors=True) as work,
            self.start_in(Path(work), options) as container,
        ):
            yield container

    @contextmanager
    def start_in(self, work: Path, options: Options, output: int | None = None) -> Iterator[RootfsContainer]:
        """`work`: gets `upper`, the files that the container writes, and `log`, unless `output` gets its output."""
        for folder in ("upper", "work", "root"):
            (work / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        uid, _, gid = (options.user or self.image.user).partition(":")
        variables = {**self.image.environment, **options.environment}.items()
        environment = [f"{name}={value}" for name, value in variables if value is not None]
        prefix = ["env", "-i", f"--chdir={self.image.folder}", *environment]
        arguments = self.image.command if options.arguments is None else options.arguments
        command = [*prefix, *self.image.entry_point, *arguments]
        spaces = ["--mount", "--pid", "--ipc", *(["--net"] if options.offline else [])]
        with (work / "log").open("wb") as log:
            unshare = subprocess.Popen(
                ["unshare", *spaces, "--fork", "--kill-child", "--propagation", "private", "sh", "-c",
                 _script(self, options, work, f"--userspec={uid}:{gid or 0}", command)],
                stdin=subprocess.DEVNULL, stdout=log if output is None else output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        container = RootfsContainer(unshare, (uid, gid or "0"), prefix, work / "log", not options.offline)
        try:
            yield container
        finally:
            container.kill()


def _script(engine: Rootfs, options: Options, work: Path, user: str, command: Sequence[str]) -> str:
    """Mounts the root file system, then becomes the container's first process."""
    inner = shlex.quote(str(work / "root"))
    lines = ["set -e", *_mounts(engine, options, work, inner), *(["ip link set lo up"] if options.offline else [])]
    lines.append(f"exec setpriv --no-new-privs chroot {user} --groups= {inner} {shlex.join(command)}")
    return "\n".join(lines)


def _mounts(engine: Rootfs, options: Options, work: Path, inner: str) -> Iterator[str]:
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
    yield f"mount -t tmpfs -o mode=1777,size={options.shm} tmpfs {inner}/dev/shm"


@contextmanager
def mount_image(name: str) -> Iterator[Rootfs]:
    """The file system of an image in buildah's store, mounted. RuntimeError where buildah does not know it."""
    image = parse_image(name, json.loads(run(["buildah", "inspect", "--type", "image", name])))
    container = run(["buildah", "from", "--pull=never", name]).strip()
    try:
        yield Rootfs("buildah", image, Path(run(["buildah", "mount", container]).strip()))
    finally:
        run(["buildah", "rm", container])


def open_folder(folder: Path) -> Rootfs:
    """A folder with `rootfs/` and `config.json`. RuntimeError names what is missing."""
    description, root = folder / "config.json", folder / "rootfs"
    if not root.is_dir() or not description.is_file():
        raise RuntimeError(f"{folder} lacks rootfs/ or config.json, what `docker inspect` or `buildah inspect` says")
    try:
        image = parse_image(f"dir:{folder}", json.loads(description.read_bytes()))
    except ValueError as error:
        raise RuntimeError(f"{description}: {error}") from error
    return Rootfs("chroot", image, root.resolve())
