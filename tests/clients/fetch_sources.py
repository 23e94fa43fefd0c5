"""Gets the files of clients that sources.txt names, each once.

    python tests/clients/fetch_sources.py

They come into build/client-sources/ as <repository's name>/<path>, with the SHA-256 that the list has. SOURCES_URL is
where they are looked for, GitHub if it isn't set. Whoever can't reach it is told so, and tests without their client.
"""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.request
from pathlib import Path

LIST = Path(__file__).with_name("sources.txt")
FOLDER = Path(__file__).parents[2] / "build" / "client-sources"
TIMEOUT_S = 60


def main() -> None:
    url = os.environ.get("SOURCES_URL", "https://raw.githubusercontent.com").rstrip("/")
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        digest, place = line.split()
        _owner, name, _commit, path = place.split("/", 3)
        try:
            fetch(f"{url}/{place}", FOLDER / name / path, digest)
        except OSError as error:
            sys.exit(f"{url} can't be reached ({error}); the clients of {LIST.name} are not tested.")


def fetch(url: str, file: Path, digest: str) -> None:
    """Nothing where the file is there as it should be. Raises OSError; ends the program at a file that is another."""
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
        return
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != digest:
        sys.exit(f"{url} is not the file that {LIST.name} names.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


if __name__ == "__main__":
    main()
