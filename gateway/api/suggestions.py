"""Which path a client may have meant that has asked for one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

MAX_PATH = 200
"""Characters; none of our paths is nearly as long. What a path costs is so at most this times the paths there are."""
_LEAST_LIKENESS, _ALMOST_ALIKE = 75, 90


def suggest_path(path: str, known: Iterable[str]) -> str | None:
    """The known path that is most like it, or None. `{}` in a known one stands for any part between two slashes.

    One that is spelt almost alike goes before one that only begins otherwise, as after a wrong base URL.
    """
    if len(path) > MAX_PATH:
        return None
    asked = _split(path.lower())
    candidates = {name: _split(name) for name in known if name != "/"}
    filled = {name: _join(_fill(parts, asked)) for name, parts in candidates.items()}
    found = process.extractOne(_join(asked), filled, scorer=fuzz.ratio, score_cutoff=_LEAST_LIKENESS)
    if found and found[1] >= _ALMOST_ALIKE:
        return str(found[2])
    if tails := [name for name, parts in candidates.items() if _is_tail(parts, asked)]:
        return max(tails, key=lambda name: len(candidates[name]))
    if wholes := [name for name, parts in candidates.items() if _is_tail(asked, parts)]:
        return min(wholes, key=lambda name: len(candidates[name]))
    return str(found[2]) if found else None


def _split(path: str) -> Sequence[str]:
    return [part for part in path.split("/") if part]


def _join(parts: Sequence[str]) -> str:
    return "".join(f"/{part}" for part in parts)


def _is_tail(parts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `whole` ends with `parts`, of which one at least is named."""
    tail = whole[-len(parts) :] if 0 < len(parts) < len(whole) else ()
    pairs = list(zip(parts, tail, strict=False))
    return any(one == other for one, other in pairs) and all(
        one == other or one.startswith("{") or other.startswith("{") for one, other in pairs
    )


def _fill(parts: Sequence[str], asked: Sequence[str]) -> Sequence[str]:
    """The known path with what was asked for in its open places, so that only its names are compared."""
    if len(parts) != len(asked):
        return parts
    return [other if part.startswith("{") else part for part, other in zip(parts, asked, strict=True)]
