from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Build, Installation
from vlm_backend.settings import Settings
from vlm_backend.vllm import command, environment


def settings(folder: Path, **names: object) -> Settings:
    return Settings.model_validate({"temp_dir": folder, "vlm_model_dir": folder / "models", **names})


def card(capability: tuple[int, int] = (9, 0), total_mib: int = 81_559) -> Driver:
    return Driver((13, 0), (Gpu("a card", total_mib, total_mib, capability),), None)


def line(folder: Path, *, build: Build = "cuda", driver: Driver | None = None, **names: object) -> list[str]:
    installation = Installation(Path("/venv/bin/python"), "0.32.0", build)
    return command(settings(folder, **names), installation, driver or card())


def value(words: list[str], option: str) -> str:
    assert words.count(option) == 1
    return words[words.index(option) + 1]


def test_vllm_can_be_reached_from_this_machine_only_and_reaches_nothing_itself(tmp_path: Path) -> None:
    words = line(tmp_path, vlm_port=8200)
    assert (value(words, "--host"), value(words, "--port")) == ("127.0.0.1", "8200")
    assert value(words, "--allowed-media-domains").endswith(".invalid")
    assert not any(word.startswith("--allowed-local-media-path") for word in words)


def test_one_picture_of_bounded_size_a_prompt(tmp_path: Path) -> None:
    words = line(tmp_path, vlm_max_pixels=500_000)
    assert json.loads(value(words, "--limit-mm-per-prompt"))["image"] == 1
    assert json.loads(value(words, "--mm-processor-kwargs"))["size"]["longest_edge"] == 500_000


def test_caches_that_never_hit_are_off(tmp_path: Path) -> None:
    words = line(tmp_path)
    assert "--no-enable-prefix-caching" in words
    assert value(words, "--mm-processor-cache-gb") == "0"


def test_requests_are_bounded_and_a_stop_does_not_hang(tmp_path: Path) -> None:
    words = line(tmp_path, vlm_queued_requests=33)
    assert value(words, "--max-num-queued-reqs") == "33"
    assert value(words, "--scheduling-policy") == "fcfs"
    assert value(line(tmp_path, vlm_scheduling_policy="priority"), "--scheduling-policy") == "priority"
    assert int(value(words, "--shutdown-timeout")) > 0


def test_code_from_a_hub_runs_only_where_asked_for(tmp_path: Path) -> None:
    assert "--trust-remote-code" not in line(tmp_path)
    assert "--trust-remote-code" in line(tmp_path, vlm_trust_remote_code=True)


@pytest.mark.parametrize(
    ("build", "driver", "dtype"),
    [
        ("cuda", card((9, 0)), "bfloat16"),
        ("cuda", card((7, 5)), "float16"),
        ("cpu", Driver(None, (), "none"), "float32"),
    ],
)
def test_numbers_that_the_device_can_compute_with(tmp_path: Path, build: Build, driver: Driver, dtype: str) -> None:
    assert value(line(tmp_path, build=build, driver=driver), "--dtype") == dtype


@pytest.mark.parametrize(("cores", "servers"), [(1, "1"), (8, "2"), (64, "4")])
def test_a_card_is_fed_by_as_many_processes_as_there_are_cores_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, servers: str
) -> None:
    monkeypatch.setattr("vlm_backend.vllm.available_cores", lambda: cores)
    assert value(line(tmp_path), "--api-server-count") == servers
    assert value(line(tmp_path, vlm_api_servers=7), "--api-server-count") == "7"
    assert value(line(tmp_path, vlm_data_parallel=6), "--api-server-count") == "6"
    assert value(line(tmp_path, build="cpu", driver=Driver(None, (), "none")), "--api-server-count") == "1"


def test_several_servers_that_would_finish_nothing_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    assert value(line(tmp_path, vlm_api_servers=1, vlm_shutdown_timeout_s=3), "--shutdown-timeout") == "3"
    assert value(line(tmp_path, vlm_api_servers=2, vlm_shutdown_timeout_s=3), "--shutdown-timeout") == "1"


