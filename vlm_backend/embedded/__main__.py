"""`python -m vlm_backend.embedded`: serves the engine on the loopback address until SIGTERM."""

from __future__ import annotations

import os

# Crops are shared among the cores by the engine; OpenMP inside Tesseract would only fight it.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")

import uvicorn

from common.inference.models import configure_inference
from common.logs import configure_logging
from common.memory import give_back_freed_memory
from vlm_backend.embedded.server import create_app
from vlm_backend.settings import load_settings

SHUTDOWN_S = 4


def main() -> None:
    give_back_freed_memory()
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, "vlm")
    configure_inference(settings.inference_runtime, settings.temp_dir)
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.vlm_port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
