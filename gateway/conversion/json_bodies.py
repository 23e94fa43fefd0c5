"""JSON bodies taken apart: the document in one becomes bytes of a file, and what is left is small."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jiter

from gateway.errors import ServiceError

Encoding: TypeAlias = Literal["base64", "paddlex", "picture", "data_url"]
Place: TypeAlias = tuple[dict[str, Any], str, str]
"""The object that holds a text, the text's name in it, and its path in the body."""

MAX_NODES = 20_000
"""Values and names of a body that holds one document: parsed, `[{},{},…]` takes 25 times its size."""
NOT_AN_OBJECT = "The body must be a JSON object."
_MAX_REASON = 200
_HEAD = 64 * 1024
"""Bytes that tell whether what is too large is JSON at all."""
_PIECE = 2**20
_SCHEMES = ("http://", "https://")
_URL_ALPHABET = str.maketrans("-_", "+/")
_STRING_END = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_PICTURE_URL = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z0-9=._-]+)*;base64,", re.IGNORECASE)
_MAX_HEAD = 200


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a dialect's JSON may hold a document: the way to a text, on which `*` stands for all items of a list.

    `encoding`: how the text holds it. `base64`: a `data:` URL too; `paddlex`: the same as loosely as PaddleX takes it,
    or a URL; `picture`: a `data:` URL of a picture, or another URL; `data_url`: a `data:` URL of anything, or another.
    `unless`: a field of the body beside which nothing is taken from here: the text is dropped, whatever it holds.
    """

    way: Sequence[str]
    encoding: Encoding
    unless: str = ""


def split_body(
    places: Sequence[DocumentPlace],
    body: bytes,
    max_rest: int,
    write: Callable[[bytes], object],
    *,
    takes_all: bool = False,
) -> tuple[dict[str, Any], list[int]]:
    """The body's JSON object without its document, whose bytes went to `write`, and how many they were, if there was
    one. `takes_all`: all documents, one after the other, an empty one with size 0.

    `max_rest`: bytes of JSON that may be left. Raises ServiceError: 400 `invalid_json`, `invalid_base64`,
    `invalid_value`; 413 `json_too_large`.
    """
    content = parse_json(body, MAX_NODES)
    if not isinstance(content, dict):
        raise ServiceError(400, "invalid_json", NOT_AN_OBJECT)
    for place in places:
        if place.unless and content.get(place.unless) is not None:
            for holder, name, _ in _find_texts(content, place.way):
                holder[name] = ""
    sizes = []
    texts = ((place.encoding, text) for place in places for text in _find_texts(content, place.way))
    for encoding, (holder, name, path) in texts:
        pieces = _decode(holder[name], path, _DECODERS[encoding])
        if pieces is not None or takes_all:
            sizes.append(_write_pieces(pieces or (), write))
            holder[name] = ""
            if not takes_all:
                break
    _check_rest(content, max_rest)
    return content, sizes


def _write_pieces(pieces: Iterable[bytes], write: Callable[[bytes], object]) -> int:
    size = 0
    for piece in pieces:
        write(piece)
        size += len(piece)
    return size


def parse_json(body: bytes, max_nodes: int | None = None) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """JSON in UTF-8, or in another Unicode encoding that its first bytes tell, with or without a byte order mark.

    Raises ServiceError 400 `invalid_json`, also where an object has a name twice; 413 `json_too_large`.
    """
    body = _encode_utf8(body)
    if max_nodes is not None and not _has_few_nodes(body, max_nodes):
        _parse(body[:_HEAD], partial=True)
        raise ServiceError(413, "json_too_large", f"The body holds more than {max_nodes} values.")
    return _parse(body)


def _encode_utf8(body: bytes) -> bytes:
    encoding = json.detect_encoding(body)
    if encoding == "utf-8":
        return body
    try:
        return body.decode(encoding).encode()
    except ValueError as error:
        raise _invalid_json(error) from None


def _parse(body: bytes, *, partial: bool = False) -> Any:  # noqa: ANN401 - whatever JSON can hold
    try:
        return jiter.from_json(
            body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="none", partial_mode=partial
        )
    except ValueError as error:
        raise _invalid_json(error) from None


def _invalid_json(error: ValueError) -> ServiceError:
    return ServiceError(400, "invalid_json", f"The body is not JSON: {str(error)[:_MAX_REASON]}.")


def _has_few_nodes(body: bytes, most: int) -> bool:
    """Counts what stands between strings, from one quotation mark to the next, so that a document costs nothing."""
    nodes, at = 0, 0
    while at < len(body):
        quote = body.find(b'"', at)
        end = len(body) if quote < 0 else quote
        nodes += 1 + sum(body.count(sign, at, end) for sign in (b",", b"[", b"{"))
        if nodes > most:
            return False
        at = end + 1 if quote < 0 else _find_string_end(body, quote + 1)
    return True


def _find_string_end(body: bytes, start: int) -> int:
    """Behind the closing quotation mark."""
    quote = body.find(b'"', start)
    if quote >= 0 and body.find(b"\\", start, quote) < 0:
        return quote + 1
    match = _STRING_END.match(body, start)
    return match.end() if match else len(body)


def _find_texts(node: object, place: Sequence[str], path: str = "") -> Iterator[Place]:
    """The texts at a place; `*` stands for all items of a list."""
    name, *below = place
    if name == "*":
        for index, item in enumerate(node if isinstance(node, list) else ()):
            yield from _find_texts(item, below, f"{path}[{index}]")
    elif isinstance(node, dict) and name in node:
        named = f"{path}.{name}".removeprefix(".")
        if below:
            yield from _find_texts(node[name], below, named)
        elif isinstance(node[name], str):
            yield node, name, named


def _check_rest(content: Mapping[str, Any], most: int) -> None:
    size = len(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
    if size > most:
        detail = f"The body holds {size} bytes besides a document; at most {most} are taken (MAX_JSON_KB)."
        raise ServiceError(413, "json_too_large", detail)


Decoder: TypeAlias = Callable[[str], Iterable[bytes] | None]


def _decode(text: str, path: str, decode: Decoder) -> Iterator[bytes] | None:
    try:
        pieces = decode(text)
    except ServiceError as error:
        error.param = path
        raise
    return None if pieces is None else _report_base64(pieces, path)


def _report_base64(pieces: Iterable[bytes], path: str) -> Iterator[bytes]:
    try:
        yield from pieces
    except ValueError as error:
        raise ServiceError(400, "invalid_base64", f"`{path}` can't be decoded: {error}.", param=path) from None


def _decode_document(text: str) -> Iterable[bytes] | None:
    """Base64 or a `data:` URL of base64; None where there is nothing."""
    return decode_pieces(text, lambda: _find_payload(text)) if text else None


def _decode_file(text: str) -> Iterable[bytes] | None:
    """As PaddleX, which skips characters outside base64's alphabet; the head of a `data:` URL too, which it takes for
    data. None for a URL."""
    if text.startswith(_SCHEMES) or not text:
        return None
    head, comma, payload = text.partition(",") if text.startswith("data:") else ("", "", "")
    part = (payload if head and comma else text).translate(_URL_ALPHABET)
    return (base64.b64decode(part) for part in [part])


def _decode_picture(url: str) -> Iterable[bytes] | None:
    """A `data:` URL of a picture; None for another URL."""
    if url[:5].lower() != "data:":
        return None
    head = _PICTURE_URL.match(url[:_MAX_HEAD])
    if head is None:
        raise ServiceError(400, "invalid_value", "The picture's data URL must begin with data:image/<type>;base64,")
    return decode_pieces(url, head.end)


def _decode_data_url(url: str) -> Iterable[bytes] | None:
    """A `data:` URL; None for another URL."""
    return decode_pieces(url, lambda: _find_payload(url)) if url[:5].lower() == "data:" else None


def decode_pieces(text: str, find_start: Callable[[], int]) -> Iterator[bytes]:
    """What base64 text means from a start on, in pieces: whole, it would take twice its size again. ValueError.

    The alphabet of URLs is taken too, and an end without padding.
    """
    rest = ""
    for at in range(find_start(), len(text), _PIECE):
        fresh = "".join(text[at : at + _PIECE].split()).translate(_URL_ALPHABET)
        if fresh.strip("=") and rest.endswith("="):
            raise binascii.Error("data after the padding")
        rest += fresh
        whole = len(rest) - len(rest) % 4
        if rest.endswith("="):
            continue
        yield base64.b64decode(rest[:whole], validate=True)
        rest = rest[whole:]
    padding = "" if rest.endswith("=") else "=" * (-len(rest) % 4)
    yield base64.b64decode(rest + padding, validate=True)


def _find_payload(value: str) -> int:
    """Where the payload of a `data:` URL begins; of any other value, its start."""
    blank = len(value) - len(value.lstrip())
    if value[blank : blank + 5].lower() != "data:":
        return 0
    comma = value.find(",")
    if not value[blank : max(comma, blank)].lower().endswith(";base64"):
        raise ValueError("the data: URL is not a base64 one")
    return comma + 1


_DECODERS: Mapping[Encoding, Decoder] = {
    "base64": _decode_document,
    "paddlex": _decode_file,
    "picture": _decode_picture,
    "data_url": _decode_data_url,
}
