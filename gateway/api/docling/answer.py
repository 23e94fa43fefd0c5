"""What was converted, as an answer or as a zip, made page by page while the document is read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePath
from typing import Literal

from pydantic_core import to_json

from gateway.api.chunked_response import ChunkedResponse, splice_json
from gateway.api.docling.docling_document import DoclingDocument, page_doctags
from gateway.api.docling.schema import ConvertAnswer, ConvertedDocument, ConvertOptions, ErrorItem, Target
from gateway.api.ocr.responses import status_headers
from gateway.assembly.items import body_blocks, make_items
from gateway.assembly.markdown import page_markdown
from gateway.assembly.page import picture_keys
from gateway.assembly.render import html_frame, render_html, render_text, replace_pictures
from gateway.assembly.restructure import combine_statuses
from gateway.errors import ServiceError
from gateway.intake.document import clean_name
from gateway.intake.sniff import PDF
from gateway.model import DocumentInfo, DocumentStatus, PageResult
from gateway.reading_options import OcrOptions
from gateway.recognized_page import picture_url

PLACEHOLDER = "<!-- image -->"
_FOLDER = "artifacts/"
_OPTIONS = OcrOptions(ignore_labels=frozenset())
_DOCTAGS_BREAK = "\n<page_break>\n"
_MODULE = "paddleocr-vl-service"
_EXTENSIONS = {"md": ".md", "json": ".json", "html": ".html", "text": ".txt", "doctags": ".doctags"}


@dataclass(slots=True)
class AnswerWriter:
    """A document in all formats that were asked for, as far as it was read."""

    options: ConvertOptions
    target: Target
    document: DocumentInfo
    _texts: dict[str, list[str]] = field(default_factory=dict)
    _docling: DoclingDocument = field(default_factory=DoclingDocument)
    _pictures: dict[str, bytes] = field(default_factory=dict)
    _errors: list[ErrorItem] = field(default_factory=list)
    _warnings: list[str] = field(default_factory=list)
    _statuses: set[DocumentStatus] = field(default_factory=set)

    def add(self, page: PageResult, pictures: Mapping[str, bytes]) -> None:
        """The next page. `pictures`: JPEG by key in the Markdown. Milliseconds of CPU; HTML as long as
        `render_html` takes."""
        self._errors += _losses(page)
        self._warnings += page.warnings
        self._statuses.add(page.status)
        uris = self._show(pictures)
        shown = page.model_copy(update={"blocks": body_blocks(page)})
        keys = picture_keys(page.page, page.blocks, _OPTIONS)
        items = make_items(page.blocks)
        writers: Mapping[str, Callable[[], str]] = {
            "md": lambda: _markdown(shown, keys, uris),
            "html": lambda: _html(shown, keys, uris),
            "text": lambda: render_text(shown, _OPTIONS),
            "doctags": lambda: "\n".join(page_doctags(page, items, is_pdf=self._is_pdf)),
        }
        for name in self._formats & writers.keys():
            self._texts.setdefault(name, []).append(writers[name]())
        if "json" in self._formats:
            images = {block: uris[key] for block, key in keys.items() if key in uris}
            body = {block.id for block in shown.blocks}
            self._docling.add(page, items, body, images, is_pdf=self._is_pdf)

    def response(self, seconds: float) -> ChunkedResponse:
        """`seconds`: how long the conversion took."""
        told = status_headers(combine_statuses(self._statuses), self._warnings)
        if self.target == "zip":
            return self._zip(told)
        texts = {f"{name}_content": to_json(self._join(name))[1:-1] for name in _EXTENSIONS if name in self._texts}
        document = ConvertedDocument(filename=self.document.name, **dict.fromkeys(texts, ""))
        if "json" in self._formats:
            texts["json_content"] = b"".join(self._docling.pieces(self.document))[1:-1]
            document.json_content = {}
        answer = ConvertAnswer(document=document, status=self._status, errors=self._errors, processing_time=seconds)
        order = [name for name in ConvertedDocument.model_fields if name in texts]
        pieces = splice_json(answer.model_dump_json().encode(), [(name, texts[name]) for name in order])
        return ChunkedResponse(list(pieces), {"Content-Type": "application/json", **told})

    @property
    def _status(self) -> Literal["success", "partial_success", "failure"]:
        if combine_statuses(self._statuses) == "failed":
            return "failure"
        return "partial_success" if self._errors else "success"

    @property
    def _formats(self) -> set[str]:
        return set(self.options.to_formats)

    @property
    def _is_pdf(self) -> bool:
        return self.document.media_type == PDF

    def _show(self, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Key in the Markdown to what the answer names the picture by."""
        if not self.options.shows_images:
            return {}
        if self.target == "zip" and self.options.image_export_mode == "referenced":
            named = {key: _FOLDER + PurePath(key).name for key in pictures}
            self._pictures.update({named[key]: picture for key, picture in pictures.items()})
            return named
        return {key: picture_url(picture) for key, picture in pictures.items()}

    def _join(self, name: str) -> str:
        pages = self._texts[name]
        if name == "doctags":
            return "<doctag>" + _DOCTAGS_BREAK.join(pages) + "\n</doctag>"
        if name == "html":
            head, foot = html_frame(self.document.name)
            return head + "\n".join(pages) + foot
        if name == "md" and self.options.md_page_break_placeholder:
            return f"\n\n{self.options.md_page_break_placeholder}\n\n".join(pages)
        return "\n\n".join(page for page in pages if page)

    def _zip(self, told: Mapping[str, str]) -> ChunkedResponse:
        stem = PurePath(self.document.name).stem
        file = BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in self._texts:
                archive.writestr(stem + _EXTENSIONS[name], self._join(name))
            if "json" in self._formats:
                archive.writestr(f"{stem}.json", b"".join(self._docling.pieces(self.document)))
            for path, picture in self._pictures.items():
                archive.writestr(path, picture, zipfile.ZIP_STORED)
        headers = {
            "Content-Disposition": 'attachment; filename="converted_docs.zip"',
            "Content-Type": "application/zip",
            **told,
        }
        return ChunkedResponse([file.getvalue()], headers)


