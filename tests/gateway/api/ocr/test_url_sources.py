"""Documents that `POST /ocr` fetches itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.answers import assert_problem
from tests.support.origin import Origin, origin
from tests.support.server import Gateway, gateway


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), url_fetch="any", max_upload_mb=2) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Origin]:
    with origin() as found:
        yield found


def test_a_document_by_url_is_read(served: Gateway, elsewhere: Origin, tiff: bytes) -> None:
    elsewhere.files["/scans/a%20b.tiff"] = elsewhere.files["/scans/a b.tiff"] = tiff
    source = {"url": f"{elsewhere.url}/scans/a%20b.tiff?token=secret"}
    answer = served.post(json={"source": source, "pages": "2"}, headers={"authorization": "Bearer x", "cookie": "a=b"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"]["name"] == "a b.tiff"
    assert answer.json()["document"]["media_type"] == "image/tiff"
    assert [page["page"] for page in answer.json()["pages"]] == [2]
    assert not {"authorization", "cookie"} & set(elsewhere.headers)


def test_a_name_beside_the_url_is_kept(served: Gateway, elsewhere: Origin, png: bytes) -> None:
    elsewhere.files["/1"] = png
    answer = served.post(json={"source": {"url": f"{elsewhere.url}/1", "name": "mine.png"}})
    assert answer.json()["document"]["name"] == "mine.png"


def test_what_can_not_be_fetched_is_a_problem(served: Gateway, elsewhere: Origin) -> None:
    elsewhere.files["/big"] = b"x" * 2_000_001
    elsewhere.files["/text"] = b"hello"
    for path, status, code in (
        ("/nothing", 400, "url_unreachable"),
        ("/big", 413, "url_too_large"),
        ("/text", 415, "unsupported_media_type"),
    ):
        assert_problem(served.post(json={"source": {"url": elsewhere.url + path}}), status, code)


def test_options_are_checked_before_anything_is_fetched(served: Gateway, elsewhere: Origin) -> None:
    answer = served.post(json={"source": {"url": f"{elsewhere.url}/a.png"}, "nonsense": 1})
    assert_problem(answer, 422, "unknown_option")
    assert elsewhere.asked == []
