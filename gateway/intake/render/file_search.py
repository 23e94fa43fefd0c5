"""What is searched for in a whole file: a piece at a time, so that a long one takes no more memory than a short one.

Pages of a file that a process has mapped and looked at count as its own, though the kernel could take them back.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import closing
from typing import IO

PIECE_BYTES = 2**22
"""A multiple of the size of pages of memory."""
MAX_MATCH_BYTES = 2**16


def map_file(file: IO[bytes]) -> closing[mmap.mmap]:
    """The file's bytes, not empty, to be read only."""
    return closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def find_all(pattern: re.Pattern[bytes], data: mmap.mmap) -> Iterator[re.Match[bytes]]:
    """As `pattern.finditer`; one that is longer than `MAX_MATCH_BYTES` may be passed over."""
    position = 0
    for start in range(0, len(data), PIECE_BYTES):
        end = min(start + PIECE_BYTES, len(data))
        while (match := pattern.search(data, position, end + MAX_MATCH_BYTES)) and match.start() < end:
            position = match.end()
            yield match
        position = max(position, end)
        data.madvise(mmap.MADV_DONTNEED, start, end - start)
