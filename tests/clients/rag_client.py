"""Run by the interpreter that the loaders of LightRAG, RAGFlow and Dify are installed for: loads one document.

Arguments: the loader, the service's URL, the key, the document's path, and the folder with the sources of RAGFlow and
Dify. Prints what the loader gives as JSON.

The loaders' files are as they were released. Of RAGFlow, what they build on is not there: the models of its own PDF
parser, which needs some gigabytes; an empty class stands for it, as in RAGFlow's own code where it is missing.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

Found = dict[str, Any]


def lightrag_docling(url: str, _key: str, path: str, _sources: str) -> Found:
    os.environ["DOCLING_ENDPOINT"] = url
    from lightrag.parser.external.docling.parser import DoclingParser

    return _load_by_lightrag(DoclingParser(), path)


def lightrag_mineru(url: str, _key: str, path: str, _sources: str) -> Found:
    os.environ.update(MINERU_API_MODE="local", MINERU_LOCAL_ENDPOINT=url, MINERU_POLL_INTERVAL_SECONDS="0.2")
    from lightrag.parser.external.mineru.parser import MinerUParser

    return _load_by_lightrag(MinerUParser(), path)


def _load_by_lightrag(parser: Any, path: str) -> Found:  # noqa: ANN401 - not installed where types are checked
    """The blocks that LightRAG would index, as its parser makes them of what it has downloaded."""
    file = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        asyncio.run(parser.download_into(raw, file, upload_name=file.name))
        document = parser.build_ir(raw, file.name)
        parser.validate_ir(document, file_path=path, raw_dir=raw)
    return {
        "texts": [block.content_template for block in document.blocks],
        "headings": [block.heading for block in document.blocks],
        "tables": [table.rows or table.html for block in document.blocks for table in block.tables],
        "pictures": len(document.assets),
    }


def ragflow_docling(url: str, _key: str, path: str, sources: str) -> Found:
    parser = _import_ragflow(sources, "docling_parser").DoclingParser(docling_server_url=url)
    return _load_by_ragflow(parser, path)


def ragflow_mineru(url: str, _key: str, path: str, sources: str) -> Found:
    parser = _import_ragflow(sources, "mineru_parser").MinerUParser(mineru_api=url)
    _require(*parser.check_installation())
    return _load_by_ragflow(parser, path, binary=Path(path).read_bytes(), parse_method="manual")


def ragflow_mistral(url: str, key: str, path: str, sources: str) -> Found:
    """As a small file, and as one that is uploaded before."""
    module = _import_ragflow(sources, "mistral_parser")
    found = [
        _load_by_ragflow(module.MistralParser(f"{url}/v1", key, inline_max_bytes=most), path) for most in (10**9, 0)
    ]
    if found[0] != found[1]:
        raise AssertionError(found)
    return found[0]


def ragflow_paddleocr(url: str, key: str, path: str, sources: str) -> Found:
    parser = _import_ragflow(sources, "paddleocr_parser").PaddleOCRParser(url, key)
    _require(*parser.check_installation())
    return _load_by_ragflow(parser, path)


def _load_by_ragflow(parser: Any, path: str, **options: Any) -> Found:  # noqa: ANN401
    sections, tables = parser.parse_pdf(path, **options)
    return {"texts": [section[0] for section in sections], "tables": [str(table) for table in tables]}


def _import_ragflow(sources: str, name: str) -> Any:  # noqa: ANN401
    """A module of RAGFlow's parsers, without the package's other ones."""
    root = Path(sources, "ragflow")
    sys.path.insert(0, str(root))
    for package in ("deepdoc", "deepdoc.parser"):
        _add_module(package, __path__=[str(root.joinpath(*package.split(".")))])
    constants = importlib.import_module("common.constants")
    number = constants.MAXIMUM_PAGE_NUMBER
    parser = type("RAGFlowPdfParser", (), {})
    _add_module("deepdoc.parser.pdf_parser", RAGFlowPdfParser=parser, MAXIMUM_PAGE_NUMBER=number)
    _add_module("rag", __path__=[])
    _add_module("rag.nlp", find_codec=None)
    return importlib.import_module(f"deepdoc.parser.{name}")


def _add_module(name: str, **members: object) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def _require(is_ok: bool, reason: str) -> None:
    if not is_ok:
        raise RuntimeError(reason)


def dify_mineru(url: str, _key: str, path: str, sources: str) -> Found:
    tool = _import_dify(sources, "mineru", "tools.parse").MineruTool
    file = SimpleNamespace(filename=Path(path).name, blob=Path(path).read_bytes())
    return _load_by_dify(tool, {"base_url": url, "server_type": "local"}, {"file": file})


def dify_paddleocr(url: str, key: str, path: str, sources: str) -> Found:
    tool = _import_dify(sources, "paddleocr", "tools.document_parsing_vl").DocumentParsingVlTool
    credentials = {"base_url": url, "aistudio_access_token": key}
    return _load_by_dify(tool, credentials, {"file": path, "fileType": "auto"})


def dify_paddleocr_structure(url: str, key: str, path: str, sources: str) -> Found:
    tool = _import_dify(sources, "paddleocr", "tools.document_parsing").DocumentParsingTool
    return _load_by_dify(tool, {"base_url": url, "aistudio_access_token": key}, {"file": path, "fileType": "auto"})


def dify_paddleocr_lines(url: str, key: str, path: str, sources: str) -> Found:
    tool = _import_dify(sources, "paddleocr", "tools.text_recognition").TextRecognitionTool
    return _load_by_dify(tool, {"base_url": url, "aistudio_access_token": key}, {"file": path, "fileType": "auto"})


def dify_paddleocr_credentials(url: str, key: str, _path: str, sources: str) -> Found:
    provider = _import_dify(sources, "paddleocr", "provider.paddleocr").PaddleocrProvider
    return _check_by_dify(provider, {"base_url": f"{url}/", "aistudio_access_token": key})


def dify_mineru_credentials(url: str, _key: str, _path: str, sources: str) -> Found:
    provider = _import_dify(sources, "mineru", "provider.mineru").MineruProvider
    return _check_by_dify(provider, {"base_url": url, "server_type": "local"})


def _check_by_dify(provider: Any, credentials: Found) -> Found:  # noqa: ANN401 - not installed where types are checked
    """What Dify shows when the plugin's credentials are saved; nothing where they are good."""
    from dify_plugin.errors.tool import ToolProviderCredentialValidationError

    try:
        provider().validate_credentials(credentials)
    except ToolProviderCredentialValidationError as error:
        return {"error": str(error)}
    return {"error": ""}


