"""What a run writes for each file, under which names, and the row that the table has of it.

documents/KEY.md, documents/KEY.json    what was read; the JSON is written last and says that the file is done
failed/KEY.json                         why a file was set aside
table/*.parquet                         a row for each file
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from paddleocr_vl_client.models import DocumentStatus, Timings

DOCUMENTS, FAILED, TABLE = "documents", "failed", "table"
_LONGEST_PART = 200
"""Bytes of a name; file systems take 255, with the ending and that of a file that is not whole yet."""
_OUR_ENDINGS = (".md", ".json")


class Row(msgspec.Struct, frozen=True):
    """What became of a file. `key` is its name below the source, `result` the file below the target that tells more.

    `status` is `failed` for one that was set aside, for `code` and `error`. A row that is `stopped` never gets into the
    table: no file is to blame for its `error`, and the run ends with it. `seconds` are those of the service.
    """

    key: str
    status: Literal["ok", "partial", "failed", "stopped"]
    pages: int = 0
    characters: int = 0
    warnings: tuple[str, ...] = ()
    code: str = ""
    error: str = ""
    seconds: float = 0.0
    result: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """What the row needs of `Document`; pages are counted only."""

    status: DocumentStatus
    pages: tuple[msgspec.Raw, ...]
    markdown: str
    warnings: tuple[str, ...] = ()
    timings: Timings = Timings()


def json_name(key: str) -> str:
    return f"{DOCUMENTS}/{escape_key(key)}.json"


def markdown_name(key: str) -> str:
    return f"{DOCUMENTS}/{escape_key(key)}.md"


def failure_name(key: str) -> str:
    return f"{FAILED}/{escape_key(key)}.json"


def escape_key(key: str) -> str:
    """A path for a key: another one for each key, which no result of another key stands in the way of.

    Nearly all are left as they are. `%` marks what is changed: folders that are called like a result (`a.pdf.md`),
    parts that mean something to a file system, and parts that are too long for one.
    """
    *folders, name = key.split("/")
    return "/".join([*(_escape(part, is_folder=True) for part in folders), _escape(name, is_folder=False)])


def _escape(part: str, is_folder: bool) -> str:
    encoded = part.encode()
    if len(encoded) > _LONGEST_PART:
        digest = hashlib.sha256(encoded).hexdigest()[:32]
        return f"{encoded[: _LONGEST_PART // 2].decode(errors='ignore').replace('%', '%25')}%{digest}"
    is_special = part in ("", ".", "..") or (is_folder and part.endswith(_OUR_ENDINGS))
    return part.replace("%", "%25") + ("%" if is_special else "")


def parse_answer(key: str, body: bytes) -> tuple[Row, str]:
    """The row of a document that was read, and its Markdown, from the service's JSON. msgspec.MsgspecError."""
    answer = msgspec.json.decode(body, type=_Answer)
    row = Row(
        key,
        answer.status,
        pages=len(answer.pages),
        characters=len(answer.markdown),
        warnings=answer.warnings,
        seconds=answer.timings.total_ms / 1000,
        result=json_name(key),
    )
    return row, answer.markdown


def parse_failure(body: bytes) -> Row:
    return msgspec.json.decode(body, type=Row)
