"""What both of PaddleX's routes answer of a page: its Markdown, its pictures and its Word file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from gateway.api.paddlex.schema import Camel

if TYPE_CHECKING:
    from gateway.assembly.docx.writer import DocxPage


class ExportContent(Camel):
    content: str = Field(description="Base64")
    file_name: str = Field(description="A name to save it by", examples=["page_1.docx"])


class DocumentExports(Camel):
    docx: ExportContent


class Markdown(Camel):
    text: str
    images: dict[str, str] | None = Field(None, description="Key in the text to base64 JPEG")


class LayoutParsingResult(Camel):
    pruned_result: dict[str, Any] = Field(description="Size, settings, blocks and layout boxes of the page")
    markdown: Markdown
    output_images: dict[str, str] | None = Field(
        None, description="`layout_det_res`, `preprocessed_img`, `spotting_res_img`: base64 JPEG"
    )
    input_image: str | None = Field(None, description="The page, base64 JPEG")
    exports: DocumentExports | None = Field(None, description="What `outputFormats` asks for")


def word_export(name: str, pages: Sequence[DocxPage], pictures: Mapping[str, bytes]) -> DocumentExports:
    """`pictures`: key to JPEG or PNG. A tenth of a second and more of CPU for a page."""
    from gateway.assembly.docx.writer import build_docx

    content = base64.b64encode(build_docx(pages, pictures)).decode("ascii")
    return DocumentExports(docx=ExportContent(content=content, file_name=f"{name}.docx"))


def decode_pictures(images: Mapping[str, str]) -> dict[str, bytes]:
    """Pictures that came as base64 or as `data:` URLs; what is neither is left out."""
    found = {}
    for key, image in images.items():
        payload = image.partition(",")[2] if image.startswith("data:") else image
        try:
            found[key] = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError):
            continue
    return found
