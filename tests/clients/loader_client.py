"""Run by the interpreter that the older langchain-paddleocr and paddleocr-haystack are installed for.

Arguments: `langchain` or `haystack`, the endpoint's URL, the key, the document's path, further options as JSON. Prints
the text of each document.
"""

from __future__ import annotations

import json
import sys


def langchain(url: str, key: str, path: str, options: dict[str, object]) -> list[str]:
    from langchain_paddleocr import PaddleOCRVLLoader
    from pydantic import SecretStr

    loader = PaddleOCRVLLoader(path, api_url=url, access_token=SecretStr(key), **options)
    return [document.page_content for document in loader.load()]


def haystack(url: str, key: str, path: str, options: dict[str, object]) -> list[str]:
    from haystack.utils import Secret
    from haystack_integrations.components.converters.paddleocr import PaddleOCRVLDocumentConverter

    converter = PaddleOCRVLDocumentConverter(api_url=url, access_token=Secret.from_token(key), **options)
    return [document.content for document in converter.run(sources=[path])["documents"]]


def main(client: str, url: str, key: str, path: str, options: str) -> None:
    read = {"langchain": langchain, "haystack": haystack}[client]
    sys.stdout.write("\n" + json.dumps(read(url, key, path, json.loads(options))) + "\n")


main(*sys.argv[1:])
