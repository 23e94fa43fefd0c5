"""Run by the interpreter that Mistral's clients are installed for: reads one document by Mistral's OCR.

Arguments: the client, the service's URL, the key, the document's path. Prints what it got as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]
MODEL = "mistral-ocr-latest"


def sdk(url: str, key: str, path: str) -> Found:
    """Upload, signed URL, OCR and deletion, as Mistral's documentation has it; then by the file's id."""
    from mistralai.client import Mistral

    file = Path(path)
    with Mistral(api_key=key, server_url=url) as client:
        uploaded = client.files.upload(file={"file_name": file.name, "content": file.read_bytes()}, purpose="ocr")
        signed = client.files.get_signed_url(file_id=uploaded.id, expiry=1)
        by_url = client.ocr.process(
            model=MODEL,
            document={"type": "document_url", "document_url": signed.url},
            include_image_base64=True,
            table_format="html",
        )
        by_id = client.ocr.process(model=MODEL, document={"type": "file", "file_id": uploaded.id}, pages=[1])
        kept = client.files.retrieve(file_id=uploaded.id).filename
        deleted = client.files.delete(file_id=uploaded.id).deleted
        models = [model.id for model in client.models.list().data or []]
    return {
        "texts": [page.markdown for page in by_url.pages],
        "images": [(image.id, (image.image_base64 or "")[:23]) for page in by_url.pages for image in page.images],
        "tables": [table.id for page in by_url.pages for table in page.tables or []],
        "blocks": sorted({block.type for page in by_url.pages for block in page.blocks or []}),
        "by_id": [page.index for page in by_id.pages],
        "name": kept,
        "deleted": deleted,
        "models": models,
    }


def failing(url: str, key: str, path: str) -> Found:
    """The exceptions that the SDK raises: for the document, and for a field."""
    from mistralai.client import Mistral
    from mistralai.client.errors import HTTPValidationError, SDKError

    found: list[object] = []
    document = {"type": "document_url", "document_url": _data_url(path)}
    with Mistral(api_key=key, server_url=url) as client:
        for pages in (None, "one"):
            try:
                client.ocr.process(model=MODEL, document=document, pages=pages)
            except HTTPValidationError as error:
                found.append(["HTTPValidationError", str(error.data.detail[0].loc[1]) if error.data.detail else ""])
            except SDKError as error:
                found.append(["SDKError", error.status_code])
    return {"errors": found}


def litellm(url: str, key: str, path: str) -> Found:
    from litellm import ocr

    answers = [
        ocr(
            model=f"mistral/{MODEL}",
            document={"type": "document_url", "document_url": _data_url(path)},
            api_base=base,
            api_key=key,
        )
        for base in (url, f"{url}/v1")
    ]
    return {"texts": [[page.markdown for page in answer.pages] for answer in answers]}


def litellm_azure(url: str, key: str, path: str) -> Found:
    """By Azure's API, which it speaks for models of this name."""
    from litellm import ocr

    document = {"type": "document_url", "document_url": _data_url(path)}
    answer = ocr(
        model="azure_ai/doc-intelligence/prebuilt-layout", document=document, api_base=url, api_key=key, pages=[0, 2]
    )
    return {"texts": [page.markdown for page in answer.pages], "indexes": [page.index for page in answer.pages]}


def _data_url(path: str) -> str:
    return "data:application/pdf;base64," + base64.b64encode(Path(path).read_bytes()).decode()


CLIENTS: dict[str, Callable[[str, str, str], Found]] = {
    "sdk": sdk,
    "failing": failing,
    "litellm": litellm,
    "litellm_azure": litellm_azure,
}


if __name__ == "__main__":
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    sys.stdout.write("\n" + json.dumps(CLIENTS[sys.argv[1]](*sys.argv[2:])) + "\n")
