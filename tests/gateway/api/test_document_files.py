"""A document that is too large for memory is a file only as long as it is read."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.intake.files import pdf
from tests.support.server import Gateway, gateway, leave_when
from tests.support.stub_engine import Reply
from tests.support.waiting import wait_until

LARGE = pdf(pages=2) + b"\n" * 2_000_000
BROKEN = b"%PDF-1.7\n" + bytes(2_000_000)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("roomy")) as running:
        yield running


def nameless_files() -> int:
    """Open files of this process, in which the gateway runs, that are larger than a megabyte and have no name."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += link.stat().st_size > 10**6 and "(deleted)" in os.readlink(link)
    return found


def lines(data: bytes) -> str:
    return base64.encodebytes(data).decode()


WAYS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "form": lambda data: {"files": {"file": ("a.pdf", data)}},
    "bytes": lambda data: {"content": data, "headers": {"Content-Type": "application/pdf"}},
    "json": lambda data: {"json": {"source": {"base64": lines(data)}}},
    "data url": lambda data: {"json": {"source": {"base64": " data:application/pdf;base64," + lines(data)}}},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_gives_the_same_bytes_and_leaves_no_file(roomy: Gateway, way: str) -> None:
    answer = roomy.post(**WAYS[way](LARGE)).json()
    assert (answer["status"], len(answer["pages"])) == ("ok", 2)
    assert answer["document"]["sha256"] == hashlib.sha256(LARGE).hexdigest()
    wait_until(lambda: nameless_files() == 0, "the file's end")


@pytest.mark.parametrize("way", WAYS)
def test_a_document_that_cant_be_read_leaves_no_file(roomy: Gateway, way: str) -> None:
    assert roomy.post(**WAYS[way](BROKEN)).json()["code"] == "damaged_pdf"
    wait_until(lambda: nameless_files() == 0, "the file's end")


def test_paddlex_dialect_leaves_no_file(roomy: Gateway) -> None:
    answer = roomy.client.post("/layout-parsing", json={"file": base64.b64encode(LARGE).decode(), "fileType": 0})
    assert len(answer.json()["result"]["layoutParsingResults"]) == 2
    wait_until(lambda: nameless_files() == 0, "the file's end")


def test_a_client_that_leaves_takes_its_file_along(roomy: Gateway) -> None:
    roomy.reset()
    roomy.engine.answer = lambda _request: Reply(hang=True)
    leave_when(lambda: roomy.engine.running > 0, f"{roomy.url}/ocr", files={"file": LARGE})
    wait_until(lambda: nameless_files() == 0, "the file's end")
    roomy.reset()


@pytest.mark.parametrize(
    "text", ["AA==" + "A" * 2_000_000, "A" * 2**20 + "==AA", "A" * 2**20 + "!" + "A" * 7, "A" * (2**20 + 1)]
)
def test_long_base64_that_is_none(roomy: Gateway, text: str) -> None:
    assert roomy.post(json={"source": {"base64": text}}).json()["code"] == "invalid_base64"


def test_base64_whose_lines_and_padding_fall_anywhere(roomy: Gateway) -> None:
    for size in range(786_430, 786_436):
        data = LARGE[:900] + b"\n" * size
        for text in (base64.b64encode(data).decode(), lines(data)):
            sent = roomy.post(json={"source": {"base64": text}}).json()
            assert sent["code"] == "damaged_pdf"
