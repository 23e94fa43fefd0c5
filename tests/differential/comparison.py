"""Where two outcomes differ, in the smallest parts that can be told apart."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from gateway.model import Pixels
from tests.differential.cases import Case
from tests.differential.mends import levelled, mended
from tests.differential.recording import Call
from tests.differential.sides import Outcome, Page

PATCH = 28
PROCESSOR_LIMITS = (28 * 28 * 144, 28 * 28 * 2048)
"""Fewest and most pixels that our tier starts vLLM with; a crop that comes within is only rounded to patches."""
ENCODING_LOSS = 7.0
"""Mean difference in grey levels of one crop on both sides. JPEG at quality 75 (theirs) and another way to scale (ours
before sending, theirs in the VLM's processor) cost 2 to 4 levels on drawn pages, up to 6.5 on photographed ones; print
moved by one pixel differs by more."""

Item = dict[str, Any]
Mender = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that the two sides do or say differently; None where a side does not have it."""

    case: str
    page: int
    what: str
    label: str
    theirs: Any
    ours: Any


def deviations(case: Case, theirs: Outcome, ours: Outcome) -> list[Deviation]:
    found = list(_of_calls(case, theirs.calls, ours.calls))
    if theirs.error or ours.error:
        return [*found, Deviation(case.name, 0, "outcome", "", theirs.error, ours.error)]
    for number, (one, other) in enumerate(zip(theirs.pages, ours.pages, strict=True)):
        found += _of_pages(case.name, number, one, other)
    return found


def _of_calls(case: Case, theirs: Sequence[Call], ours: Sequence[Call]) -> Iterator[Deviation]:
    one, other = ({call.key: call for call in calls} for calls in (theirs, ours))
    twice = [key for calls in (theirs, ours) for key, times in Counter(call.key for call in calls).items() if times > 1]
    for key in sorted({*one, *other}):
        label = case.sheets[key[0]].seen[key[1][0]].label if key[1] else "page"
        if key in twice:
            yield Deviation(case.name, key[0], "calls told apart", label, key, key)
        elif key not in one or key not in other:
            yield Deviation(case.name, key[0], "call", label, one.get(key) and key, other.get(key) and key)
        else:
            for what, their, our in _of_call(one[key], other[key]):
                yield Deviation(case.name, key[0], what, label, their, our)


def _of_call(theirs: Call, ours: Call) -> Iterator[tuple[str, Any, Any]]:
    if theirs.prompt != ours.prompt:
        yield "prompt", theirs.prompt, ours.prompt
    if theirs.max_tokens != ours.max_tokens:
        yield "max tokens", theirs.max_tokens, ours.max_tokens
    for name in sorted({*theirs.parameters, *ours.parameters}):
        values = theirs.parameters.get(name), ours.parameters.get(name)
        if values[0] != values[1]:
            yield f"parameter {name}", *values
    sizes = [processed_size(call) for call in (theirs, ours)]
    if sizes[0] != sizes[1]:
        yield "crop size", f"{_size(theirs)} read as {sizes[0]}", f"{_size(ours)} read as {sizes[1]}"
    elif sizes[0] and (loss := distance(theirs.pixels, ours.pixels, sizes[0])) > ENCODING_LOSS:
        yield "crop pixels", _size(theirs), f"{_size(ours)}, {loss:.1f} grey levels"


def processed_size(call: Call) -> tuple[int, int] | None:
    """Width and height that PaddleOCR-VL's processor scales the crop to; None for a crop that it refuses.

    After `smart_resize` of the model's processor.
    """
    height, width = call.pixels.shape[:2]
    least, most = call.limits or PROCESSOR_LIMITS
    if height < PATCH:
        width, height = round(width * PATCH / height), PATCH
    if width < PATCH:
        width, height = PATCH, round(height * PATCH / width)
    if max(width, height) > 200 * min(width, height):
        return None
    sides = [round(side / PATCH) * PATCH for side in (width, height)]
    if math.prod(sides) > most:
        scale = math.sqrt(most / (width * height))
        sides = [math.floor(side * scale / PATCH) * PATCH for side in (width, height)]
    elif math.prod(sides) < least:
        scale = math.sqrt(least / (width * height))
        sides = [math.ceil(side * scale / PATCH) * PATCH for side in (width, height)]
    return sides[0], sides[1]


def _size(call: Call) -> str:
    return f"{call.pixels.shape[1]}x{call.pixels.shape[0]}"


def distance(one: Pixels, other: Pixels, size: tuple[int, int]) -> float:
    """Mean difference in grey levels of what the VLM sees of two crops, as its processor scales them."""
    scaled = (Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC) for crop in (one, other))
    theirs, ours = (np.asarray(image, dtype=np.float32) for image in scaled)
    return float(np.abs(theirs - ours).mean())


