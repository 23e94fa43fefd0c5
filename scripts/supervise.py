"""Is supervisord, and ends with the code that the guardian stored: supervisord's own is 0 whatever happened."""

from __future__ import annotations

import contextlib
import shutil
import sys

from supervisor import supervisord

from scripts.private_folder import PrivateFolder, private_folder
from scripts.supervision import TITLES


def stored_exit_code(folder: PrivateFolder) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(folder.exit_code.read_text(encoding="utf-8"))
    return 0


def main(arguments: list[str]) -> None:
    folder = private_folder()
    try:
        supervisord.main(arguments)
        # A leader that ended in time may have left children of its own.
        for name in TITLES:
            folder.kill_group(name)
        sys.exit(stored_exit_code(folder))
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
