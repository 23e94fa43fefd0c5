"""Every setting of the VLM tier. Names it shares with the gateway have the same defaults there.

A field's environment variable is its name in capitals (`embedded_queue` → `EMBEDDED_QUEUE`); a `.env` file is read too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

CONFIGURATION_ERROR = 78
"""`EX_CONFIG` of sysexits.h: starting again with the same settings cannot help."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="`json`: one object a line; `console`: for eyes")

    vlm_engine: Literal["auto", "vllm", "embedded", "external"] = Field(
        "auto",
        description="Engine of the VLM tier; `external` is any OpenAI-compatible server at `VLM_BASE_URL`; `vllm` "
        "cannot be hosted by this version yet",
    )
    vlm_model: str = Field(
        "PaddlePaddle/PaddleOCR-VL-1.6", description="Hub name or local folder of the model that vLLM serves"
    )
    vlm_port: int = Field(8118, ge=1, le=65535, description="Loopback port of the VLM tier in this container")

    embedded_language: str = Field(
        "auto",
        description="What the embedded engine reads. `auto`: the bundled model (Latin, Chinese, Japanese), and "
        "Cyrillic where a model for it is on the machine; else `ru`, `uk`, `be`, `kk`, `ko`, `ar`, `el`, `th`, `hi`, …",
    )
    embedded_model_dir: Path = Field(
        Path("var/models"), description="Folder of the embedded engine's models that are not bundled"
    )
    embedded_download: bool = Field(
        True, description="Download models that `EMBEDDED_LANGUAGE` needs and `EMBEDDED_MODEL_DIR` lacks"
    )
    embedded_threads: int = Field(0, ge=0, description="CPU threads of the embedded engine; 0: one for each core")
    embedded_queue: int = Field(256, ge=1, description="Requests waiting in the embedded engine; more answer 503")


def checked_settings() -> Settings:
    """The settings; where one is not accepted, says which in one sentence each and exits."""
    try:
        return Settings()
    except ValidationError as error:
        for item in error.errors():
            sys.stderr.write(f"{str(item['loc'][0]).upper()}={item['input']} is not accepted: {item['msg']}.\n")
        sys.exit(CONFIGURATION_ERROR)