def _load_by_dify(tool: Any, credentials: Found, parameters: Found) -> Found:  # noqa: ANN401
    """What the tool says, with Dify's store of files played."""
    from dify_plugin.invocations.file import UploadFileResponse

    pictures: list[str] = []

    def upload(name: str, content: bytes, kind: str) -> Any:  # noqa: ANN401
        pictures.append(content[:3].hex())
        preview = f"https://dify.example/{name}"
        return UploadFileResponse(
            id=name, name=name, size=len(content), extension=".jpg", mime_type=kind, preview_url=preview
        )

    made = tool(SimpleNamespace(credentials=credentials), SimpleNamespace(file=SimpleNamespace(upload=upload)))
    messages = list(made._invoke(parameters))
    texts = [message.message.text for message in messages if message.type.value == "text"]
    return {"texts": texts, "pictures": pictures}


def _import_dify(sources: str, plugin: str, name: str) -> Any:  # noqa: ANN401
    sys.path.insert(0, str(Path(sources, "dify-official-plugins", "tools", plugin)))
    return importlib.import_module(name)


LOADERS: dict[str, Callable[[str, str, str, str], Found]] = {
    "lightrag_docling": lightrag_docling,
    "lightrag_mineru": lightrag_mineru,
    "ragflow_docling": ragflow_docling,
    "ragflow_mineru": ragflow_mineru,
    "ragflow_mistral": ragflow_mistral,
    "ragflow_paddleocr": ragflow_paddleocr,
    "dify_mineru": dify_mineru,
    "dify_mineru_credentials": dify_mineru_credentials,
    "dify_paddleocr": dify_paddleocr,
    "dify_paddleocr_structure": dify_paddleocr_structure,
    "dify_paddleocr_lines": dify_paddleocr_lines,
    "dify_paddleocr_credentials": dify_paddleocr_credentials,
}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(LOADERS[sys.argv[1]](*sys.argv[2:])) + "\n")
