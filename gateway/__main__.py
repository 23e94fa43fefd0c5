"""`python -m gateway`: serves until told to stop, then lets what is in work finish."""

from __future__ import annotations

import tempfile

from common.inference.models import configure_inference
from common.memory import give_back_freed_memory
from gateway.app import create_app
from gateway.runtime import configure_logs, shorten_pauses
from gateway.server.serving import create_server
from gateway.settings import Settings
from gateway.storage.folders import check_folder


def main() -> None:
    give_back_freed_memory()
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format)
    if check_folder(settings.temp_dir).writable:
        tempfile.tempdir = str(settings.temp_dir.resolve())
    configure_inference(settings.inference_runtime, settings.temp_dir)
    app = create_app(settings)
    shorten_pauses()
    create_server(app).run()


if __name__ == "__main__":
    main()
