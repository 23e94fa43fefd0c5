"""Pictures inside tables on their way to the VLM."""

from __future__ import annotations

import numpy as np

from gateway.imaging.crops import cut_crop
from gateway.imaging.table_images import assign_tags, mask_figures
from gateway.model import Region
from gateway.tasks import RegionTask
from tests.gateway.imaging.test_crops import opened
from tests.support.fakes import blank

TABLE = Region("table", (100, 100, 500, 400), 1)


def test_pictures_inside_a_table_get_a_tag_each() -> None:
    inside = [Region("image", (120, 120, 200, 200), 2), Region("seal", (300, 120, 400, 200), 3)]
    _, *figures = assign_tags([TABLE, *inside])
    assert [figure.parent_table for figure in figures] == [1, 1]
    assert len({figure.tag for figure in figures}) == 2


def test_other_regions_stay_as_they_are() -> None:
    others = [
        Region("image", (0, 0, 90, 90), 2),
        Region("image", (450, 120, 550, 200), 3),
        Region("image", (120, 120, 200, 144), 4),
        Region("chart", (120, 120, 200, 200), 5),
        Region("text", (120, 120, 200, 200), 6),
    ]
    assert assign_tags([TABLE, *others]) == [TABLE, *others]


def test_tags_hold_no_digit_that_reads_as_a_letter() -> None:
    figures = [Region("image", (110, 110 + at, 200, 200 + at), at + 2) for at in range(60)]
    tags = [figure.tag or "" for figure in assign_tags([TABLE, *figures])[1:]]
    assert len(set(tags)) == 60
    assert not set("019") & set("".join(tags))


def test_the_engine_gets_a_tag_on_white_in_the_place_of_the_picture() -> None:
    page = blank(600, 500)
    page[120:220, 120:280] = (200, 10, 30)
    table, figure = assign_tags([TABLE, Region("image", (120, 120, 280, 220), 2)])
    plain = opened(cut_crop(page, table, RegionTask(), fit=False))
    masked = opened(cut_crop(page, table, RegionTask(min_pixels=1), fit=True, partners=[figure]))
    assert (plain[20:120, 20:180] == (200, 10, 30)).all()
    place = masked[20:120, 20:180].astype(int)
    assert (place.max(axis=2) - place.min(axis=2) == 0).all()
    assert 0.01 < (place < 128).mean() < 0.5
    assert (masked[0:20] == 255).all()
    assert (page[120:220, 120:280] == (200, 10, 30)).all()


def test_a_tag_fits_a_small_picture() -> None:
    table, figure = assign_tags([TABLE, Region("image", (200, 200, 225, 225), 2)])
    painted = mask_figures(blank(400, 300), table.bbox[:2], [figure])
    outside = np.delete(painted, range(95, 130), axis=0)
    assert (outside == 255).all()
    assert (painted < 128).any()
