"""How much room a block's lines have on a page."""

from __future__ import annotations

import pytest

from gateway.assembly.text.columns import find_rooms
from gateway.model import BBox, Block

PROSE = "A line of prose that is wrapped\nat the end of its column and goes\non in the next one."
ADDRESS = "Herr Anton Berger\nLange Gasse 14"


def block(number: int, bbox: BBox, content: str, label: str = "text") -> Block:
    return Block(id=f"p1-b{number}", label=label, bbox=bbox, order=number, content=content)


def room(*blocks: Block) -> float:
    return find_rooms(blocks, 1000)["p1-b1"]


def test_address_over_prose() -> None:
    assert room(block(1, (100, 100, 300, 160), ADDRESS), block(2, (100, 300, 900, 400), PROSE)) == pytest.approx(4)


def test_address_alone_has_the_page() -> None:
    assert room(block(1, (100, 100, 300, 160), ADDRESS)) == pytest.approx(4)


def test_prose_fills_its_page() -> None:
    assert room(block(1, (100, 100, 900, 200), PROSE)) == pytest.approx(1)


def test_column_of_prose_has_its_own_width() -> None:
    above = block(2, (100, 100, 480, 400), PROSE)
    assert room(block(1, (100, 450, 480, 500), ADDRESS), above) == pytest.approx(1)


def test_what_stands_beside_takes_room() -> None:
    picture = block(2, (420, 80, 900, 300), "", "image")
    title = block(3, (100, 400, 900, 500), PROSE)
    assert room(block(1, (100, 100, 300, 160), ADDRESS), picture, title) == pytest.approx(1.6)
