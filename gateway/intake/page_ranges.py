"""Which pages of a document a client asks for."""

from __future__ import annotations

import re
from itertools import chain

from gateway.errors import ServiceError
from gateway.reading_options import OWN_NAMES, OptionNames

_MAX_PAGES = 10**9
"""More than a part can name."""
_NUMBER = re.compile(r"[0-9]+")
_PART = re.compile(r"([0-9]{1,9})?\s*(-)?\s*([0-9]{1,9})?")


def select_pages(spec: str | None, pages_total: int, names: OptionNames = OWN_NAMES) -> tuple[int, ...]:
    """Page numbers from 1, ascending, each once.

    `spec` is like `1-3,7`, `9-` (to the last) or `-2` (from the first); None or blank: all pages. A range that begins
    in the file ends with it: the first five pages of each file can be asked for, whatever it holds. `names`: how a
    refusal says it to the client.

    Raises ServiceError 422 `invalid_pages` for a part that is no range, or of which the file has no page.
    """
    if spec is None or not spec.strip():
        return tuple(range(1, pages_total + 1))
    # Merged before they are spelled out: a long list of overlapping ranges must not cost its sum.
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(_parse_part(part.strip(), pages_total, names) for part in spec.split(",")):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(last, ranges[-1][1]))
        else:
            ranges.append((first, last))
    return tuple(chain.from_iterable(range(first, last + 1) for first, last in ranges))


def check_ranges(spec: str | None, names: OptionNames) -> None:
    """Raises ServiceError 422 `invalid_pages` for what would select no page of any file."""
    if spec is not None and spec.strip():
        for part in spec.split(","):
            _parse_part(part.strip(), _MAX_PAGES, names)


def _parse_part(part: str, pages_total: int, names: OptionNames) -> tuple[int, int]:
    match = _PART.fullmatch(part)
    if not match or (match[1] is None and match[3] is None) or (match[2] is None and match[3] is not None):
        raise _invalid(names, part, "is not a page or a range like 1-3, 7, 9- or -2")
    first = int(match[1] or 1)
    last = int(match[3] or (pages_total if match[2] else first))
    if first < 1 or (match[3] is not None and last < 1):
        raise _invalid(names, part, "names page 0; pages count from 1")
    if first > pages_total:
        held = "1 page" if pages_total == 1 else f"{pages_total} pages"
        counted = f"; the first is number {names.first_page}" if names.first_page != 1 else ""
        raise _invalid(names, part, f"names a page that does not exist: the file has {held}{counted}")
    if last < first:
        raise _invalid(names, part, "runs backwards")
    return first, min(last, pages_total)


def _invalid(names: OptionNames, part: str, reason: str) -> ServiceError:
    excerpt = part if len(part) <= 40 else part[:40] + "…"
    if names.first_page != 1:
        excerpt = _NUMBER.sub(lambda number: str(int(number[0]) - 1 + names.first_page), excerpt)
    name = names.pages or "pages"
    return ServiceError(422, "invalid_pages", f"`{name}`: '{excerpt}' {reason}.", param=name)
