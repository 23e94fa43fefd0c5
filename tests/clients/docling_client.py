"""Run by the interpreter that docling's own clients are installed for: converts one document by docling-serve's API.

Arguments: the client, the service's URL, the key, the document's path. Prints what it got as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def service(url: str, key: str, path: str) -> Found:
    """The service client's way: a task that is followed, and its document as docling's own class."""
    from docling.service_client import DoclingServiceClient

    with DoclingServiceClient(url, api_key=key) as client:
        result = client.convert(Path(path))
    document = result.document
    return {
        "status": result.status.value,
        "markdown": document.export_to_markdown(),
        "items": [str(item.label) for item, _ in document.iterate_items()],
        "pages": len(document.pages),
    }


def schema(url: str, key: str, path: str) -> Found:
    """docling-core's opinion of our JSON: the document that it reads there, said in DocTags by it and by us."""
    import httpx
    from docling_core.types.doc import DoclingDocument

    answer = httpx.post(
        f"{url}/v1/convert/file",
        headers={"x-api-key": key},
        files={"files": (Path(path).name, Path(path).read_bytes())},
        data={"to_formats": ["json", "doctags"], "image_export_mode": "embedded"},
        timeout=60,
    ).json()["document"]
    document = DoclingDocument.model_validate(answer["json_content"])
    pictures = [picture.get_image(document) for picture in document.pictures]
    return {
        "is_same": document.export_to_doctags() == answer["doctags_content"],
        "pictures": [list(picture.size) for picture in pictures if picture],
        "tables": [table.export_to_html(document) for table in document.tables],
    }


def langchain(url: str, key: str, path: str) -> Found:
    from docling.service_client import DoclingServiceClient
    from langchain_docling.loader import DoclingLoader, ExportType

    with DoclingServiceClient(url, api_key=key) as client:
        loader = DoclingLoader(path, converter=client, export_type=ExportType.MARKDOWN)
        return {"texts": [document.page_content for document in loader.load()]}


def haystack(url: str, key: str, path: str) -> Found:
    """Haystack's converter, which waits or polls, and its exception."""
    from haystack.utils import Secret
    from haystack_integrations.components.converters.docling_serve import DoclingServeConverter

    found = {}
    for mode in ("sync", "async"):
        converter = DoclingServeConverter(
            base_url=url, api_key=Secret.from_token(key), mode=mode, convert_options={"page_range": [2, 3]}
        )
        found[mode] = [document.content for document in converter.run(sources=[path])["documents"]]
    return found


def serve_client(url: str, key: str, path: str) -> Found:
    """Another client of docling-serve, whose options are all that docling knows."""
    from docling_serve_sdk import ConvertDocumentsRequestOptions, DoclingClient, OutputFormat

    client = DoclingClient(url, api_key=key)
    asked = ConvertDocumentsRequestOptions(to_formats=[OutputFormat.MD, OutputFormat.JSON])
    result = client.convert_file(path, options=asked)
    return {
        "health": bool(client.health_check().status),
        "status": result.status.value,
        "markdown": result.document.md_content,
        "tables": len((result.document.json_content or {})["tables"]),
    }


def chunks(url: str, key: str, path: str) -> Found:
    """What the client raises where it asks for chunks."""
    from docling.service_client import ChunkerKind, DoclingServiceClient

    found = {}
    for kind in (ChunkerKind.HYBRID, ChunkerKind.HIERARCHICAL):
        with DoclingServiceClient(url, api_key=key) as client:
            try:
                client.chunk(Path(path), chunker=kind)
            except Exception as error:
                found[kind.value] = f"{error} {getattr(error, 'detail', '')}"
    return found


def failing(url: str, key: str, path: str) -> Found:
    """The exception that the client raises."""
    from docling.service_client import DoclingServiceClient

    try:
        with DoclingServiceClient(url, api_key=key) as client:
            client.convert(Path(path))
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {}


CLIENTS: dict[str, Callable[[str, str, str], Found]] = {
    "service": service,
    "schema": schema,
    "langchain": langchain,
    "haystack": haystack,
    "serve_client": serve_client,
    "chunks": chunks,
    "failing": failing,
}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(CLIENTS[sys.argv[1]](*sys.argv[2:])) + "\n")
