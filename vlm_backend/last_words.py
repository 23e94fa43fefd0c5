"""Why a program ended, by what it wrote to its standard error: the sentence that says what is wrong.

A Python program's last line is seldom that sentence. vLLM's are pydantic's "For further information visit …", or
"Engine core initialization failed. See root cause above" of a process that only hears of another's failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

MAX_CHARACTERS = 300
"""Of the sentence; whole sentences are kept as far as they fit."""
WITHOUT_A_WORD = "A process of it ended without a word, as one does that is killed for want of memory."
MAX_MESSAGE_LINES = 12
"""Of an exception's message; what it quotes may be a page long."""

_PROCESS = re.compile(r"^\((?P<name>[A-Z]\w*(?: pid=\d+)?)\) ")
"""What vLLM puts before each line of each of its processes."""
_LOGGER = re.compile(r"^(?:ERROR|CRITICAL) [\d-]+ [\d:.]+ \[[^\]]*\] ?")
"""And vLLM's own log format before each line of a record."""
_HEADER = re.compile(r"Traceback \(most recent call last\):$")
_NEW_RECORD = re.compile(r"^(?:\{\"|\[?[A-Z]?\d{4}[-\d]*[T ]\d\d:|\[\w+\] |Process \S+:$|\S+:\d+: \w*Warning: )")
"""Begins of a line that no longer belongs to an exception's message."""
_CHAINED = re.compile(r"^(?:During handling of|The above exception was) .*:$")
_EXCEPTION = re.compile(r"^(?P<type>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?:: (?P<message>.*))?$")
_PYDANTIC = re.compile(r"^\d+ validation errors? for ")
_PYDANTIC_WORDS = re.compile(r"^(?:Value error|Assertion failed), ")
_PYDANTIC_DETAILS = re.compile(r" \[type=\w+, input_value=.*")
_TRAILER = re.compile(r"^\s*For further information visit ")
_COMPLAINT = re.compile(r"^(?:[\w./-]+(?: [\w-]+)?: error: |Fatal Python error: |\s*what\(\): )")
"""How a program says without an exception why it ends: argparse, the interpreter, C++."""
_POINTING = re.compile(r"\b(?:see|check) (?:the )?(?:root cause|stack ?trace|above|log)|for the root cause", re.I)
"""The sentence says only where the reason stands."""
_CONSEQUENCES = frozenset(
    {"BrokenPipeError", "CancelledError", "ConnectionResetError", "EOFError", "EngineDeadError", "KeyboardInterrupt"}
)
"""Exceptions of those that only lose what another process was for them."""
_TELLING = re.compile(r"\b(?:\w*Error|\w*Exception|error|fatal|killed)\b|out of memory", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"(])")

Line = tuple[int, str]
"""Where it stands, and its text without a process's name."""


def find_reason(text: str) -> str | None:
    """The sentence of `text` that says what went wrong; None where nothing is written.

    That is the last exception or complaint that does not point at another; where there is none, the last line that
    tells of an error, else the last of all.
    """
    lines = list(_lines(text))
    said = sorted((said for own in _group_by_process(lines) for said in _failures(own)), key=lambda failure: failure[0])
    if said:
        reasons = [sentence for _, sentence in said if not _POINTING.search(sentence)]
        return shorten(reasons[-1] if reasons else f"{WITHOUT_A_WORD} {said[-1][1]}")
    written = [line for _, line in lines if line.strip() and not _TRAILER.match(line)]
    telling = [line for line in written if _TELLING.search(line) and not _POINTING.search(line)]
    return shorten((telling or written)[-1]) if written else None


def shorten(sentence: str) -> str:
    """As many whole sentences as fit into `MAX_CHARACTERS`; of a first one that is longer, its beginning."""
    first, *others = _SENTENCE_END.split(" ".join(sentence.split()))
    for other in others:
        if len(first) + 1 + len(other) > MAX_CHARACTERS:
            break
        first = f"{first} {other}"
    return first if len(first) <= MAX_CHARACTERS else f"{first[: MAX_CHARACTERS - 1]}…"


def _lines(text: str) -> Iterator[Line]:
    """The lines, those of a log record in JSON unfolded into what it tells."""
    number = 0
    for raw in text.splitlines():
        line = "".join(filter(str.isprintable, raw.expandtabs())).rstrip()
        prefix = _PROCESS.match(line)
        for part in _unfold(line[prefix.end() :] if prefix else line):
            yield number, f"{prefix[0] if prefix else ''}{part}"
            number += 1


def _unfold(line: str) -> list[str]:
    if not line.startswith("{"):
        return [line]
    try:
        record = json.loads(line)
        told = record.get("exception") or record.get("detail") or record.get("event")
    except (ValueError, AttributeError):
        return [line]
    return [*str(told).splitlines(), ""] if told else [line]


def _group_by_process(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of each process by itself: those of several may stand between each other."""
    processes: dict[str, list[Line]] = {}
    for number, line in lines:
        prefix = _PROCESS.match(line)
        own = _LOGGER.sub("", line[prefix.end() :]) if prefix else line
        processes.setdefault(prefix["name"] if prefix else "", []).append((number, own))
    return list(processes.values())


def _failures(lines: Sequence[Line]) -> Iterator[tuple[int, str]]:
    """Where an exception's message or a complaint begins, and the sentence in it."""
    ignored = False
    is_trace = False
    for index, (number, line) in enumerate(lines):
        if _HEADER.search(line):
            is_trace, ignored = True, index > 0 and lines[index - 1][1].startswith("Exception ignored in")
        elif is_trace and line and not line.startswith(" "):
            is_trace = False
            sentence = None if ignored else _exception_sentence([text for _, text in lines[index:]])
            if sentence:
                yield number, sentence
        elif _COMPLAINT.match(line):
            yield number, _COMPLAINT.sub("", line) if line.lstrip().startswith("what()") else line


def _exception_sentence(lines: Sequence[str]) -> str | None:
    """lines: the one with the exception's type, and all that follow; None for one that is only a consequence."""
    found = _EXCEPTION.match(lines[0])
    if found is None:
        return lines[0]
    kind = found["type"].rpartition(".")[2]
    if kind in _CONSEQUENCES:
        return None
    message = _message([found["message"] or "", *lines[1:MAX_MESSAGE_LINES]])
    # `KeyError: 'dtype'` and the like are no sentences without the name.
    return message if len(message.split()) > 2 else f"{kind}: {message}".removesuffix(": ")


def _message(lines: Sequence[str]) -> str:
    """What an exception says: its first line, with those that it announces by a colon."""
    own: list[str] = []
    for line in lines:
        if own and (_CHAINED.match(line) or _HEADER.search(line) or _NEW_RECORD.match(line)):
            break
        if not _TRAILER.match(line):
            own.append(line.strip())
    if _PYDANTIC.match(own[0]):
        return _pydantic_message([line for line in own[1:] if line])
    if not own[0].endswith(":"):
        return own[0]
    end = own.index("") if "" in own else len(own)
    return " ".join(own[:end])


def _pydantic_message(lines: Sequence[str]) -> str:
    """lines: the name of a field or none, and what is wrong with it; the same for other fields."""
    if not lines:
        return "The configuration is not valid."
    for index, line in enumerate(lines):
        if _PYDANTIC_WORDS.match(line):
            return _PYDANTIC_DETAILS.sub("", _message([_PYDANTIC_WORDS.sub("", line), *lines[index + 1 :]]))
    return _PYDANTIC_DETAILS.sub("", ": ".join(lines[:2]))
