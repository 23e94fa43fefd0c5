"""Documents from a bucket, and pictures into it, through the whole service."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.model import Region
from tests.support.answers import assert_problem
from tests.support.s3_server import BUCKET, S3Server, client_of
from tests.support.server import Gateway, gateway
from tests.support.waiting import wait_until

KEY = "scans/page one.png"


@pytest.fixture(scope="module")
def stored(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), max_upload_mb=1, **s3.settings) as running:
        wait_until(lambda: health(running)["s3_storage"] == "ok", "a bucket that is ok")
        yield running


def health(running: Gateway) -> dict[str, Any]:
    content: dict[str, Any] = running.client.get("/health").json()
    return content


def with_picture(running: Gateway, png: bytes) -> dict[str, Any]:
    """An answer with one picture, stored."""
    running.layout.regions = [Region("image", (10, 10, 90, 90), 1)]
    answer = running.read(png, images="stored")
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


@pytest.mark.parametrize(
    "source",
    ["scans/page one.png", f"s3://{BUCKET}/scans/page one.png", {"key": "scans/page one.png", "bucket": BUCKET}],
)
def test_a_document_is_read_from_the_bucket(s3: S3Server, stored: Gateway, png: bytes, source: object) -> None:
    client_of(s3).put_object(Bucket=BUCKET, Key=KEY, Body=png)

    answer = stored.post(json={"source": {"s3": source}})

    assert answer.status_code == 200
    assert answer.json()["document"]["name"] == "page one.png"
    assert answer.json()["pages"][0]["width"] == 400


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("no/such.png", 400, "s3_not_found"),
        ("s3://another-bucket/a.png", 400, "s3_not_allowed"),
        ({"bucket": BUCKET}, 400, "s3_not_allowed"),
        (7, 400, "s3_not_allowed"),
        ("../another-bucket/a.png", 400, "s3_not_allowed"),
        ("scans/../../another-bucket/a.png", 400, "s3_not_allowed"),
        ("scans/./a.png", 400, "s3_not_allowed"),
        ("..", 400, "s3_not_allowed"),
        ("scans\\..\\a.png", 400, "s3_not_allowed"),
        ("scans/\x00.png", 400, "s3_not_allowed"),
        ("a" * 2000, 400, "s3_not_allowed"),
        (f"s3://{BUCKET}/../another-bucket/a.png", 400, "s3_not_allowed"),
        ({"key": "..", "bucket": BUCKET}, 400, "s3_not_allowed"),
        ("large.bin", 413, "s3_too_large"),
    ],
)
def test_a_document_that_is_not_read(s3: S3Server, stored: Gateway, source: object, status: int, code: str) -> None:
    client_of(s3).put_object(Bucket=BUCKET, Key="large.bin", Body=bytes(1_500_000))

    assert_problem(stored.post(json={"source": {"s3": source}}), status, code)


def test_stored_pictures_lie_in_the_bucket_and_are_served(s3: S3Server, stored: Gateway, png: bytes) -> None:
    content = with_picture(stored, png)
    key, url = next(iter(content["images"].items()))

    in_bucket = client_of(s3).get_object(Bucket=BUCKET, Key=f"ocr/{content['id']}/{key}")
    served = stored.client.get(url)

    assert in_bucket["ContentType"] == served.headers["content-type"] == "image/jpeg"
    assert in_bucket["Body"].read() == served.content
    assert not list(stored.service.settings.output_dir.glob("*/imgs/*"))


def test_a_bucket_that_fails_costs_no_document(
    s3: S3Server, png: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {**s3.settings, "s3_secret_access_key": "not the secret"}
    with gateway(tmp_path_factory.mktemp("gateway"), **settings) as running:
        wait_until(lambda: "SECRET" in str(health(running)["s3_reason"]), "a reason")
        ready: httpx.Response = running.client.get("/readyz")
        content = with_picture(running, png)
        picture = running.client.get(next(iter(content["images"].values())))

        assert health(running)["s3_storage"] == "error"
        assert ready.status_code == 200
        assert content["status"] == "ok"
        assert picture.content.startswith(b"\xff\xd8")
        assert_problem(running.post(json={"source": {"s3": "a.png"}}), 503, "storage_unavailable")


def test_inline_pictures_stay_inline(stored: Gateway, png: bytes) -> None:
    stored.layout.regions = [replace(Region("image", (10, 10, 90, 90), 1), score=0.9)]
    content = stored.read(png).json()

    assert base64.b64decode(next(iter(content["images"].values()))).startswith(b"\xff\xd8")
