"""`python -m vlm_backend fetch-models` with the real client of huggingface_hub against a hub of the test's own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.download import LOCK
from tests.support.fake_hub import Hub, serve
from tests.support.waiting import WAIT_S, wait_until
from tests.vlm_backend.test_weights import safetensors

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 2**20
"""The client writes in pieces of 10 of them, and what it has of one is lost when it is interrupted."""


@pytest.fixture(scope="module")
def weights() -> bytes:
    return safetensors(random.Random(0).randbytes(26 * MEGABYTE))


@pytest.fixture
def hub(weights: bytes) -> Iterator[Hub]:
    files = {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "preprocessor_config.json": b"{}",
        "chat_template.jinja": b"{{ messages }}",
        "model.safetensors": weights,
        "README.md": b"# Model",
        "pytorch_model.bin": weights,
        "imgs/page.png": b"png",
        "PP-DocLayoutV2/config.json": b"{}",
        "modeling_paddleocr_vl.py": b"import torch",
    }
    with serve(Hub(files)) as served:
        yield served


def environment(hub: Hub, tmp_path: Path, **names: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VLM_", "HF_"))}
    return own | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "VLM_MODEL_DIR": str(tmp_path)} | names


def start(python: Path, hub: Hub, tmp_path: Path, *arguments: str, **names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-m", "vlm_backend", "fetch-models", *arguments],
        cwd=ROOT,
        env=environment(hub, tmp_path, **names),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts() -> None:
    """As at a terminal: whoever runs the tests in the background has SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def fetch(hub: Hub, tmp_path: Path, *arguments: str, **names: str) -> tuple[int, str, str]:
    process = start(Path(sys.executable), hub, tmp_path, *arguments, **names)
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out, err


def files(folder: Path) -> set[str]:
    """But for the lock, which stays."""
    return {file.name for file in folder.iterdir()} - {LOCK}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "PaddleOCR-VL-1.6"


NEEDED = {"config.json", "tokenizer.json", "preprocessor_config.json", "chat_template.jinja", "model.safetensors"}


def test_needed_files_only(hub: Hub, tmp_path: Path, model: Path) -> None:
    code, out, err = fetch(hub, tmp_path)
    assert (code, err) == (0, "")
    assert files(model) == NEEDED
    assert {name: (model / name).read_bytes() for name in NEEDED} == {name: hub.files[name] for name in NEEDED}
    assert out.splitlines()[0] == f"Downloading PaddlePaddle/PaddleOCR-VL-1.6, 27.3 MB, to {model}"
    assert out.splitlines()[-2:] == ["100 % of 27.3 MB", f"{model} is complete."]


def test_second_run_downloads_nothing(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path)[0] == 0
    hub.requests.clear()
    code, out, _ = fetch(hub, tmp_path)
    assert code == 0
    assert hub.downloads() == {}
    assert "Downloading" not in out


def test_trusted_code_is_downloaded(hub: Hub, tmp_path: Path, model: Path) -> None:
    assert fetch(hub, tmp_path, VLM_TRUST_REMOTE_CODE="true")[0] == 0
    assert files(model) == NEEDED | {"modeling_paddleocr_vl.py"}


