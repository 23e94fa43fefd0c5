from __future__ import annotations

import pytest

from common import remedies
from common.remedies import command_of


def test_a_checkout_is_told_of_make_and_a_wheel_of_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command_of("fetch-models") == "`make fetch-models`"
    monkeypatch.setattr(remedies, "IS_INSTALLED", True)
    assert command_of("fetch-models") == "`paddleocr-vl fetch-models`"
    assert not any("make" in command_of(target) for target in ("vllm", "vllm-cpu", "layout"))
