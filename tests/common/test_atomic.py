"""Files that are replaced in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.atomic import replace_file


def test_a_text_takes_another_ones_place(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "status.json"
    for text in ("first", "文 second"):
        replace_file(target, text)
        assert target.read_text(encoding="utf-8") == text
    assert list(target.parent.iterdir()) == [target]


def test_a_text_that_finds_no_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(OSError, match=r"status\.json"):
        replace_file(tmp_path / "status.json", "text")
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
