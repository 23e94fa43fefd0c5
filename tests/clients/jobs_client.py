"""Run by the interpreter that PaddleOCR's own clients are installed for: reads one document through the jobs' API.

Arguments: the client, the service's URL, the access token, the document's path. Prints what it got as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]


def sdk(url: str, token: str, path: str) -> Found:
    from paddleocr import PaddleOCRClient

    with PaddleOCRClient(token=token, base_url=url) as client:
        parsed = client.parse_document(file_path=path)
        lines = client.ocr(file_path=path)
    return {
        "texts": [page.markdown_text for page in parsed.pages],
        "pictures": [list(page.markdown_images.values()) for page in parsed.pages],
        "lines": [page.pruned_result["rec_texts"] for page in lines.pages],
    }


def sdk_async(url: str, token: str, path: str) -> Found:
    from paddleocr import AsyncPaddleOCRClient

    async def read() -> list[str]:
        async with AsyncPaddleOCRClient(token=token, base_url=url) as client:
            parsed = await client.parse_document(file_path=path)
            return [page.markdown_text for page in parsed.pages]

    return {"texts": asyncio.run(read())}


def batch(url: str, token: str, path: str) -> Found:
    from paddleocr import PaddleOCRClient

    with PaddleOCRClient(token=token, base_url=url) as client:
        jobs = [client.submit_document_parsing(file_path=path, batch_id="two of them") for _ in range(2)]
        results = [client.wait_document_parsing_result(job) for job in jobs]
        status = client.get_batch_status("two of them")
    return {
        "texts": [page.markdown_text for result in results for page in result.pages],
        "states": [job.state for job in status.jobs],
    }


def command(url: str, token: str, path: str) -> Found:
    """`paddleocr api`, in a process of its own. Without `--save_resources`: it refuses the names of pictures that
    PaddleOCR-VL itself gives (`imgs/…`), whatever server they come from."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "result.json")
        arguments = {"model_type": "doc_parsing", "file_path": path, "base_url": url, "token": token, "output": output}
        given = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(
            [sys.executable, "-m", "paddleocr", "api", *given], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        pages = json.loads(output.read_text(encoding="utf-8"))["pages"]
    return {"texts": [page["markdownText"] for page in pages]}


def langchain(url: str, token: str, path: str) -> Found:
    from langchain_paddleocr import PaddleOCRVLLoader
    from pydantic import SecretStr

    loader = PaddleOCRVLLoader(path, access_token=SecretStr(token), base_url=url)
    return {"texts": [document.page_content for document in loader.load()]}


def haystack(url: str, token: str, path: str) -> Found:
    from haystack.utils import Secret
    from haystack_integrations.components.converters.paddleocr import PaddleOCRVLDocumentConverter

    converter = PaddleOCRVLDocumentConverter(base_url=url, access_token=Secret.from_token(token))
    return {"texts": [document.content for document in converter.run(sources=[path])["documents"]]}


CLIENTS: dict[str, Callable[[str, str, str], Found]] = {
    "sdk": sdk,
    "sdk_async": sdk_async,
    "batch": batch,
    "command": command,
    "langchain": langchain,
    "haystack": haystack,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(CLIENTS[sys.argv[1]](*sys.argv[2:])) + "\n")
