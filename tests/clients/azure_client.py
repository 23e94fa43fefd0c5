"""Run by the interpreter that the clients of Azure Document Intelligence are installed for: analyzes one document.

Arguments: the client, the service's URL, the key, the document's path, and for paperless-ngx the folder with its
source. Prints what it got as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

Found = dict[str, Any]


def sdk(url: str, key: str, path: str) -> Found:
    """All that the layout model gives, as the samples of the SDK ask for it, then its deletion."""
    from azure.ai.documentintelligence.models import AnalyzeDocumentRequest, AnalyzeOutputOption
    from azure.core.exceptions import ResourceNotFoundError

    model = "prebuilt-layout"
    with _client(url, key) as client:
        poller = client.begin_analyze_document(
            model,
            AnalyzeDocumentRequest(bytes_source=Path(path).read_bytes()),
            output=[AnalyzeOutputOption.FIGURES],
            string_index_type="unicodeCodePoint",
        )
        result = poller.result()
        operation = poller.details["operation_id"]
        figures = [
            b"".join(client.get_analyze_result_figure(model, operation, figure.id)) for figure in result.figures or []
        ]
        client.delete_analyze_result(model, operation)
        try:
            b"".join(client.get_analyze_result_figure(model, operation, "1.1"))
            is_gone = False
        except ResourceNotFoundError:
            is_gone = True
    words = [word for page in result.pages for word in page.words]
    marks = [mark for page in result.pages for mark in page.selection_marks or []]
    return {
        "pages": [(page.page_number, page.unit, len(page.lines)) for page in result.pages],
        "words": [word.content for word in words],
        "spans": [result.content[word.span.offset : word.span.offset + word.span.length] for word in words],
        "marks": [(one.state, result.content[one.span.offset : one.span.offset + one.span.length]) for one in marks],
        "sections": [section.elements for section in result.sections],
        "polygons": sorted({len(word.polygon) for word in words}),
        "roles": [paragraph.role for paragraph in result.paragraphs],
        "tables": [[(cell.row_index, cell.column_index, cell.content) for cell in one.cells] for one in result.tables],
        "captions": [figure.caption.content for figure in result.figures],
        "figures": [figure[1:4].decode() for figure in figures],
        "is_gone": is_gone,
    }


def stream(url: str, key: str, path: str) -> Found:
    """The document as the body, some of its pages, and Markdown."""
    with _client(url, key) as client, Path(path).open("rb") as file:
        poller = client.begin_analyze_document(
            "prebuilt-layout", body=file, pages="2-3", output_content_format="markdown", features=["formulas"]
        )
        result = poller.result()
    return {
        "pages": [page.page_number for page in result.pages],
        "content": result.content,
        "formulas": [formula.value for page in result.pages for formula in page.formulas],
    }


def paperless(url: str, key: str, path: str, sources: str) -> Found:
    """paperless-ngx' own remote parser. Its settings, its exception and its version are played."""
    settings = SimpleNamespace(
        REMOTE_OCR_ENGINE="azureai",
        REMOTE_OCR_API_KEY=key,
        REMOTE_OCR_ENDPOINT=url,
        SCRATCH_DIR=Path(path).parent,
    )
    _add_module("django")
    _add_module("django.conf", settings=settings)
    _add_module("documents")
    _add_module("documents.parsers", ParseError=type("ParseError", (Exception,), {}))
    _add_module("paperless")
    _add_module("paperless.version", __full_version_str__="")
    found = Path(sources, "paperless-ngx", "src", "paperless", "parsers", "remote.py")
    parser: Any = ModuleType("remote")
    exec(compile(found.read_text(encoding="utf-8"), str(found), "exec"), vars(parser))
    kind = "application/pdf" if path.endswith(".pdf") else "image/png"
    if not parser.RemoteDocumentParser.score(kind, Path(path).name):
        raise AssertionError("paperless would not use the engine")
    # Its folder is left for the test, which looks at the archive.
    made = parser.RemoteDocumentParser()
    made.parse(Path(path), kind)
    return {"content": made.get_text(), "archive": str(made.get_archive_path())}


def _add_module(name: str, **members: object) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def asynchronous(url: str, key: str, path: str) -> Found:
    """The SDK's other half."""
    from azure.ai.documentintelligence.aio import DocumentIntelligenceClient
    from azure.core.credentials import AzureKeyCredential

    data = Path(path).read_bytes()

    async def read() -> str:
        async with DocumentIntelligenceClient(endpoint=url, credential=AzureKeyCredential(key)) as client:
            poller = await client.begin_analyze_document("prebuilt-read", data)
            return str((await poller.result()).content)

    return {"content": asyncio.run(read())}


