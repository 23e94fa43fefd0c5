"""Bodies of requests, URLs and the engine that are packed for the way (`Content-Encoding`), unpacked piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from encodings import normalize_encoding
from encodings.aliases import aliases

PIECE_BYTES = 2**16
"""Of what is unpacked at a time."""
MAX_RATIO = 100
RATIO_FREE_BYTES = 1_000_000
MAX_CODINGS = 3
"""One on another."""
CODINGS = ("gzip", "x-gzip", "deflate")
_SLICE_BYTES = 2**14
"""Of what is packed, at a time: zlib copies the rest of what it is given for each member that ends in it."""
_CHARSETS = frozenset(
    name for pair in aliases.items() if not pair[1].endswith("_codec") and pair[1] != "rot_13" for name in pair
)


class UnpackError(ValueError):
    """A body that can't be unpacked."""


class UnknownCodingError(UnpackError):
    """A body in a coding other than `CODINGS`, or in too many."""


def parse_codings(fields: Iterable[str]) -> list[str]:
    """The codings of all `Content-Encoding` fields that change a body, in the order in which they were applied.

    Some clients name the body's charset there, which changes nothing.
    """
    names = (name.strip().lower() for field in fields for name in field.split(","))
    return [name for name in names if name not in ("", "identity") and normalize_encoding(name) not in _CHARSETS]


class Unpacker:
    """Undoes codings, given in the order in which they were applied. Raises UnknownCodingError."""

    def __init__(self, codings: Sequence[str]) -> None:
        if len(codings) > MAX_CODINGS:
            raise UnknownCodingError(f"{len(codings)} codings one on another")
        if unknown := [coding for coding in codings if coding not in CODINGS]:
            raise UnknownCodingError(repr(unknown[0][:40]))
        self._stages = [_Stage(is_gzip=coding != "deflate") for coding in reversed(codings)]

    @property
    def has_more(self) -> bool:
        """Whether `step` has something to do."""
        return any(stage.has_more for stage in self._stages)

    @property
    def packed_bytes(self) -> int:
        """Of what was fed, those that were looked at."""
        return self._stages[0].packed_bytes

    @property
    def unpacked_bytes(self) -> int:
        """After the coding that has most behind it."""
        return max(stage.unpacked_bytes for stage in self._stages)

    @property
    def is_bomb(self) -> bool:
        return self.unpacked_bytes > RATIO_FREE_BYTES + MAX_RATIO * self.packed_bytes

    def feed(self, packed: bytes) -> None:
        """The next of the body, where `has_more` is false."""
        self._stages[0].feed(packed)

    def step(self) -> bytes:
        """The next piece, which may be empty; call it while `has_more`. Raises UnpackError."""
        # From the last stage on, so that what is between stages stays small.
        index = max(index for index, stage in enumerate(self._stages) if stage.has_more)
        piece = self._stages[index].step()
        if index == len(self._stages) - 1:
            return piece
        self._stages[index + 1].feed(piece)
        return b""

    def finish(self) -> None:
        """Raises UnpackError where the end is missing."""
        if not all(stage.is_whole for stage in self._stages):
            raise UnpackError("its end is missing")


class _Stage:
    """One coding: members of gzip one behind another, with zeros behind them (RFC 1952), or deflate, which servers send
    with zlib's header and without."""

    def __init__(self, *, is_gzip: bool) -> None:
        self.unpacked_bytes = 0
        self._is_gzip = is_gzip
        self._has_begun = False
        self._member: zlib._Decompress | None = None
        self._holds_output = False
        self._fed = memoryview(b"")
        self._slice = b""
        self._fed_bytes = 0

    @property
    def has_more(self) -> bool:
        return bool(self._slice or self._fed or self._holds_output)

    @property
    def is_whole(self) -> bool:
        return self._has_begun and self._member is None

    @property
    def packed_bytes(self) -> int:
        return self._fed_bytes - len(self._fed) - len(self._slice)

    def feed(self, packed: bytes) -> None:
        self._fed = memoryview(packed)
        self._fed_bytes += len(packed)

    def step(self) -> bytes:
        if not self._slice and not self._holds_output:
            self._slice, self._fed = bytes(self._fed[:_SLICE_BYTES]), self._fed[_SLICE_BYTES:]
        unpacked = bytearray()
        try:
            while len(unpacked) < PIECE_BYTES and self._begin_member():
                unpacked += self._unpack(PIECE_BYTES - len(unpacked))
        except zlib.error as error:
            raise UnpackError(str(error)) from None
        self.unpacked_bytes += len(unpacked)
        return bytes(unpacked)

    def _begin_member(self) -> bool:
        """Whether there is something to unpack."""
        if self._member is not None:
            return bool(self._slice or self._holds_output)
        if self._is_gzip and self._has_begun:
            self._slice = self._slice.lstrip(b"\0")
        if not self._slice:
            return False
        first = self._slice[0]
        if self._has_begun and not (self._is_gzip and first == 0x1F):
            raise UnpackError("something else follows its end")
        # The low bits are 8 in zlib's header; raw deflate would begin so with a padding bit that encoders leave unset.
        self._member = zlib.decompressobj(31 if self._is_gzip else 15 if first & 15 == 8 else -15)
        self._has_begun = True
        return True

    def _unpack(self, room: int) -> bytes:
        member = self._member
        assert member is not None
        piece = member.decompress(self._slice, room)
        if member.eof:  # it would keep all that it is fed from here on
            self._slice, self._member, self._holds_output = member.unused_data, None, False
        else:
            self._slice, self._holds_output = member.unconsumed_tail, len(piece) == room
        return piece
