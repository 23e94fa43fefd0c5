"""Pictures inside tables, back in their cells: the tag that the VLM read there gives way to the picture."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from gateway.model import Block, Region


def with_figures(regions: Sequence[Region], blocks: Sequence[Block], pictures: Mapping[str, str]) -> list[Block]:
    """The blocks, those of pictures in tables put into the table's HTML. `pictures`: block id to picture key.

    A picture whose tag the VLM did not read, or read in what is no table, keeps its own block.
    """
    at_order = {region.order: at for at, region in enumerate(regions)}
    placed: dict[int, Block] = dict(enumerate(blocks))
    for at, region in enumerate(regions):
        holder = at_order.get(region.holder or 0)
        if holder is None or region.tag is None:
            continue
        table = _with_figure(placed[holder], region.tag, blocks[at], pictures.get(blocks[at].id))
        if table is not None:
            placed[holder] = table
            del placed[at]
    return list(placed.values())


def _with_figure(table: Block, tag: str, figure: Block, picture: str | None) -> Block | None:
    if not table.content.startswith("<table>"):
        return None
    content, found = _pattern(tag).subn(lambda _match: _shown(figure, picture), table.content)
    if not found:
        return None
    changes: dict[str, object] = {"content": content}
    if table.status == "ok" and figure.status in ("failed", "truncated"):
        changes |= {"status": figure.status, "error": f"The text of a picture in it: {figure.error}"}
    return table.model_copy(update=changes)


def _pattern(tag: str) -> re.Pattern[str]:
    """The tag as the VLM may have written it, with spaces between its signs."""
    return re.compile(r"\s*".join(map(re.escape, (tag[0], tag[1], tag[2:-1], tag[-1]))))


def _shown(figure: Block, picture: str | None) -> str:
    image = [f'<img src="{html.escape(picture)}" alt="Image" />'] if picture else []
    lines = [html.escape(line.strip(), quote=False) for line in figure.content.splitlines() if line.strip()]
    return "<br>".join([*image, *lines])
