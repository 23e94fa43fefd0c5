"""Pages whose text layers are sound, and pages whose layers lie: what is taken of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.model import BBox, Pixels, Reading
from gateway.text_layer.document_text import DocumentText, find_offer, look_at_layer
from gateway.text_layer.drawings import DrawingIndex
from tests.gateway.text_layer.pages import layout_of, open_page, read_sample, truth_of
from tests.support.subtle_lies import subtle_lies, write_two_pages
from tests.support.text_layers import LayerPage, broken_layers, sound_layers


def take(page: LayerPage) -> tuple[list[str | None], Sequence[str]]:
    """The text that is taken of each region, None where the engine has to read it; and the page's warnings."""
    return take_next(page, DocumentText(), DrawingIndex())


def take_next(
    page: LayerPage, document: DocumentText, index: DrawingIndex, number: int = 1
) -> tuple[list[str | None], Sequence[str]]:
    """The same for a page of a document; `number`: of the page of its file."""
    image = open_page(page, number)
    seen = look_at_layer(image, index)
    layout = replace(layout_of(page), lines=seen.lines or ())
    text = document.examine(image, layout, seen, has_sample=True)

    async def read(sample: Pixels, boxes: Sequence[BBox]) -> Reading:
        return Reading(text=read_sample(text, sample, boxes, page.lines))

    if text.rows:
        asyncio.run(document.prove(text, read))
    offers = [find_offer(text, region, ()) for region in layout.regions]
    taken = [offer.reading.text if offer and document.is_proved(offer) else None for offer in offers]
    return taken, (*image.warnings, *seen.warnings)


BROKEN, SOUND = [*broken_layers(), *subtle_lies()], sound_layers()


def test_enough_kinds_of_lies() -> None:
    assert len({page.name for page in BROKEN}) == len(BROKEN) >= 40


@pytest.mark.parametrize("page", BROKEN, ids=lambda page: page.name)
def test_nothing_is_taken_that_is_not_seen(page: LayerPage) -> None:
    taken, _ = take(page)
    for at, text in enumerate(taken):
        assert text in (None, truth_of(page, at))


@pytest.mark.parametrize("page", SOUND, ids=lambda page: page.name)
def test_sound_layer_is_taken_whole(page: LayerPage) -> None:
    taken, warnings = take(page)
    assert taken == [truth_of(page, at) for at in range(len(page.regions))]
    assert not warnings


@pytest.mark.parametrize(
    "page",
    [page for page in BROKEN if page.name.startswith(("hidden", "scan")) and page.name != "hidden: of no size"],
    ids=lambda page: page.name,
)
def test_hidden_text_is_named(page: LayerPage) -> None:
    taken, warnings = take(page)
    assert not any(taken)
    assert any("can't be seen" in warning for warning in warnings)


def test_font_of_another_page_proves_nothing_that_is_drawn_otherwise() -> None:
    """Both pages show the same; their fonts have one name and one size, and the second one's tells 6 for 9."""
    page, document, index = write_two_pages(), DocumentText(), DrawingIndex()
    first, _ = take_next(page, document, index)
    second, _ = take_next(page, document, index, 2)
    assert first == [truth_of(page, 0)]
    assert second == [None]
