"""vLLM's command line and environment, made from our settings. What each choice prevents stands beside it."""

from __future__ import annotations

import json
import math
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.cores import available_cores
from vlm_backend.driver import Driver, Gpu
from vlm_backend.installation import Build, Installation
from vlm_backend.model_config import find_model_config
from vlm_backend.served_model import chat_template, list_served_names, source
from vlm_backend.settings import Settings
from vlm_backend.sizes import GIB, MIN_PIXELS, cache_mib, choose_sizes, memory_share, picture_pixels
from vlm_backend.status import status_file
from vlm_backend.weights import locate

ENTRY = Path(__file__).with_name("vllm_entry.py")
FOREIGN_LOGGERS = ("vllm", "uvicorn", "uvicorn.error")
"""Those of vLLM's processes whose lines are to look like ours."""
NOWHERE = "nowhere.invalid"
"""The one host that pictures may be fetched from: a name that cannot exist (RFC 2606), so vLLM fetches nothing."""
CORES_OF_API_SERVER, MAX_API_SERVERS = 4, 4
MIN_CAPABILITY_OF_BFLOAT16 = (8, 0)
BYTES_OF_FLOAT32 = 4


def command(settings: Settings, installation: Installation, driver: Driver) -> list[str]:
    """The whole command; what `VLM_EXTRA_ARGUMENTS` says comes last and wins."""
    gpu = find_working_gpu(settings, installation, driver)
    arguments = [*_model(settings), *_limits(settings, gpu), *_server(settings, gpu), *_device(settings, gpu)]
    return [str(installation.python), str(ENTRY), *arguments, *shlex.split(settings.vlm_extra_arguments)]


def environment(settings: Settings, inherited: Mapping[str, str], build: Build | None) -> dict[str, str]:
    """The environment vLLM gets: the inherited one, without what would open or break it.

    Each cache lies below HOME unless a variable of its own says otherwise, so a HOME that can be written is enough.
    """
    named = {name: value for name, value in inherited.items() if name not in _UNWANTED}
    named |= _CLOSED | {"VLM_STATUS_FILE": str(status_file(settings).absolute())}
    home = named.get("HOME") or os.path.expanduser("~")
    if not _is_writable(Path(home)):
        named["HOME"] = str(settings.temp_dir.absolute() / "home")
    for name, value in _defaults(settings, build):
        named.setdefault(name, value)
    return named


def sequences(settings: Settings, installation: Installation, driver: Driver) -> int:
    """How many requests vLLM works on at once, over all copies of the model."""
    gpu = find_working_gpu(settings, installation, driver)
    return choose_sizes(settings, gpu).max_sequences * (settings.vlm_data_parallel if gpu else 1)


def find_working_gpu(settings: Settings, installation: Installation, driver: Driver) -> Gpu | None:
    """The card that bounds the sizes: of those that get a copy of the model, which are the driver's first, the one with
    the least free memory; none for a CPU build."""
    if installation.build == "cpu" or not driver.gpus:
        return None
    return min(driver.gpus[: settings.vlm_data_parallel], key=lambda gpu: gpu.free_mib)


_UNWANTED = frozenset(
    {
        "VLLM_PYTHON",  # ours; vLLM warns of it
        "VLLM_SERVER_DEV_MODE",  # opens routes that run code
        "VLLM_DEBUG_LOG_API_SERVER_RESPONSE",  # logs documents
        "PYTHONPATH",  # mixes another environment's packages, its NCCL too, into vLLM's
        "VLLM_PORT",  # a URL where Kubernetes has a service of the name vllm; vLLM does not start with that
        "VLLM_API_KEY",  # vLLM would ask the gateway for it; nobody else can reach it
    }
)
_CLOSED = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "VLLM_MAX_IMAGE_PIXELS": "20000000",
    "VLLM_MAX_N_SEQUENCES": "1",
}


def _defaults(settings: Settings, build: Build | None) -> Iterator[tuple[str, str]]:
    """What is set unless the environment says otherwise."""
    # A user id without a name, as platforms hand them out, makes getpass.getuser() fail, and torch asks it.
    yield "USER", "vlm"
    yield "LOGNAME", "vlm"
    # As vLLM's own command has it: a process forked from one that has asked a card what it is cannot use it.
    yield "VLLM_WORKER_MULTIPROC_METHOD", "spawn"
    if locate(settings):
        yield "HF_HUB_OFFLINE", "1"
    if build != "cpu":
        return  # beside a GPU, threads of OpenMP would only spin: vLLM itself sees to it that there is one
    # Binding threads to cores fails in containers that see only some; the cache's default is half of the memory.
    yield "VLLM_CPU_OMP_THREADS_BIND", "nobind"
    yield "VLLM_CPU_KVCACHE_SPACE", str(_cache_gib(settings))
    # What vLLM compiles without being asked, to count log probabilities, needs a C++ compiler at the first request.
    yield "TORCH_COMPILE_DISABLE", "1"
    yield "OMP_NUM_THREADS", str(available_cores())


def _cache_gib(settings: Settings) -> int:
    """Whole GiB of key-value cache on a CPU, in which one whole context fits: vLLM does not start otherwise."""
    model = find_model_config(settings)
    context = choose_sizes(settings, None, model).max_model_len
    return math.ceil(cache_mib(model, context, BYTES_OF_FLOAT32) / GIB) or 1


