"""Stored pictures are served, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.answers import assert_problem
from tests.support.server import Gateway

ID = "0" * 32


@pytest.mark.parametrize(
    "path",
    [
        f"/files/{ID}/imgs/none.jpg",
        f"/files/{ID}/secret.txt",
        f"/files/{ID}/imgs/..%2f..%2fsecret.txt",
        f"/files/{ID}/imgs/%2e%2e/secret.txt",
        "/files/..%2f..%2fetc/passwd",
        "/files/short/imgs/a.jpg",
        f"/files/{ID}/imgs/a.jpg%00.png",
    ],
)
def test_other_names_are_not_found(served: Gateway, path: str) -> None:
    folder = served.service.settings.output_dir / ID
    (folder / "imgs").mkdir(parents=True, exist_ok=True)
    (folder / "secret.txt").write_text("secret")
    assert_problem(served.client.get(path), 404, "not_found")
