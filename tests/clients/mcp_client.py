"""Run by the interpreter that paddleocr-mcp is installed for: asks its server, unmodified, about one document.

Arguments: the service's URL, the document's path, the tool's arguments as JSON, the model; an access token where the
server is to speak the API of a hosted service, and which one. Prints the contents of the answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(
    url: str, path: str, arguments: str, model: str = "PaddleOCR-VL-1.6", token: str = "", host: str = "aistudio"
) -> None:
    source = {
        "self_hosted": ["--self-hosted-base-url", url],
        "aistudio": ["--aistudio-base-url", url, "--aistudio_access_token", token],
        "qianfan": ["--qianfan-base-url", url, "--qianfan_api_key", token],
    }
    name = host if token else "self_hosted"
    options = ["--model", model, "--ppocr_source", name, *source[name]]
    server = StdioTransport(sys.executable, ["-m", "paddleocr_mcp", *options], env=dict(os.environ))
    async with Client(server) as client:
        (tool,) = await client.list_tools()
        answer = await client.call_tool(tool.name, {"input_data": path, **json.loads(arguments)})
        contents = [{"type": one.type, "text": getattr(one, "text", None)} for one in answer.content]
    sys.stdout.write(json.dumps(contents) + "\n")


asyncio.run(main(*sys.argv[1:]))
