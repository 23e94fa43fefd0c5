"""`python -m gateway`: serves until told to stop, then lets what is in work finish."""

from __future__ import annotations

import tempfile
from types import FrameType

import uvicorn

from gateway.app import create_app
from gateway.runtime import configure_logs, give_back_freed_memory, shorten_pauses
from gateway.service import Service
from gateway.settings import Settings
from gateway.storage.folders import check_folder

_GRACE_S = 20
"""Platforms kill 30 s after SIGTERM; what is left after this is cut off, so that the workers can be ended in order."""


class Server(uvicorn.Server):
    """Says "not ready" from the moment of the signal, before the listening socket closes."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.draining = True
        super().handle_exit(sig, frame)


def main() -> None:
    give_back_freed_memory()
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format)
    if check_folder(settings.temp_dir).writable:
        tempfile.tempdir = str(settings.temp_dir.resolve())
    app = create_app(settings)
    shorten_pauses()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    Server(config, app.state.service).run()


if __name__ == "__main__":
    main()
