"""Run by the interpreter that MinerU is installed for: its own command, with a server that parses.

Arguments: the service's URL, the document's path, the folder for its files. Prints what it wrote as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def parse(url: str, path: str, folder: str) -> dict[str, Any]:
    import click
    from mineru.cli.client import main

    try:
        main(["-p", path, "-o", folder, "--api-url", url], standalone_mode=False)
    except click.ClickException as error:
        return {"error": error.message}
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    (markdown,) = (file for file in files if file.suffix == ".md")
    (contents,) = (file for file in files if file.name.endswith("_content_list.json"))
    return {
        "markdown": markdown.read_text(encoding="utf-8"),
        "types": [entry["type"] for entry in json.loads(contents.read_text(encoding="utf-8"))],
        "pictures": sum(file.suffix == ".jpg" for file in files),
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(parse(*sys.argv[1:])) + "\n")
