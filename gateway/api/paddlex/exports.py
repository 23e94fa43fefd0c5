"""Documents that `outputFormats` asks for, beside an answer's Markdown."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from gateway.api.paddlex.camel import Camel

if TYPE_CHECKING:
    from gateway.assembly.docx.writer import DocxPage


class ExportContent(Camel):
    content: str = Field(description="Base64")
    file_name: str = Field(description="A name to save it by", examples=["page_1.docx"])


class DocumentExports(Camel):
    docx: ExportContent


def word_export(name: str, pages: Sequence[DocxPage], pictures: Mapping[str, bytes]) -> DocumentExports:
    """`pictures`: key to JPEG or PNG. A tenth of a second and more of CPU for a page."""
    from gateway.assembly.docx.writer import build_docx

    content = base64.b64encode(build_docx(pages, pictures)).decode("ascii")
    return DocumentExports(docx=ExportContent(content=content, file_name=f"{name}.docx"))


def decoded_pictures(images: Mapping[str, str]) -> dict[str, bytes]:
    """Pictures that came as base64 or as `data:` URLs; what is neither is left out."""
    found = {}
    for key, image in images.items():
        payload = image.partition(",")[2] if image.startswith("data:") else image
        try:
            found[key] = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError):
            continue
    return found