def _of_pages(case: str, number: int, theirs: Page, ours: Page) -> Iterator[Deviation]:
    for what, items in (("layout box", _boxes), ("block", _blocks)):
        for one, other in _aligned(
            items(theirs, partial(mended, page=number)), items(ours, partial(levelled, page=number))
        ):
            for name, their, our in _of_items(one, other):
                label = (one or other or {})["label"]
                yield Deviation(case, number, f"{what}{name}", label, their, our)
    for what, their, our in _of_markdown(mended(theirs.markdown, number), levelled(ours.markdown, number)):
        yield Deviation(case, number, what, "", their, our)
    keys = {mended(key, number) for key in theirs.images}
    for key in sorted(keys ^ {*ours.images}):
        yield Deviation(case, number, "picture", "", *((key, None) if key in keys else (None, key)))
    for name in sorted({*theirs.pruned, *ours.pruned} - {"parsing_res_list", "layout_det_res"}):
        their, our = _settings(theirs.pruned.get(name)), _settings(ours.pruned.get(name))
        if their != our:
            yield Deviation(case, number, f"page's {name}", "", their, our)


def _of_items(one: Item | None, other: Item | None) -> Iterator[tuple[str, Any, Any]]:
    if one is None or other is None:
        yield "", one, other
        return
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield f"'s {name}", one.get(name), other.get(name)


def _boxes(page: Page, _mend: Mender) -> list[Item]:
    """The layout's boxes, of their numbers in the order only whether there is one: the rest is their sequence."""
    return [
        {
            "label": box["label"],
            "bbox": [round(side) for side in box["coordinate"]],
            "class": box["cls_id"],
            "score": round(box["score"], 3),
            "numbered": box["order"] is not None,
            "outline": _outline(box.get("polygon_points")),
        }
        for box in page.pruned.get("layout_det_res", {}).get("boxes", [])
    ]


def _blocks(page: Page, mend: Mender) -> list[Item]:
    """The blocks; those that a block refers to by number are named by label and box."""
    blocks = page.pruned["parsing_res_list"]
    return [
        {
            "label": block["block_label"],
            "bbox": block["block_bbox"],
            "content": mend(block["block_content"]),
            "numbered": block["block_order"] is not None,
            "group": _name(blocks[block["group_id"]]) if block["group_id"] < len(blocks) else "none",
            "global group": block.get("global_group_id") == block.get("global_block_id"),
            "outline": _outline(block.get("block_polygon_points")),
        }
        for block in blocks
    ]


def _name(block: dict[str, Any]) -> str:
    return f"{block['block_label']} {block['block_bbox']}"


def _outline(points: Sequence[Sequence[float]] | None) -> list[tuple[int, int]] | None:
    """The corners, from the one nearest to the page's origin: where an outline begins, and which way, means nothing."""
    if points is None:
        return None
    corners = [(round(x), round(y)) for x, y in points]
    ways = [[*way[at:], *way[:at]] for way in (corners, corners[::-1]) for at in range(len(corners))]
    return min(ways, key=lambda way: (sum(way[0]), way))


def _settings(value: object) -> object:
    """The labels to ignore are a set, in whatever order they come."""
    if not isinstance(value, dict) or "markdown_ignore_labels" not in value:
        return value
    return {**value, "markdown_ignore_labels": sorted(value["markdown_ignore_labels"])}


def _aligned(theirs: list[Item], ours: list[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    """Pairs with the same label and box, in both sides' order; what only one side has comes alone."""
    one, other = ([(item["label"], *item["bbox"]) for item in items] for items in (theirs, ours))
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from zip(theirs[a:b], ours[c:d], strict=True)
        else:
            yield from ((item, None) for item in theirs[a:b])
            yield from ((None, item) for item in ours[c:d])


def _of_markdown(theirs: str, ours: str) -> Iterator[tuple[str, str, str]]:
    """Words that differ; where none do, paragraphs that are divided in another way."""
    words = theirs.split(), ours.split()
    if words[0] != words[1]:
        for their, our in _differing(*words):
            yield "markdown", " ".join(their), " ".join(our)
    else:
        for their, our in _differing(_paragraphs(theirs), _paragraphs(ours)):
            yield "markdown's paragraphs", "\n\n".join(their), "\n\n".join(our)


def _differing(theirs: list[str], ours: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    for kind, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if kind != "equal":
            yield theirs[a:b], ours[c:d]


def _paragraphs(markdown: str) -> list[str]:
    """White space within a paragraph, and how many empty lines stand between two, mean nothing."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", markdown) if part.strip()]
