"""Clients of PaddleOCR's hosted service, unmodified, against this service's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import KEY, ROOT, recording_gateway, regions, run
from tests.gateway.intake.files import pdf
from tests.support import local_http
from tests.support.server import Gateway

PAGE = ROOT / "examples" / "article-en.png"
TITLE = "# line one line two"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with recording_gateway(tmp_path_factory.mktemp("gateway"), api_keys=KEY, jobs=True) as running:
        running.layout.regions = regions()
        running.client.headers["Authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "two.pdf"
    file.write_bytes(pdf(2))
    return file


def test_the_sdk_reads_documents_and_lines(jobs: Gateway) -> None:
    got = run("jobs", "jobs_client.py", "sdk", jobs.url, KEY, str(PAGE))
    assert [text.startswith(TITLE) for text in got["texts"]] == [True]
    assert len(got["lines"][0]) > 20
    ((picture,),) = got["pictures"]
    assert local_http.get(picture).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("client", ["sdk_async", "command", "langchain", "haystack"])
def test_clients_read_each_page(jobs: Gateway, document: Path, client: str) -> None:
    got = run("jobs", "jobs_client.py", client, jobs.url, KEY, str(document))
    assert "\n".join(got["texts"]).count(TITLE) == 2


def test_a_batch_is_followed(jobs: Gateway, document: Path) -> None:
    got = run("jobs", "jobs_client.py", "batch", jobs.url, KEY, str(document))
    assert len(got["texts"]) == 4
    assert got["states"] == ["done", "done"]


def test_paddleocr_mcp_reads_by_its_hosted_source(jobs: Gateway, document: Path) -> None:
    contents = run("mcp", "mcp_client.py", jobs.url, str(document), "{}", "PaddleOCR-VL-1.6", KEY)
    assert "".join(content["text"] or "" for content in contents).count(TITLE) == 2
