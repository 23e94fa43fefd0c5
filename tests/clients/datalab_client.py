"""Run by the interpreter that Datalab's SDK is installed for: converts one document.

Arguments: the service's URL, the key, the document's path. Prints what it got as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def convert(url: str, key: str, path: str) -> dict[str, Any]:
    from datalab_sdk import ConvertOptions, DatalabClient
    from datalab_sdk.exceptions import DatalabAPIError

    client = DatalabClient(api_key=key, base_url=url)
    try:
        markdown = client.convert(path)
        html = client.convert(path, options=ConvertOptions(output_format="html", max_pages=1))
    except DatalabAPIError as error:
        return {"error": str(error), "status": error.status_code}
    return {
        "markdown": markdown.markdown,
        "images": {name: picture[:4] for name, picture in markdown.images.items()},
        "pages": [markdown.page_count, html.page_count],
        "html": html.html,
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(convert(*sys.argv[1:])) + "\n")