def _model(settings: Settings) -> Iterator[str]:
    yield from ("--model", source(settings))
    yield from ("--served-model-name", *list_served_names(settings))
    if template := chat_template(settings):
        yield from ("--chat-template", str(template.absolute()))
    yield from ("--chat-template-content-format", "openai")
    # A model's own sampling defaults would change answers behind the client's back.
    yield from ("--generation-config", "vllm")
    if settings.vlm_trust_remote_code:
        yield "--trust-remote-code"


def _limits(settings: Settings, gpu: Gpu | None) -> Iterator[str]:
    sizes = choose_sizes(settings, gpu, find_model_config(settings))
    yield from ("--max-model-len", str(sizes.max_model_len))
    yield from ("--max-num-batched-tokens", str(sizes.max_batched_tokens))
    yield from ("--max-num-seqs", str(sizes.max_sequences))
    yield from ("--max-num-queued-reqs", str(settings.vlm_queued_requests))
    yield from ("--scheduling-policy", settings.vlm_scheduling_policy)
    # No two crops are alike, and no prompt is longer than a few words: both caches cost memory for nothing.
    yield "--no-enable-prefix-caching"
    yield from ("--mm-processor-cache-gb", "0")
    # Memory is reserved at the start for the most and the largest pictures; the defaults are 999 of 2.8 Mpx.
    yield from ("--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0}))
    yield from ("--mm-processor-kwargs", json.dumps(_pixel_limits(settings, sizes.max_model_len)))


def _pixel_limits(settings: Settings, max_model_len: int) -> dict[str, object]:
    max_pixels = picture_pixels(settings, max_model_len)
    if settings.vlm_trust_remote_code:
        return {"min_pixels": MIN_PIXELS, "max_pixels": max_pixels}
    return {"size": {"shortest_edge": MIN_PIXELS, "longest_edge": max_pixels}}


def _server(settings: Settings, gpu: Gpu | None) -> Iterator[str]:
    yield from ("--host", "127.0.0.1", "--port", str(settings.vlm_port))
    servers = choose_api_servers(settings, gpu)
    yield from ("--api-server-count", str(servers))
    yield from ("--allowed-media-domains", NOWHERE)
    # With the default of 0, requests in flight at SIGTERM hang until their clients give up. Several servers leave the
    # engine at once, so that they would finish nothing however long they wait.
    patience_s = settings.vlm_shutdown_timeout_s if servers == 1 else min(1, settings.vlm_shutdown_timeout_s)
    yield from ("--shutdown-timeout", str(patience_s))
    yield from ("--stream-interval", str(settings.vlm_stream_interval))
    yield from ("--enable-request-id-headers", "--disable-fastapi-docs", "--disable-uvicorn-access-log")
    yield from ("--uvicorn-log-level", "warning")
    yield from _log_arguments(settings)


def choose_api_servers(settings: Settings, gpu: Gpu | None) -> int:
    """As the settings say, or as many as this machine can use: a region takes 20 ms of one such process (2 cores of a
    Xeon, vLLM 0.32), and one alone would not let the card read more than some four pages a second."""
    if settings.vlm_api_servers or gpu is None:
        return settings.vlm_api_servers or 1
    return max(settings.vlm_data_parallel, min(available_cores() // CORES_OF_API_SERVER, MAX_API_SERVERS))


def _log_arguments(settings: Settings) -> Iterator[str]:
    if logs := write_log_config(settings.temp_dir / f"vllm-logs-{settings.vlm_port}.json", settings):
        yield from ("--logging-config.pylogging_config_file", str(logs.absolute()))


def write_log_config(target: Path, settings: Settings) -> Path | None:
    """Puts a file of `logging.config.dictConfig` there that makes another program's lines look like ours; None where
    nothing can be written: its lines keep their own look."""
    logger = {"handlers": ["stdout", "stderr"], "level": settings.log_level, "propagate": False}
    handler = {"class": "logging.StreamHandler", "formatter": "line"}
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "common.logs.LineFormatter", "log_format": settings.log_format, "logger": "vlm"}},
        "filters": {"below_error": {"()": "common.logs.BelowError"}},
        "handlers": {
            "stdout": {**handler, "stream": "ext://sys.stdout", "filters": ["below_error"]},
            "stderr": {**handler, "stream": "ext://sys.stderr", "level": "ERROR"},
        },
        "loggers": dict.fromkeys(FOREIGN_LOGGERS, logger),
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(configuration), encoding="utf-8")
    except OSError:
        return None
    return target


def _device(settings: Settings, gpu: Gpu | None) -> Iterator[str]:
    yield from ("--dtype", _dtype(settings, gpu))
    if gpu is None:
        yield "--enforce-eager"
        return
    yield from ("--gpu-memory-utilization", str(memory_share(settings, gpu)))
    if settings.vlm_data_parallel > 1:
        yield from ("--data-parallel-size", str(settings.vlm_data_parallel))


def _dtype(settings: Settings, gpu: Gpu | None) -> str:
    if settings.vlm_dtype != "auto":
        return settings.vlm_dtype
    if gpu is None:
        return "float32"
    return "bfloat16" if gpu.capability >= MIN_CAPABILITY_OF_BFLOAT16 else "float16"


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
