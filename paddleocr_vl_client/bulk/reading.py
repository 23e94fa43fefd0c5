"""One file of a run: from the source through a service to the target, or set aside there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from paddleocr_vl_client.bulk.endpoints import Endpoints
from paddleocr_vl_client.bulk.results import (
    Row,
    failure_name,
    json_name,
    markdown_name,
    parse_answer,
    parse_failure,
)
from paddleocr_vl_client.bulk.stores import Store, open_store
from paddleocr_vl_client.client import Client
from paddleocr_vl_client.commands.failures import CommandError, ExitStatus
from paddleocr_vl_client.commands.reading import NO_JOBS, convert_by_job
from paddleocr_vl_client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    InvalidResponseError,
    PermissionDeniedError,
    RateLimitError,
)
from paddleocr_vl_client.models import Conversion
from paddleocr_vl_client.options import ReadOptions
from paddleocr_vl_client.pauses import RetryPolicy, is_passing

_PIECE = 1 << 20
_BUSY_S = 1.0
"""The pause of a service that has too much to do and does not say for how long."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process of a run has to know. `source` and `target` as `normalize_place` has them.

    A file is tried `tries` times before it is set aside, and waits `wait_s` for a service.
    `retries_failed`: files that an earlier run set aside are read again.
    """

    source: str
    target: str
    urls: tuple[str, ...]
    api_key: str | None
    options: ReadOptions
    tries: int
    wait_s: float
    retries_failed: bool


class SourceError(Exception):
    """A file could not be fetched from the source."""


class FileReader:
    """Reads files, for several threads at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._source, self._target = open_store(plan.source), open_store(plan.target)
        self._endpoints = Endpoints(plan.urls, plan.api_key, plan.wait_s)
        self._policy = RetryPolicy(max_retries=plan.tries - 1)
        self._stop: Row | None = None

    def close(self) -> None:
        self._endpoints.close()

    def read(self, key: str) -> Row:
        """What became of it. Never raises: after what stops the run, every file is `stopped`."""
        if self._stop is None:
            try:
                return self._find(key) or self._read(key)
            except CommandError as error:
                self._stop = Row(key, "stopped", code=error.status.name, error=str(error))
            except OSError as error:
                reason = f"{self._plan.target} can't be used: {error.strerror or error}."
                self._stop = Row(key, "stopped", code=ExitStatus.FAILED.name, error=reason)
        return self._stop

    def _find(self, key: str) -> Row | None:
        """The row of a file that the target holds already: from a run that was killed, or whose actor was."""
        if (body := self._target.read(json_name(key))) is not None:
            try:
                return parse_answer(key, body)[0]
            except msgspec.MsgspecError:
                return None
        if not self._plan.retries_failed and (body := self._target.read(failure_name(key))) is not None:
            return parse_failure(body)
        return None

    def _read(self, key: str) -> Row:
        try:
            with tempfile.NamedTemporaryFile(prefix="paddleocr-vl-") as file:
                self._fetch(key, file)
                body = self._convert(Path(file.name), key)
            row, markdown = parse_answer(key, body)
        except SourceError as error:
            return self._set_aside(key, "source_unreadable", str(error))
        except msgspec.MsgspecError as error:
            return self._set_aside(key, "invalid_response", f"The answer can't be understood: {error}.")
        except APIError as error:
            return self._set_aside(key, _code_of(error), str(error))
        self._target.write(markdown_name(key), markdown.encode())
        # The last: who finds it finds the Markdown too.
        self._target.write(json_name(key), body)
        if self._plan.retries_failed and self._target.read(failure_name(key)) is not None:
            self._target.delete(failure_name(key))
        return row

    def _set_aside(self, key: str, code: str, error: str) -> Row:
        row = Row(key, "failed", code=code, error=error, result=failure_name(key))
        self._target.write(row.result, msgspec.json.encode(row))
        return row

    def _fetch(self, key: str, file: IO[bytes]) -> None:
        """SourceError after some tries."""
        for retries in range(self._plan.tries):
            file.seek(0)
            file.truncate()
            try:
                for piece in _pieces(self._source, key):
                    file.write(piece)
            except SourceError as error:
                pause_s = self._policy.pause_s(retries, APIConnectionError())
                if pause_s is None or isinstance(error.__cause__, FileNotFoundError):
                    raise
                time.sleep(pause_s)
            else:
                file.flush()
                return

    def _convert(self, file: Path, key: str) -> bytes:
        """The JSON. APIError after some tries; CommandError where no file would fare better."""
        name, retries = PurePosixPath(key).name, 0
        while True:
            with self._endpoints.borrow() as endpoint:
                try:
                    return _content(endpoint.client.convert(file, "json", name=name, **self._plan.options))
                except RateLimitError as error:
                    # The service is busy, which says nothing about the file.
                    self._endpoints.rest(endpoint, error.retry_after_s or _BUSY_S, str(error))
                    continue
                except (AuthenticationError, PermissionDeniedError) as error:
                    raise CommandError(f"{endpoint.client.base_url}: {error}") from error
                except APIError as error:
                    failure = error
                if isinstance(failure, APIStatusError) and failure.code == "deadline_exceeded":
                    return self._convert_by_job(endpoint.client.base_url, file, key, failure)
                if is_passing(failure):
                    self._endpoints.suspect(endpoint)
            pause_s = self._policy.pause_s(retries, failure)
            if pause_s is None:
                raise failure
            time.sleep(pause_s)
            retries += 1

    def _convert_by_job(self, url: str, file: Path, key: str, deadline: APIStatusError) -> bytes:
        """A job has no deadline. Raises `deadline` where the service takes none."""
        with Client(url, api_key=self._plan.api_key) as client:
            try:
                place, name = f"{self._plan.source}/{key}", PurePosixPath(key).name
                return _content(convert_by_job(client, file, "json", self._plan.options, place=place, name=name))
            except APIStatusError as error:
                if error.code in NO_JOBS:
                    raise deadline from error
                raise


def _pieces(source: Store, key: str) -> Iterator[bytes]:
    """The bytes of a file. SourceError, so that a full disk here is not taken for it."""
    try:
        with source.open(key) as stream:
            while piece := stream.read(_PIECE):
                yield piece
    except OSError as error:
        raise SourceError(f"The file can't be read: {error.strerror or error}.") from error


def _content(found: Conversion) -> bytes:
    """InvalidResponseError where there is none."""
    if not found.content:
        raise InvalidResponseError("The answer is empty.")
    return found.content


def _code_of(error: APIError) -> str:
    match error:
        case APIStatusError():
            return error.code or f"http_{error.status}"
        case APITimeoutError():
            return "timeout"
        case APIConnectionError():
            return "connection_lost"
    return "invalid_response"
