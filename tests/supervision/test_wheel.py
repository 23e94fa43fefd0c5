"""The wheel, installed into an environment of its own: one command runs the whole service from any folder."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from gateway import __version__
from tests.supervision.support import ROOT, environment
from tests.support.ports import free_port

PLACES = """
import gateway.assets, paddleocr_vl_client, supervision, vlm_backend.served_model, vlm_backend.settings
print(supervision.__file__)
print(paddleocr_vl_client.__file__)
print(vlm_backend.served_model.chat_template(vlm_backend.settings.Settings()).read_text()[:0])
"""
PAGE = ROOT / "examples" / "article-en.png"
TITLE = "Reading the River"
START_S = 600
"""A start takes seconds; a ceiling for machines that are busy with other things."""

pytestmark = [pytest.mark.service, pytest.mark.timeout(2 * START_S)]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the wheel; its dependencies are those of the environment of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert f"-{__version__}-" in wheel.name
    home = folder / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "-q", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], cwd=folder, check=True, capture_output=True)
    return home / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with files that have names of modules."""
    for name in ("gateway", "vlm_backend", "supervision", "secrets", "supervisor"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the working folder was imported')\n")
    return tmp_path


def run(installation: Path, folder: Path, *words: str, **names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installation / words[0]), *words[1:]],
        cwd=folder,
        env=environment(**names),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def service(installation: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A service that was started in `folder`, its address and its log."""
    port, log = free_port(), folder / "log"
    names = {"PORT": str(port), "VLM_PORT": str(free_port()), "VLM_ENGINE": "embedded"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(installation / "paddleocr-vl"), "serve"],
            cwd=folder,
            env=environment(**names),
            stdout=output,
            stderr=output,
        )
    family = psutil.Process(process.pid)
    try:
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        left = family.children(recursive=True) if process.poll() is None else []
        for member in left:
            member.kill()
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    transport = httpx2.HTTPTransport(retries=0)
    with httpx2.Client(transport=transport) as client:
        while process.poll() is None:
            try:
                if client.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    pytest.fail(f"the service ended:\n{log.read_text()[-3000:]}")


def test_serve_reads_a_page(service: tuple[subprocess.Popen[bytes], str, Path], folder: Path) -> None:
    process, url, log = service
    wait_until_ready(process, url, log)
    with PAGE.open("rb") as page:
        answer = httpx2.post(f"{url}/ocr?format=markdown", files={"file": page}, timeout=START_S)
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith(f"# {TITLE}")
    assert httpx2.get(f"{url}/health", timeout=START_S).json()["version"] == __version__
    assert (folder / "var").is_dir()
    process.send_signal(signal.SIGTERM)
    assert process.wait(START_S) == 0


def test_package_data(installation: Path, folder: Path) -> None:
    done = run(installation, folder, "python", "-P", "-c", PLACES)
    assert done.returncode == 0, done.stderr
    assert all(Path(line).is_relative_to(installation.parent) for line in done.stdout.split())


def test_supervisord_configuration_is_the_one_of_the_checkout(installation: Path) -> None:
    (copy,) = installation.parent.glob("lib/python*/site-packages/supervision/supervisord.conf")
    assert copy.read_bytes() == (ROOT / "supervisord.conf").read_bytes()


def test_other_subcommands(installation: Path, folder: Path) -> None:
    command = "paddleocr-vl"
    assert run(installation, folder, command, "--version").stdout == f"{command} {__version__}\n"
    doctor = run(installation, folder, command, "doctor", "--engine", "embedded", VLM_PORT=str(free_port()))
    assert (doctor.returncode, doctor.stderr) == (0, "")
    engine = run(installation, folder, command, "engine", VLM_ENGINE="external")
    assert (engine.returncode, "elsewhere" in engine.stderr) == (0, True)
    fetch = run(installation, folder, command, "fetch-models", LAYOUT_MODEL="bundled", HF_HUB_OFFLINE="1")
    assert (fetch.returncode, "HF_HUB_OFFLINE" in fetch.stderr) == (1, True)
    assert run(installation, folder, command, "nonsense").returncode == 2
    read = run(installation, folder, command, "read", "none.pdf")
    assert (read.returncode, read.stderr) == (2, f"{command}: none.pdf does not exist.\n")


def test_a_taken_port_is_told_with_the_installed_command(installation: Path, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(
            installation, folder, "paddleocr-vl", "serve", HOST="127.0.0.1", PORT=str(port), VLM_ENGINE="embedded"
        )
    assert done.returncode == 78
    assert "PORT=" in done.stderr
    assert "paddleocr-vl serve" in done.stderr