def test_model_and_folder_options(hub: Hub, tmp_path: Path) -> None:
    hub.name = "somebody/tuned"
    code, _, _ = fetch(hub, tmp_path, "--model", "somebody/tuned", "--to", str(tmp_path / "there"))
    assert code == 0
    assert files(tmp_path / "there" / "tuned") == NEEDED


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_interrupted_download_resumes(hub: Hub, tmp_path: Path, model: Path, ending: signal.Signals, code: int) -> None:
    hub.stalls = 23 * MEGABYTE
    process = start(Path(sys.executable), hub, tmp_path)
    assert hub.stalled.wait(WAIT_S)
    wait_for_part(model, 20 * MEGABYTE)
    process.send_signal(ending)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "model.safetensors" not in files(model)
    hub.stalls = None
    assert fetch(hub, tmp_path)[0] == 0
    assert hub.downloads()["model.safetensors"] == [0, 20 * MEGABYTE]
    assert hub.downloads()["config.json"] == [0]
    assert (model / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert files(model) == NEEDED


def wait_for_part(folder: Path, size: int) -> None:
    def written() -> int:
        return sum(part.stat().st_size for part in folder.glob(".model.safetensors.*"))

    wait_until(lambda: written() >= size, f"{size} written bytes")


def test_broken_connection_resumes(hub: Hub, tmp_path: Path, model: Path) -> None:
    hub.breaks = [11 * MEGABYTE, 12 * MEGABYTE]
    assert fetch(hub, tmp_path)[0] == 0
    assert hub.downloads()["model.safetensors"] == [0, 10 * MEGABYTE, 20 * MEGABYTE]
    assert (model / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_foreign_part_is_discarded(hub: Hub, tmp_path: Path, model: Path) -> None:
    hub.stalls = 23 * MEGABYTE
    process = start(Path(sys.executable), hub, tmp_path)
    wait_for_part(model, 20 * MEGABYTE)
    process.kill()
    process.communicate(timeout=WAIT_S)
    hub.stalls = None
    hub.files["model.safetensors"] = safetensors(bytes(26 * MEGABYTE))
    assert fetch(hub, tmp_path)[0] == 0
    assert hub.downloads()["model.safetensors"] == [0, 0]
    assert files(model) == NEEDED


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_damaged_file_fetched_again(hub: Hub, tmp_path: Path, model: Path, name: str) -> None:
    assert fetch(hub, tmp_path)[0] == 0
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(content)
    hub.requests.clear()
    assert fetch(hub, tmp_path)[0] == 0
    assert hub.downloads() == {name: [0]}
    assert (model / name).read_bytes() == hub.files[name]


def test_damaged_arrival_is_refused(hub: Hub, tmp_path: Path, model: Path) -> None:
    hub.damaged = {"model.safetensors"}
    code, _, err = fetch(hub, tmp_path)
    assert code == 1
    assert "model.safetensors arrived twice with another content than the hub's checksum says" in err
    assert files(model) <= NEEDED - {"model.safetensors"}


def test_unloadable_model_is_incomplete(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    code, out, err = fetch(hub, tmp_path)
    assert code == 1
    assert "holds no weights" in err
    assert "complete" not in out


def test_token_stays_with_hub(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_secret"
    assert fetch(hub, tmp_path, HF_TOKEN="hf_secret")[0] == 0
    tokens = {(request.host, request.token) for request in hub.requests}
    assert tokens == {("127.0.0.1", "Bearer hf_secret"), ("localhost", None)}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ((404, "RepoNotFound"), "has no model PaddlePaddle/PaddleOCR-VL-1.6, or has it for other accounts only"),
        ((403, "GatedRepo"), "only given to accounts that accepted its conditions"),
        ((401, "GatedRepo"), "set HF_TOKEN to a token of that account"),
        ((403, ""), "does not accept HF_TOKEN (HTTP 403)"),
        ((503, ""), "answers with HTTP 503; try again later"),
    ],
)
def test_refusal_is_one_sentence(hub: Hub, tmp_path: Path, model: Path, error: tuple[int, str], sentence: str) -> None:
    hub.error = error
    code, out, err = fetch(hub, tmp_path)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert sentence in err
    assert not model.exists()


def test_no_network_names_ways_out(hub: Hub, tmp_path: Path, model: Path) -> None:
    code, out, err = fetch(hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "127.0.0.1:9 cannot be reached: " in err
    assert str(model) in err
    assert "HF_ENDPOINT" in err
    assert not model.exists()


def test_foreign_page_is_no_hub(hub: Hub, tmp_path: Path) -> None:
    hub.error = (200, "")
    code, _, err = fetch(hub, tmp_path)
    assert code == 1
    assert err == f"{hub.url} does not answer as a Hugging Face hub does; HF_ENDPOINT names another one.\n"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"VLM_MODEL": "a/b/c"}, "a/b/c is not a name of the form organisation/model"),
        ({"VLM_MODEL": str(ROOT)}, f"{ROOT} is a folder on this machine; there is nothing to download"),
        ({"VLM_MODEL_DIR": "/proc/models"}, "/proc/models/PaddleOCR-VL-1.6 cannot be written"),
    ],
)
def test_forbidding_settings_are_named(hub: Hub, tmp_path: Path, names: dict[str, str], sentence: str) -> None:
    code, _, err = fetch(hub, tmp_path, **names)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert sentence in err


def test_full_disk_found_first(hub: Hub, tmp_path: Path, model: Path) -> None:
    """The hub claims an exabyte."""
    huge = safetensors()
    hub.files["model.safetensors"] = huge
    hub.sizes["model.safetensors"] = 10**18
    code, _, err = fetch(hub, tmp_path)
    assert code == 1
    assert f"{model} needs 1000000000.07 GB of free disk" in err
    assert hub.downloads() == {}


def test_concurrent_downloads_share_lock(hub: Hub, tmp_path: Path, model: Path) -> None:
    processes = [start(Path(sys.executable), hub, tmp_path) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, err) == (0, "")
    assert hub.downloads()["model.safetensors"] == [0]
    assert files(model) == NEEDED