def test_a_cpu_is_not_asked_for_gpu_memory(tmp_path: Path) -> None:
    words = line(tmp_path, build="cpu", driver=Driver(None, (), "none"))
    assert "--gpu-memory-utilization" not in words


def test_arguments_of_the_users_come_last_and_are_read_like_a_shells(tmp_path: Path) -> None:
    words = line(tmp_path, vlm_extra_arguments="--max-model-len 999 --override-generation-config '{\"top_k\": 1}'")
    assert words[-4:] == ["--max-model-len", "999", "--override-generation-config", '{"top_k": 1}']


def test_copies_of_the_model_only_where_asked_for(tmp_path: Path) -> None:
    assert "--data-parallel-size" not in line(tmp_path)
    assert value(line(tmp_path, vlm_data_parallel=4), "--data-parallel-size") == "4"


def test_what_others_do_on_cards_that_get_no_copy_does_not_matter(tmp_path: Path) -> None:
    free, full = Gpu("free", 80_000, 78_000, (9, 0)), Gpu("full", 80_000, 10_000, (9, 0))
    driver = Driver((13, 0), (free, full), None)
    assert float(value(line(tmp_path, driver=driver), "--gpu-memory-utilization")) > 0.8
    assert float(value(line(tmp_path, driver=driver, vlm_data_parallel=2), "--gpu-memory-utilization")) < 0.2


def test_what_would_open_or_break_vllm_is_not_passed_on(tmp_path: Path) -> None:
    inherited = {
        "VLLM_SERVER_DEV_MODE": "1",
        "PYTHONPATH": "/other/site-packages",
        "VLLM_PORT": "tcp://10.0.0.7:8000",
        "PATH": "/bin",
        "HOME": str(tmp_path),
    }
    named = environment(settings(tmp_path), inherited, "cuda")
    assert named["PATH"] == "/bin"
    assert not {"VLLM_SERVER_DEV_MODE", "PYTHONPATH", "VLLM_PORT"} & set(named)
    assert (named["VLLM_NO_USAGE_STATS"], named["VLLM_MEDIA_URL_ALLOW_REDIRECTS"]) == ("1", "0")


def test_a_user_without_name_or_home_gets_both(tmp_path: Path) -> None:
    named = environment(settings(tmp_path), {"HOME": "/proc/nowhere"}, "cuda")
    assert named["USER"]
    assert named["LOGNAME"]
    assert Path(named["HOME"]).is_relative_to(tmp_path)


def test_a_home_and_choices_of_the_users_are_kept(tmp_path: Path) -> None:
    named = environment(settings(tmp_path), {"HOME": str(tmp_path), "USER": "ada", "OMP_NUM_THREADS": "3"}, "cpu")
    assert (named["HOME"], named["USER"], named["OMP_NUM_THREADS"]) == (str(tmp_path), "ada", "3")


def test_threads_are_counted_for_a_cpu_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a GPU vLLM keeps torch at one thread, unless this variable is there."""
    assert "OMP_NUM_THREADS" not in environment(settings(tmp_path), {"HOME": str(tmp_path)}, "cuda")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {5})
    assert environment(settings(tmp_path), {"HOME": str(tmp_path)}, "cpu")["OMP_NUM_THREADS"] == "1"


def test_a_cpu_without_a_compiler_is_enough(tmp_path: Path) -> None:
    """vLLM compiles what counts log probabilities at the first request, and ended where no C++ compiler is."""
    assert environment(settings(tmp_path), {"HOME": str(tmp_path)}, "cpu")["TORCH_COMPILE_DISABLE"] == "1"
    assert "TORCH_COMPILE_DISABLE" not in environment(settings(tmp_path), {"HOME": str(tmp_path)}, "cuda")
