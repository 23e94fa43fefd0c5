"""Tesseract's data for Russian and English: the machine's own, else what `make test` has fetched without root.

`python -m tests.support.tessdata` fetches them where the machine lacks them; without them tests skip themselves.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from common.debian import FetchError
from vlm_backend.embedded.languages import LATIN, TESSDATA_FOLDERS, TESSERACT, fetch_tessdata

RUSSIAN = TESSERACT["ru"]
FETCHED = Path(__file__).resolve().parents[2] / "build" / "tessdata"
"""Outlives a run; git ignores it and `make clean` removes it."""


def find_tessdata(*languages: str) -> str | None:
    """A folder that has the data for all of them."""
    folders = [os.environ.get("TESSDATA_PREFIX"), *TESSDATA_FOLDERS, str(FETCHED)]
    return next((folder for folder in folders if folder and _holds(Path(folder), languages)), None)


def offer_fetched() -> None:
    """Lets the engines of this process's tests find what was fetched, where the machine has no data of its own."""
    if str(FETCHED) in (find_tessdata(RUSSIAN, LATIN), find_tessdata(RUSSIAN)):
        os.environ["TESSDATA_PREFIX"] = str(FETCHED)


def _holds(folder: Path, languages: tuple[str, ...]) -> bool:
    return all((folder / f"{language}.traineddata").is_file() for language in languages)


def main() -> None:
    if find_tessdata(RUSSIAN, LATIN) is not None:
        return
    try:
        asyncio.run(fetch_tessdata(RUSSIAN, FETCHED, companion=LATIN))
    except FetchError as error:
        sys.stderr.write(f"The tests that read Russian will be skipped: {error}\n")


if __name__ == "__main__":
    main()
