"""A path that does not exist names the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from gateway.api.problems import MAX_PATH, suggest_path
from tests.support.answers import assert_problem
from tests.support.server import Gateway, gateway


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/layout_parsing", "/layout-parsing"),
        ("/layoutparsing", "/layout-parsing"),
        ("/Layout-Parsing", "/layout-parsing"),
        ("/v1/layout-parsing", "/layout-parsing"),
        ("/api/v1/ocr", "/v1/ocr"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/convert/file", "/v1/convert/file"),
        ("/v1/convert/flie", "/v1/convert/file"),
        ("/job/5f0c2a7e", "/jobs/{job_id}"),
        ("/api/v2/orc/jobs/5f0c2a7e", "/api/v2/ocr/jobs/{job_id}"),
        ("/healthz", "/health"),
        ("/file-parse", "/file_parse"),
        ("/openapi", "/openapi.json"),
        ("/v2/models", "/v1/models"),
    ],
)
def test_the_path_that_was_meant(served: Gateway, path: str, meant: str) -> None:
    answer = served.client.post(path)
    assert answer.status_code == 404
    assert answer.text.count(f"Did you mean `{meant}`?") == 1, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/playground/x.js",
        "/favicon.ico",
        "/wp-login.php",
        "/x/y",
        "/" + "ocr/" * 60,
        "/" + "a" * 2000,
    ],
)
def test_what_is_like_none_is_told_where_all_are(served: Gateway, path: str) -> None:
    answer = served.client.get(path, follow_redirects=True)
    assert_problem(answer, 404, "not_found")
    assert answer.json()["detail"] == "There is no such path. `/docs` lists all."


def test_each_dialect_says_it_in_its_own_shape(served: Gateway) -> None:
    for path, where in (
        ("/v1/ocr/x/v1/ocr", ("error", "message")),
        ("/documentintelligence/documentModels/prebuilt-read:analyse", ("error", "message")),
        ("/tasks/1/results", ("detail",)),
    ):
        told = served.client.get(path).json()
        for name in where:
            told = told[name]
        assert told.startswith("There is no such path. Did you mean `/"), told


def test_behind_a_prefix_it_is_named_with_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with gateway(tmp_path_factory.mktemp("prefixed"), root_path="/paddle") as running:
        assert "Did you mean `/paddle/ocr`?" in running.client.post("/paddle/orc").text


def test_known_paths_are_looked_at_once_and_long_ones_not_at_all() -> None:
    class Counted(Iterable[str]):
        looked_at = 0

        def __iter__(self) -> Iterator[str]:
            for name in ("/ocr", "/jobs/{job_id}", "/v1/files/{file_id}/content"):
                self.looked_at += 1
                yield name

    known = Counted()
    assert suggest_path("/" + "a/" * (MAX_PATH // 2 - 1), known) is None
    assert known.looked_at == 3
    assert suggest_path("/ocr" + "/" * MAX_PATH, known) is None
    assert known.looked_at == 3
