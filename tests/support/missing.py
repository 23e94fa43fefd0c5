"""What a machine may lack: the test skips itself and names it, or fails where the run asks for everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from tests.support.tessdata import RUSSIAN, find_tessdata
from vlm_backend.embedded.languages import LATIN


def is_required(variable: str = "REQUIRE_ALL") -> bool:
    return os.environ.get(variable) == "1"


def skip_mark(is_missing: bool, what: str) -> pytest.MarkDecorator:
    """For parameters of a test, which take no fixture. With REQUIRE_ALL=1 the test runs, and fails by itself."""
    return pytest.mark.skipif(is_missing and not is_required(), reason=what)


MIXED_TESSDATA = find_tessdata(RUSSIAN, LATIN)
needs_russian = skip_mark(find_tessdata(RUSSIAN) is None, "no Tesseract data for Russian (Debian: tesseract-ocr-rus)")
needs_russian_and_english = skip_mark(
    MIXED_TESSDATA is None, "no Tesseract data for Russian and English (Debian: tesseract-ocr-rus tesseract-ocr-eng)"
)


def skip_without(what: str, variable: str = "REQUIRE_ALL") -> NoReturn:
    """Skips with `what` is missing and how to get it; fails with `variable`=1 in the environment.

    For what can be installed. Rights, such as root's, are skipped without it: no run can be told to have them.
    """
    if is_required(variable):
        pytest.fail(f"{what} ({variable}=1)", pytrace=False)
    pytest.skip(what)
