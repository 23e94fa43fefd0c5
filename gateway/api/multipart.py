"""Multipart forms as clients and proxies write them: more than RFC 7578 allows and starlette's parser reads."""

from __future__ import annotations

import asyncio
import binascii
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from gateway.intake.disposition import parse_filename

FILE = "file"
"""The part that holds the document."""
MAX_PREAMBLE = 64 * 1024
"""Bytes before the first part, which readers have to ignore (RFC 2046)."""
MAX_PART_HEAD = 16 * 1024
"""Bytes of a part's headers that are looked at, and of a delimiter's line."""
_HEAD_END = re.compile(rb"(?:\A|\n)\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_LINE_END = re.compile(rb"\r?\n")
_WHITE = b" \t\r\n"
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")


class FormParser(MultiPartParser):
    """Knows a file by `filename*` alone, and the document by the name of its part; undoes the base64 of parts that mail
    libraries write."""

    def close_unfinished(self, form: FormData) -> None:
        """Closes the file of a part that the body has no end of, which is not in the form."""
        finished = {id(value.file) for _, value in form.multi_items() if isinstance(value, UploadFile)}
        for file in self._files_to_close_on_error:
            if id(file) not in finished:
                file.close()

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._base64: _Base64 | None = None

    def on_headers_finished(self) -> None:
        sent = self._current_part.content_disposition
        if sent is not None:
            self._current_part.content_disposition = _rewrite_disposition(sent, self._charset)
        coding = dict(self._current_part.item_headers).get(b"content-transfer-encoding", b"")
        self._base64 = _Base64() if coding.strip().lower() == b"base64" else None
        super().on_headers_finished()
        if file := self._current_part.file:
            self._current_part.file = _FairFile(
                file.file, size=file.size, filename=file.filename, headers=file.headers
            )

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._base64 is None:
            super().on_part_data(data, start, end)
        else:
            self._add_decoded(lambda coded: coded.decode(data[start:end]), self._base64)

    def on_part_end(self) -> None:
        if self._base64 is not None:
            self._add_decoded(_Base64.finish, self._base64)
        super().on_part_end()

    def _add_decoded(self, decode: Callable[[_Base64], bytes], coded: _Base64) -> None:
        try:
            decoded = decode(coded)
        except binascii.Error as error:
            raise MultiPartException(f"a part says that it is base64, and it is not: {error}") from None
        super().on_part_data(decoded, 0, len(decoded))


class _FairFile(UploadFile):
    """Goes to the disk in threads that callers share by turns, and not in those of starlette, which serve first who
    came first, forty at once."""

    async def write(self, data: bytes) -> None:
        if not self._will_roll(len(data)):
            await super().write(data)
            return
        self.size = (self.size or 0) + len(data)
        await asyncio.to_thread(self.file.write, data)

    async def read(self, size: int = -1) -> bytes:
        return await super().read(size) if self._in_memory else await asyncio.to_thread(self.file.read, size)

    async def seek(self, offset: int) -> None:
        self.file.seek(offset)

    async def close(self) -> None:
        await asyncio.to_thread(self.file.close)


class _Base64:
    """Decodes a text that comes in pieces, in either alphabet, with padding or without."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_padded = False

    def decode(self, piece: bytes) -> bytes:
        text = self._rest + piece.translate(_ONE_ALPHABET, _WHITE)
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return self._decode_whole(text[:whole])

    def finish(self) -> bytes:
        return self._decode_whole(self._rest + b"=" * (-len(self._rest) % 4))

    def _decode_whole(self, text: bytes) -> bytes:
        if text and self._is_padded:
            raise binascii.Error("more follows its padding")
        self._is_padded = self._is_padded or text.endswith(b"=")
        return binascii.a2b_base64(text, strict_mode=True)


def _rewrite_disposition(sent: bytes, charset: str) -> bytes:
    """The header with the file's name, if it has any, in `filename` as starlette reads it."""
    disposition, options = parse_options_header(sent)
    is_plain = b"filename" in options and b"=?" not in options[b"filename"] and b"*" not in sent
    if is_plain or b"name" not in options:
        return sent
    filename = parse_filename(sent.decode("utf-8", "surrogateescape"))
    if filename is None and options[b"name"] != FILE.encode():
        return sent
    encoded = (filename or "").encode(charset, "surrogateescape" if charset == "utf-8" else "replace")
    return b'%b; name="%b"; filename="%b"' % (disposition, _quote(options[b"name"]), _quote(encoded))


def _quote(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


async def normalize_multipart(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """The body from its first delimiter to its last, as starlette's parser reads it: a header in one line, nothing
    behind a delimiter, lines that end with CR and LF."""
    normalizer = _Normalizer(b"--" + boundary)
    async for piece in stream:
        if out := normalizer.feed(piece):
            yield out
    if out := normalizer.finish():
        yield out


async def limit_delimiters(stream: AsyncIterator[bytes], boundary: bytes, most: int) -> AsyncGenerator[bytes, None]:
    """The body. MultiPartException where more than `most` parts follow the first: around each delimiter single bytes
    are looked at, in Python, and a file holds none."""
    line, kept, count = b"\n--" + boundary, b"", 0
    async for piece in stream:
        window = kept + piece
        count += window.count(line)
        if count > most + 1:
            raise MultiPartException(f"Too many parts. Maximum number of parts is {most + 1}.")
        kept = window[-len(line) + 1 :]
        yield piece


class _Normalizer:
    """`_step` takes what it can from what came, and tells whether the next one may go on."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._line_end = b"\r\n"
        """That of the first delimiter; the others have the same."""
        self._came = b""
        self._out: list[bytes] = []
        self._is_last = False
        self._step: Callable[[], bool] = self._skip_preamble

    def feed(self, piece: bytes) -> bytes:
        self._came += piece
        while self._step():
            pass
        out = b"".join(self._out)
        self._out.clear()
        return out

    def finish(self) -> bytes:
        """What is left where no more comes; a last delimiter needs no end of its line."""
        self._is_last = True
        return self.feed(b"") + (b"" if self._step == self._skip_epilogue else self._came)

    def _go_on(self, step: Callable[[], bool], start: int) -> bool:
        self._step, self._came = step, self._came[start:]
        return True

    def _skip_preamble(self) -> bool:
        came, delimiter = self._came, self._delimiter
        at = 0 if came.startswith(delimiter) else came.find(b"\n" + delimiter) + 1
        if not at and not came.startswith(delimiter):
            return len(came) > MAX_PREAMBLE and self._pass_on()
        end = self._find_line_end(at + len(delimiter))
        if end is None:
            return False
        line = came[at:end]
        self._line_end = b"\n" if line.endswith(b"\n") and not line.endswith(b"\r\n") else b"\r\n"
        return self._end_delimiter(at, end)

    def _pass_on(self) -> bool:
        """Gives what came to the parser as it is, which refuses it."""
        self._out.append(self._came)
        self._came, self._step = b"", self._pass_on
        return False

    def _find_line_end(self, start: int) -> int | None:
        """End of the delimiter's line, of a last one that of its hyphens; 0 where it is no delimiter, None where what
        came does not tell yet."""
        came = self._came
        if came.startswith(b"--", start):
            return start + 2
        end = came.find(b"\n", start, start + MAX_PART_HEAD) + 1
        if end:
            return 0 if came[start:end].strip(_WHITE) else end
        if not came[start : start + MAX_PART_HEAD].strip(_WHITE) and len(came) - start >= MAX_PART_HEAD:
            raise MultiPartException(f"More than {MAX_PART_HEAD} blanks follow a delimiter.")
        is_open = len(came) - start < MAX_PART_HEAD and came[start:].strip(_WHITE) in (b"", b"-")
        return None if is_open and not self._is_last else 0

    def _end_delimiter(self, start: int, end: int) -> bool:
        if not end:
            return self._pass_on()
        if self._came[:end].endswith(b"--"):
            self._out.append(self._delimiter + b"--\r\n")
            return self._go_on(self._skip_epilogue, end)
        self._out.append(self._delimiter + b"\r\n")
        return self._go_on(self._take_head, end)

    def _take_head(self) -> bool:
        end = _HEAD_END.search(self._came[:MAX_PART_HEAD])
        if end is None:
            return len(self._came) >= MAX_PART_HEAD and self._pass_on()
        head = _FOLD.sub(b" ", self._came[: end.end()])
        self._out.append(_LINE_END.sub(b"\r\n", head))
        return self._go_on(self._take_data, end.end())

    def _take_data(self) -> bool:
        mark = self._line_end + self._delimiter
        at = self._came.find(mark)
        if at < 0:
            kept = max(len(self._came) - len(mark) + 1, 0)
            self._out.append(self._came[:kept])
            self._came = self._came[kept:]
            return False
        end = self._find_line_end(at + len(mark))
        if end is None:
            self._out.append(self._came[:at])
            self._came = self._came[at:]
            return False
        if not end:
            self._out.append(self._came[: at + len(mark)])
            return self._go_on(self._take_data, at + len(mark))
        self._out += [self._came[:at], b"\r\n"]
        return self._end_delimiter(at, end)

    def _skip_epilogue(self) -> bool:
        self._came = b""
        return False
