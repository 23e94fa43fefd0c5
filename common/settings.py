"""The settings that both tiers read, and how every table of settings reads the environment.

A field's environment variable is its name in capitals (`temp_dir` → `TEMP_DIR`); a `.env` file is read too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

InferenceRuntime = Literal["auto", "onnxruntime", "openvino", "openvino-bf16"]


class EnvironmentSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)


class TierSettings(EnvironmentSettings):
    temp_dir: Path = Field(Path("var/temp"), description="Folder for temporary files; `/app/temp` in the image")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="`json`: one object a line; `console`: for eyes")

    inference_runtime: InferenceRuntime = Field(
        "auto",
        description="What runs the ONNX models of this machine's CPU (text lines, PP-OCR, the bundled layout model). "
        "`auto`: the fastest, measured at the first start in a second a model and remembered in `TEMP_DIR`; "
        "`openvino-bf16` computes with 16 bits on CPUs that do so in hardware. Where the one that is named can't be "
        "had, ONNX Runtime serves, and `/health` says why",
    )

    vlm_engine: Literal["auto", "vllm", "embedded", "external"] = Field(
        "auto",
        description="Engine of the VLM tier. `auto`: vLLM where it is installed and a GPU is usable, else the embedded "
        "engine; `external`: any OpenAI-compatible server at `VLM_BASE_URL`",
    )
    vlm_model: str = Field(
        "PaddlePaddle/PaddleOCR-VL-1.6", description="Hub name or local folder of the model that vLLM serves"
    )
    vlm_port: int = Field(8118, ge=1, le=65535, description="Loopback port of the VLM tier in this container")
    vlm_max_pixels: int = Field(
        28 * 28 * 2048,
        ge=28 * 28 * 144,
        description="Most pixels of a picture that vLLM reads; larger ones are scaled. vLLM reserves GPU memory for it",
    )
