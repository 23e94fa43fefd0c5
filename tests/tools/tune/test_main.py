"""What `make tune` says before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.tune.__main__ import main


def test_an_engine_elsewhere_is_not_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of `.env` hold for what the trials start, too: each would end with the same fault."""
    (tmp_path / ".env").write_text("VLM_ENGINE=external\nVLM_MODELS=a=http://127.0.0.1:1/v1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="VLM_MODELS"):
        main([])
