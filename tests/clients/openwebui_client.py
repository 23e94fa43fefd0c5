"""Run by the interpreter that Open WebUI's document loaders are installed for: loads files as Open WebUI does.

Arguments: the engine, the service's URL, and in JSON a list of key, path and media type for each file. Prints the
documents of each as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any


def load(engine: str, url: str, key: str, path: str, kind: str) -> list[dict[str, Any]]:
    """The documents of one file; what was raised, where that is so."""
    from open_webui.retrieval.loaders.main import Loader

    loader = Loader({"rag.content_extraction_engine": engine, **_configure(url, key)})
    try:
        documents = loader.load(os.path.basename(path), kind, path)
    except Exception as error:  # Open WebUI shows whatever it is
        return [{"error": f"{error} {getattr(error, 'detail', '')}"}]
    return [{"content": document.page_content, "page": document.metadata.get("page")} for document in documents]


def _configure(url: str, key: str) -> dict[str, Any]:
    """Open WebUI's settings, with its own defaults but for addresses and keys."""
    marker = ("additional_config", "use_llm", "skip_cache", "force_ocr", "paginate", "strip_existing_ocr")
    return {
        "rag.file.max_size": None,
        "rag.external_document_loader_url": url,
        "rag.external_document_loader_api_key": key,
        "rag.external_document_loader_headers": {},
        "rag.datalab_marker_api_base_url": f"{url}/api/v1/marker",
        "rag.datalab_marker_api_key": key,
        **{f"rag.datalab_marker_{name}": "" if name == "additional_config" else False for name in marker},
        "rag.datalab_marker_disable_image_extraction": False,
        "rag.datalab_marker_format_lines": False,
        "rag.datalab_marker_output_format": "markdown",
        "rag.docling_server_url": url,
        "rag.docling_api_key": key,
        "rag.docling_params": {},
        "rag.document_intelligence_endpoint": url,
        "rag.document_intelligence_key": key,
        "rag.document_intelligence_model": "prebuilt-layout",
        "rag.mineru_api_mode": "local",
        "rag.mineru_api_url": url,
        "rag.mineru_api_key": key,
        "rag.mineru_api_timeout": "300",
        "rag.mineru_params": {},
        "rag.mineru_file_extensions": ["pdf"],
        "rag.mistral_ocr_api_base_url": f"{url}/v1",
        "rag.mistral_ocr_api_key": key,
        "rag.mistral_ocr_use_base64": False,
        "rag.paddleocr_vl_base_url": url,
        "rag.paddleocr_vl_token": key,
    }


if __name__ == "__main__":
    folder = tempfile.mkdtemp()
    os.environ.update(DATA_DIR=folder, ENABLE_DB_MIGRATIONS="False", OFFLINE_MODE="true", WEBUI_SECRET_KEY="x")
    os.environ["FROM_INIT_PY"] = "true"
    engine, url, files = sys.argv[1:]
    sys.stdout.write("\n" + json.dumps([load(engine, url, *file) for file in json.loads(files)]) + "\n")
