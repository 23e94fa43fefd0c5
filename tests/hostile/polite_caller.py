"""A polite caller who needs the gateway while it is attacked.

    with service_process(folder, engine, max_documents="4") as service, polite_caller(service, page) as caller:
        attack(service.port)
        caller.served_again()

The end of the block fails if an answer was not right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support import local_http
from tests.support.service_process import Service
from tests.support.waiting import WAIT_S, wait_until

READING = "what the polite caller asked for"
"""What the engine says of every crop, and so what each right answer holds."""
PAUSE_S = 0.05


@dataclass
class PoliteCaller:
    """Reads one page after the other, and asks `/livez` besides; over connections of their own, as strangers do."""

    service: Service
    page: bytes
    headers: Mapping[str, str]
    pages: int = 0
    lives: int = 0
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def read_page(self) -> httpx.Response:
        files, options = {"file": ("page.png", self.page)}, {"task": "text", "images": "none"}
        return local_http.post(f"{self.service.url}/ocr", files=files, data=options, headers=self.headers)

    def served_again(self) -> None:
        """Waits until two more pages are read and `/livez` has answered twice more, and none was refused."""
        pages, lives = self.pages + 2, self.lives + 2
        wait_until(
            lambda: self.faults or (self.pages >= pages and self.lives >= lives), "the polite caller", self.service.log
        )
        assert not self.faults, self.faults[:5]

    def _read_pages(self) -> None:
        while not self._stop.wait(PAUSE_S):
            self._note_page()

    def _note_page(self) -> None:
        try:
            answer = self.read_page()
        except httpx.HTTPError as error:
            self.faults.append(f"/ocr: {error!r}")
            return
        if answer.status_code == 200 and READING in answer.text:
            self.pages += 1
        else:
            self.faults.append(f"/ocr: {answer.status_code} {answer.text[:200]}")

    def _ask_lives(self) -> None:
        while not self._stop.wait(PAUSE_S):
            try:
                alive = local_http.get(f"{self.service.url}/livez").status_code == 200
            except httpx.HTTPError as error:
                self.faults.append(f"/livez: {error!r}")
                continue
            if alive:
                self.lives += 1
            else:
                self.faults.append("/livez: not 200")


@contextmanager
def polite_caller(service: Service, page: bytes, key: str | None = None) -> Iterator[PoliteCaller]:
    """A caller at work, who has been served before the attack, and must be served after it too.

    `page` is a picture, `key` one of API_KEYS. `faults` holds each answer that was not right.
    """
    caller = PoliteCaller(service, page, {"X-API-Key": key} if key else {})
    threads = [threading.Thread(target=work, daemon=True) for work in (caller._read_pages, caller._ask_lives)]
    for thread in threads:
        thread.start()
    try:
        caller.served_again()
        yield caller
        caller.served_again()
    finally:
        caller._stop.set()
        for thread in threads:
            thread.join(WAIT_S)
