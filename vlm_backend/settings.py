"""Every setting of the VLM tier; those that it shares with the gateway are in `common/settings.py`.

A field's environment variable is its name in capitals (`embedded_queue` → `EMBEDDED_QUEUE`); a `.env` file is read too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from common.settings import TierSettings

CONFIGURATION_ERROR = 78
"""`EX_CONFIG` of sysexits.h: starting again with the same settings cannot help."""
TEMPORARY_FAILURE = 75
"""`EX_TEMPFAIL` of sysexits.h: starting again later may help."""


class Settings(TierSettings):
    vllm_python: Path | None = Field(
        None, description="Interpreter of the environment that vLLM is installed in; default: that of `make vllm`"
    )
    vlm_model_dir: Path = Field(
        Path("var/models"),
        description="Folder that `make fetch-models` puts weights into; `VLM_MODEL` is taken from there, offline",
    )
    vlm_served_names: str = Field(
        "", description="Comma-separated names of the model in OpenAI's API; default: its hub name and PaddleX's name"
    )
    vlm_chat_template: str = Field(
        "auto", description="`auto`: the one of the model's version; `v1`, `v1.5` (1.6 has the same), or a file"
    )
    vlm_max_model_len: int = Field(
        0,
        ge=0,
        description="Context, tokens; 0: 16384, less on a card below 6 GiB or where the model has less. More than the "
        "model has is refused. A page's region needs at most 6300",
    )
    vlm_max_batched_tokens: int = Field(
        0,
        ge=0,
        description="Tokens of one vLLM step; 0: by the card's memory, at most 16384. It bounds the pictures at once",
    )
    vlm_max_sequences: int = Field(
        0, ge=0, description="Regions that vLLM reads at once; 0: by the card's memory, at most 256"
    )
    vlm_queued_requests: int = Field(
        1024, ge=1, description="Requests in vLLM, waiting or running; more answer 503. A second fence behind the queue"
    )
    vlm_scheduling_policy: Literal["fcfs", "priority"] = Field(
        "fcfs",
        description="Who is next among the few requests that wait in vLLM. `priority`: batches after interactive ones, "
        "and the first to give up memory when it runs short; a way through vLLM that fewer people go",
    )
    vlm_gpu_memory_share: float = Field(
        0, ge=0, lt=1, description="Share of the GPU's memory that vLLM takes; 0: what is free now, at most 0.9"
    )
    vlm_data_parallel: int = Field(1, ge=1, description="Copies of the model, one a GPU")
    vlm_api_servers: int = Field(
        0,
        ge=0,
        description="Processes that take pictures into vLLM and tokens out of it, 0.7 GB of memory each; 0: beside a "
        "GPU one for each 4 cores, at most 4, but one for each copy of the model; else 1",
    )
    vlm_dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="Numbers the model computes with; `auto`: bfloat16, float16 on older cards, float32 on a CPU",
    )
    vlm_stream_interval: int = Field(
        8, ge=1, description="Tokens in one piece of a streamed answer; 1 is smoother and costs a core at full load"
    )
    vlm_shutdown_timeout_s: int = Field(
        3,
        ge=0,
        description="How long vLLM finishes requests when it is told to stop, which is after the gateway; supervisord "
        "ends it after 5 s. With several API servers it finishes none, and waits for 1 s at most",
    )
    vlm_trust_remote_code: bool = Field(
        False, description="Run code that comes with the weights; PaddleOCR-VL needs none with this vLLM"
    )
    vlm_extra_arguments: str = Field("", description="More arguments for vLLM, as in a shell; they win over all others")

    embedded_language: str = Field(
        "auto",
        description="What the embedded engine reads. `auto`: the bundled model (Latin, Chinese, Japanese), and "
        "Cyrillic where a model for it is on the machine or can be fetched; else `ru`, `uk`, `be`, `kk`, `ko`, `ar`, "
        "`el`, `th`, `hi`, …",
    )
    embedded_model_dir: Path = Field(
        Path("var/models"), description="Folder of the embedded engine's models that are not bundled"
    )
    embedded_download: bool = Field(
        True,
        description="Download models that `EMBEDDED_LANGUAGE` needs and `EMBEDDED_MODEL_DIR` lacks; for `auto`, "
        "Tesseract's data for Cyrillic by apt",
    )
    embedded_threads: int = Field(
        0,
        ge=0,
        description="CPU threads of the embedded engine; 0: one for each core, fewer under a container's CPU limit",
    )
    embedded_queue: int = Field(256, ge=1, description="Requests waiting in the embedded engine; more answer 503")


def load_settings() -> Settings:
    """The settings; where one is not accepted, says which in one sentence each and exits."""
    try:
        return Settings()
    except ValidationError as error:
        for item in error.errors():
            sys.stderr.write(f"{str(item['loc'][0]).upper()}={item['input']} is not accepted: {item['msg']}.\n")
        sys.exit(CONFIGURATION_ERROR)
