"""Engines: what they are told to do, and a folder that really runs without any."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from tests.supervision.support import ROOT, program, wait_until
from tests.tools.verify_image.support import BRIEF, image
from tools.verify_image import rootfs
from tools.verify_image.__main__ import main, open_image, verify_scenario
from tools.verify_image.command_line import CommandLine, run_arguments
from tools.verify_image.image import FOLDERS, Image, Options, parse_image
from tools.verify_image.trial import SCENARIOS, Limits, Scenario, start_trial

CONFIG = {
    "User": "1000:0",
    "Env": ["PORT=9000", "A=b=c"],
    "Entrypoint": ["sh", "x"],
    "Cmd": ["serve"],
    "WorkingDir": "/app",
}
BUNDLE = {
    "process": {
        "user": {"uid": 1000, "gid": 0},
        "env": CONFIG["Env"],
        "args": ["sh", "x", "serve"],
        "cwd": "/app",
    }
}


def can_make_namespaces() -> bool:
    if os.geteuid() != 0 or not all(map(shutil.which, rootfs.TOOLS)):
        return False
    return subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "description", [[{"Config": CONFIG}], {"OCIv1": {"config": CONFIG}, "Config": "{}"}, {"config": CONFIG}, BUNDLE]
)
def test_an_image_is_known_from_what_each_tool_says_of_it(description: object) -> None:
    assert parse_image("name", description) == Image(
        "name", "1000:0", {"PORT": "9000", "A": "b=c"}, ("sh", "x"), ("serve",), "/app"
    )


@pytest.mark.parametrize("description", [[], {}, {"config": None}, "text"])
def test_what_describes_no_image_is_refused(description: object) -> None:
    with pytest.raises(ValueError, match="does not describe an image"):
        parse_image("name", description)


def docker(options: Options, name: str = "docker") -> str:
    engine = CommandLine(name, Image("name", "1000:0", {"CACHE_DIR": "/cache"}, ("sh", "x"), ("serve",)))
    return " ".join(run_arguments(engine, options, 9000))


def test_options_become_those_of_docker_and_podman() -> None:
    assert docker(Options()) == "--shm-size 64m --publish 127.0.0.1:9000:9000"
    assert docker(Options(user="12345:0", offline=True)).endswith("--user 12345:0 --network none")
    assert docker(Options(environment={"A": "b", "HOME": None})).endswith("--env A=b --env HOME=")
    writable = "--tmpfs /app/output:mode=1777 --tmpfs /app/temp:mode=1777 --tmpfs /cache:mode=1777"
    assert docker(Options(read_only=True)) == f"--shm-size 64m --read-only {writable} --publish 127.0.0.1:9000:9000"
    assert "--gpus all" in docker(Options(gpu=True))
    assert "--device nvidia.com/gpu=all" in docker(Options(gpu=True), "podman")


def test_the_first_engine_that_knows_the_image_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docker without a daemon comes first here, and a podman that has the image."""
    program(tmp_path / "docker", "echo 'no daemon' >&2; exit 1")
    program(tmp_path / "podman", f"echo '{json.dumps([{'Config': CONFIG}])}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with open_image("localhost/made-up") as engine:
        assert (engine.name, engine.image.user) == ("podman", "1000:0")


DOCKER = """
cd {folder}
case $1 in
image) cat image.json ;;
run)
    while [ $# -gt 1 ]; do
        [ "$1" != --env ] || echo "export '$2'" >>environment
        shift
    done
    . ./environment
    {{ {serve} & echo $! >process; wait $!; echo $? >code; }} >log 2>&1 </dev/null &
    while [ ! -s process ]; do sleep 0.1; done
    echo made-up-identity ;;
exec) shift 3; . ./environment; exec "$@" ;;
inspect)
    if [ -s code ]; then echo '{{"Running": false, "ExitCode": '"$(cat code)"'}}'
    else echo '{{"Running": true}}'; fi ;;
kill) kill -TERM "$(cat process)" ;;
logs) cat log ;;
rm) kill -9 "$(cat process)" 2>/dev/null; echo "$*" >removed ;;
*) exit 1 ;;
esac
"""
"""What docker does for us, with one process in place of a container."""


def test_docker_starts_asks_stops_and_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = image(tmp_path)
    variables = "".join(f"export '{name}={value}'\n" for name, value in made_up.environment.items())
    (tmp_path / "environment").write_text(variables, encoding="utf-8")
    config = CONFIG | {"Entrypoint": made_up.entry_point, "User": made_up.user}
    (tmp_path / "image.json").write_text(json.dumps([{"Config": config}]), encoding="utf-8")
    serve = shlex.join([*made_up.entry_point, *made_up.command])
    (tmp_path / "tools").mkdir()
    program(tmp_path / "tools" / "docker", DOCKER.format(folder=shlex.quote(str(tmp_path)), serve=serve))
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:{os.environ['PATH']}")
    with open_image("localhost/made-up", "docker") as engine:
        findings = verify_scenario(engine, SCENARIOS["default"], BRIEF)
    problems = {check: found.text for check, found in findings.items() if found.mark in ("warn", "fail")}
    assert problems == {}
    assert (tmp_path / "removed").read_text(encoding="utf-8") == "rm --force --volumes made-up-identity\n"


def test_an_image_that_nobody_knows_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["localhost/made-up"]) == 2
    assert "knows the image localhost/made-up" in capsys.readouterr().err
    assert main([f"dir:{tmp_path}"]) == 2
    assert "lacks rootfs/ or config.json" in capsys.readouterr().err


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """This machine's own root file system as an image, and the stand-in in it."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "rootfs").symlink_to("/")
    made_up = image(tmp_path, HOME=str(tmp_path / "cache"))
    variables = [f"{name}={value}" for name, value in made_up.environment.items()]
    process = {
        "user": {"uid": 0, "gid": 0},
        "env": variables,
        "args": [*made_up.entry_point, *made_up.command],
        "cwd": str(ROOT),
    }
    (tmp_path / "bundle" / "config.json").write_text(json.dumps({"process": process}), encoding="utf-8")
    return tmp_path / "bundle"


@pytest.mark.skipif(not can_make_namespaces(), reason="needs root and namespaces")
def test_a_folder_runs_read_only_and_is_reported_on(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([f"dir:{bundle}", "--only", "read-only", "--out", str(out)]) == 0, capsys.readouterr().out
    report = json.loads((out / "verify.json").read_bytes())
    assert (report["engine"], report["ok"]) == ("chroot", True)
    assert "| read-only |" in (out / "verify.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not can_make_namespaces(), reason="needs root and namespaces")
@pytest.mark.parametrize("user", ["0:0", "12345:0"])
def test_nothing_of_a_container_outlives_it(tmp_path: Path, user: str) -> None:
    """Also where nobody has stopped what runs in it."""
    folders = dict.fromkeys(FOLDERS, "/tmp")
    asleep = Image("asleep", user, {"PATH": "/usr/bin:/bin", **folders}, (), ("sleep", "1000"))
    engine = rootfs.Rootfs("chroot", asleep, Path("/"))
    with engine.start_in(tmp_path, Options(read_only=True)) as container:
        wait_until(lambda: container.first and psutil.Process(container.first).name() == "sleep", "the container")
        first = psutil.Process(container.first)
        assert first.uids().real == int(user.partition(":")[0])
    assert not first.is_running()


@pytest.mark.skipif(not can_make_namespaces(), reason="needs root and namespaces")
def test_without_a_network_it_is_asked_from_inside(bundle: Path) -> None:
    """Read-only too, since the overlay of a folder may not lie in it."""
    scenario = Scenario("offline", Options(offline=True, read_only=True))
    with open_image(f"dir:{bundle}") as engine, start_trial(engine, scenario, Limits()) as trial:
        wait_until(lambda: trial.status("/livez") == 200, "the stand-in")
        devices = trial.container.execute(["cat", "/proc/net/dev"], b"", 10).stdout.decode().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]
        assert trial.client.get("/docs").headers["content-type"] == "text/html"
        assert trial.client.get("/nowhere").status_code == 404
        assert trial.container.exit_code() is None
        trial.container.terminate()
        wait_until(lambda: trial.container.exit_code() == 0, "the end")
        with pytest.raises(httpx.ConnectError, match="has ended"):
            trial.client.get("/livez")