def answer_failure(name: str, error: ServiceError, seconds: float) -> ConvertAnswer:
    """What docling-serve says of a document that can't be converted."""
    failed = ErrorItem(component_type="document_backend", module_name=_MODULE, error_message=error.detail)
    document = ConvertedDocument(filename=clean_name(name))
    return ConvertAnswer(document=document, status="failure", errors=[failed], processing_time=seconds)


def _losses(page: PageResult) -> Iterator[ErrorItem]:
    """What of a page should have been read and was not. Text in pictures, which nobody asked for, is no loss."""
    if page.status == "failed" and not page.blocks:
        yield from (_loss("document_backend", warning, page.page) for warning in page.warnings[:1])
    for block in page.blocks:
        if block.status in ("failed", "truncated") or (block.status == "skipped" and block.error):
            yield _loss("model", f"{block.id} ({block.label}) {block.status}: {block.error or 'cut off'}", page.page)


def _loss(component: str, message: str, page: int) -> ErrorItem:
    return ErrorItem.model_validate(
        {"component_type": component, "module_name": _MODULE, "error_message": message, "page_no": page}
    )


def _markdown(page: PageResult, keys: Mapping[str, str], uris: Mapping[str, str]) -> str:
    texts = dict.fromkeys(keys.values(), PLACEHOLDER) | {key: f"![Image]({uri})" for key, uri in uris.items()}
    return replace_pictures(page_markdown(page.blocks, keys, page.width, pretty=False), texts)


def _html(page: PageResult, keys: Mapping[str, str], uris: Mapping[str, str]) -> str:
    markdown = page_markdown(page.blocks, keys, page.width)
    return render_html(page.model_copy(update={"markdown": markdown}), uris)
