"""What kind of file some bytes are. The name and the declared type of an upload are never trusted."""

from __future__ import annotations

import re

from gateway.errors import ServiceError

PDF = "application/pdf"

FORMAT_NAMES = {
    PDF: "PDF",
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WebP",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/jp2": "JPEG2000",
    "image/heic": "HEIF",
    "image/avif": "AVIF",
}
"""Every media type that the service reads, with the name that people and Pillow know it by."""

HEAD_BYTES = 64 * 1024
"""Of a file, looked at to tell its kind."""
PDF_HEADER = b"%PDF-"
_NEAR_BYTES = 1024
"""Readers accept junk before a PDF's header up to here (PDF 1.7, appendix H, note 13), and most of them much more."""
_FAR_HEADER = re.compile(rb"%PDF-\d\.\d")

# BMP's magic is only two letters, so the two reserved fields and the size of the second header are looked at too.
_SUPPORTED = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"), "image/tiff"),
    (re.compile(rb"\x00{3}\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "image/jp2"),
    (re.compile(rb"....ftyp((avif|avis)|(mif1|miaf).{4}(.{4}){0,15}avif)", re.DOTALL), "image/avif"),
    (re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), "image/heic"),
    (re.compile(rb"BM....\x00{4}....[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00{3}", re.DOTALL), "image/bmp"),
)

_KNOWN_OTHERS = (
    (re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|word/|xl/|ppt/)", re.DOTALL), "an Office document"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", re.DOTALL), "an OpenDocument file"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/epub", re.DOTALL), "an EPUB book"),
    (re.compile(rb"PK\x03\x04|PK\x05\x06"), "a ZIP archive"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Office document"),
    (re.compile(rb"\{\\rtf"), "an RTF document"),
    (re.compile(rb"%!PS"), "PostScript"),
    (re.compile(rb"AT&TFORM"), "a DjVu document"),
    (re.compile(rb"....ftyp", re.DOTALL), "a video"),
    (re.compile(rb"\x00{3}\x0cJXL |\xff\x0a"), "a JPEG XL image"),
    (re.compile(rb"8BPS"), "a Photoshop image"),
    (re.compile(rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), "a compressed archive"),
    (
        re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg|<svg)", re.DOTALL | re.IGNORECASE),
        "an SVG image",
    ),
    (re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE), "HTML"),
    (re.compile(rb"\s*<\?xml"), "XML"),
)


def media_type(data: bytes) -> str:
    """The media type of a file the service can read, by its first HEAD_BYTES: one of `FORMAT_NAMES`.

    Raises ServiceError 400 `empty_document`, 415 `unsupported_media_type`.
    """
    if not data:
        raise ServiceError(400, "empty_document", "The document is empty: it has no bytes.")
    head = data[:HEAD_BYTES]
    for pattern, kind in _SUPPORTED:
        if pattern.match(head):
            return kind
    other = _looks_like(head)
    if PDF_HEADER in head[:_NEAR_BYTES] or (other is None and _FAR_HEADER.search(head)):
        return PDF
    names, seen = ", ".join(FORMAT_NAMES.values()), other or _describe_unknown(head)
    raise ServiceError(415, "unsupported_media_type", f"The document looks like {seen}; the service reads {names}.")


def _looks_like(head: bytes) -> str | None:
    head = head.removeprefix(b"\xef\xbb\xbf")
    return next((name for pattern, name in _KNOWN_OTHERS if pattern.match(head)), None)


def _describe_unknown(head: bytes) -> str:
    return "plain text" if _is_text(head[:_NEAR_BYTES]) else "unknown binary data"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)