def failing(url: str, key: str, path: str) -> Found:
    """The exceptions that the SDK raises, when it does not try again: for the document, for a model and for a
    feature."""
    from azure.core.exceptions import HttpResponseError

    found: list[object] = []
    data = Path(path).read_bytes()
    with _client(url, key, retry_total=0) as client:
        for model, features in (("prebuilt-read", []), ("prebuilt-invoice", []), ("prebuilt-layout", ["barcodes"])):
            try:
                client.begin_analyze_document(model, data, features=features).result()
            except HttpResponseError as error:
                told = error.error
                found.append([type(error).__name__, error.status_code, told.code if told else None])
    return {"errors": found}


def form_recognizer(url: str, key: str, path: str) -> Found:
    """The SDK of the time when it was called Form Recognizer, with the general model."""
    from azure.ai.formrecognizer import DocumentAnalysisClient
    from azure.core.credentials import AzureKeyCredential

    with DocumentAnalysisClient(url, AzureKeyCredential(key)) as client, Path(path).open("rb") as file:
        result = client.begin_analyze_document("prebuilt-document", file, features=["formulas"]).result()
    return {
        "version": result.api_version,
        "pages": [(page.page_number, page.unit) for page in result.pages],
        "words": [word.content for page in result.pages for line in page.lines for word in line.get_words()],
        "roles": [paragraph.role for paragraph in result.paragraphs],
        "tables": [[(cell.row_index, cell.column_index, cell.content) for cell in one.cells] for one in result.tables],
        "formulas": [formula.value for page in result.pages for formula in page.formulas],
        "pairs": result.key_value_pairs,
    }


def failing_forms(url: str, key: str, path: str) -> Found:
    """As `failing`, of the older SDK."""
    from azure.ai.formrecognizer import DocumentAnalysisClient
    from azure.core.credentials import AzureKeyCredential
    from azure.core.exceptions import HttpResponseError

    found: list[object] = []
    data = Path(path).read_bytes()
    with DocumentAnalysisClient(url, AzureKeyCredential(key), retry_total=0) as client:
        for model in ("prebuilt-read", "prebuilt-invoice"):
            try:
                client.begin_analyze_document(model, data).result()
            except HttpResponseError as error:
                told = error.error
                found.append([type(error).__name__, error.status_code, told.code if told else None])
    return {"errors": found}


def langchain(url: str, key: str, path: str) -> Found:
    """LangChain's loader, in all its modes."""
    from langchain_community.document_loaders import AzureAIDocumentIntelligenceLoader

    loaders = (
        AzureAIDocumentIntelligenceLoader(api_endpoint=url, api_key=key, file_path=path, mode=mode)
        for mode in ("markdown", "single", "page")
    )
    return {"texts": [[document.page_content for document in loader.load()] for loader in loaders]}


def haystack(url: str, key: str, path: str) -> Found:
    from haystack.utils import Secret
    from haystack_integrations.components.converters.azure_doc_intelligence import AzureDocumentIntelligenceConverter

    converter = AzureDocumentIntelligenceConverter(endpoint=url, api_key=Secret.from_token(key))
    return {"texts": [document.content for document in converter.run(sources=[path])["documents"]]}


def haystack_forms(url: str, key: str, path: str) -> Found:
    """By the older SDK: tables are documents of their own."""
    from haystack.utils import Secret
    from haystack_integrations.components.converters.azure_form_recognizer import AzureOCRDocumentConverter

    converter = AzureOCRDocumentConverter(endpoint=url, api_key=Secret.from_token(key), model_id="prebuilt-layout")
    return {"texts": [document.content for document in converter.run(sources=[path])["documents"]]}


def markitdown(url: str, key: str, path: str) -> Found:
    from azure.core.credentials import AzureKeyCredential
    from markitdown import MarkItDown

    converter = MarkItDown(docintel_endpoint=url, docintel_credential=AzureKeyCredential(key))
    return {"text": converter.convert(path).markdown}


def _client(url: str, key: str, **options: int) -> Any:  # noqa: ANN401 - not installed where types are checked
    from azure.ai.documentintelligence import DocumentIntelligenceClient
    from azure.core.credentials import AzureKeyCredential

    return DocumentIntelligenceClient(endpoint=url, credential=AzureKeyCredential(key), **options)


CLIENTS: dict[str, Callable[..., Found]] = {
    "sdk": sdk,
    "stream": stream,
    "paperless": paperless,
    "asynchronous": asynchronous,
    "failing": failing,
    "form_recognizer": form_recognizer,
    "failing_forms": failing_forms,
    "haystack_forms": haystack_forms,
    "langchain": langchain,
    "haystack": haystack,
    "markitdown": markitdown,
}


if __name__ == "__main__":
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    sys.stdout.write("\n" + json.dumps(CLIENTS[sys.argv[1]](*sys.argv[2:])) + "\n")
