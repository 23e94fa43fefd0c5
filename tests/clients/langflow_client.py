"""Run by the interpreter that Langflow's components are installed for: loads one document by its Docling Serve.

Arguments: the service's URL, the key, the document's path. Prints what it got as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def load(url: str, key: str, path: str) -> dict[str, Any]:
    from lfx_docling import DoclingRemoteComponent

    headers = [{"key": "X-Api-Key", "value": key}]
    component = DoclingRemoteComponent(path=[path], api_url=url, api_headers=headers)
    try:
        documents = [data.data["doc"] for data in component.load_files_base()]
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"texts": [document.export_to_markdown() for document in documents]}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(load(*sys.argv[1:])) + "\n")
