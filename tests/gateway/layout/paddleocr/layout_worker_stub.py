"""In the place of `layout_worker.py`: speaks its protocol, and does what the first byte of a page says.

Argument: a folder, in which each start leaves a file named by the process.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from gateway.workers import messages, sandbox
from gateway.workers.messages import Header

TEXT = 22
FINE, CRASH, HANG, FAIL, CRASH_ONCE = 255, 1, 2, 3, 4


def main(folder: Path) -> None:
    requests, answers = sandbox.take_private_ends()
    sandbox.exit_with_parent(requests.fileno())
    (folder / f"{os.getpid()}.started").touch()
    if (folder / "refuse").exists():
        messages.send(answers, {"error": "the folder says no"})
        return
    messages.send(answers, {"ready": True, "batch": 4})
    while True:
        request, descriptor = messages.receive_request(requests)
        messages.send(answers, answer(request, descriptor, folder))


def answer(request: Header, descriptor: int, folder: Path) -> Header:
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    os.close(descriptor)
    with (folder / "batches").open("a") as log:
        log.write(f"{len(request['sizes'])}\n")
    pages = []
    start = 0
    for height, width in request["sizes"]:
        act(content[start], folder)
        if content[start] == FAIL:
            return {"error": "the page says no"}
        box = {"class": TEXT, "score": request["options"]["threshold"], "box": [0, 0, width, height], "outline": None}
        pages.append([box])
        start += height * width * 3
    return {"pages": pages}


def act(what: int, folder: Path) -> None:
    if what == HANG:
        time.sleep(3600)
    is_first = not (folder / "crashed").exists()
    if what == CRASH or (what == CRASH_ONCE and is_first):
        (folder / "crashed").touch()
        os.kill(os.getpid(), 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
