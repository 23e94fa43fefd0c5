"""What all ways are asked, load by load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.questions import Question, endless, full_size, repeated, taught


@dataclass(frozen=True, slots=True)
class Load:
    """`is_known`: the model's answers are the same in every batch, so any two of them must be equal."""

    name: str
    questions: list[Question]
    is_known: bool = True


def taught_loads(folder: Path, calls: int, output_tokens: Sequence[int]) -> list[Load]:
    """For the checkpoint that was taught the folder's lessons: so many calls of each load; of the first the crops of
    one example in turn, of another one answers of so many tokens."""
    loads = [Load("the example's crops, read to their end", repeated(taught(folder), calls))]
    loads += [Load(f"{tokens} tokens each", repeated(endless(folder, tokens), calls)) for tokens in output_tokens]
    return loads


def full_size_loads(calls: int) -> list[Load]:
    return [Load("regions of real pages, tokens as many as their truth has", full_size(calls), is_known=False)]
