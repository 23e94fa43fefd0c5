"""Pale slanted print under dark text, which detectors and recognisers take for a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import area, intersection_area
from textlines.detection import Quad, TextLine
from textlines.frame import MIN_REPEATED, find_frame, find_watermarks, line_axis
from textlines.glyphs import Components, Pixels, count_strip_rows, find_components, map_strips
from textlines.stamps import find_stamped_lines

Mask = NDArray[np.bool_]

PALE = 0.4, 0.94
"""Pale print lies between these shares of the way from the text's grey to the paper's."""
MIN_RANGE = 100
"""Grey levels between text and paper at least, or there is nothing between them to tell."""
STROKE = 5
"""Thinnest stroke in pixels: the soft edges of text are thinner."""
KERNEL = np.ones((STROKE, STROKE), np.uint8)
MAX_LOOKS = 8
"""Areas of the picture in which letters are looked at, box by box."""
MAX_FILL = 0.6
"""Share of its upright box that a letter fills at most; a tinted cell fills more."""
MIN_SIZE = 24
"""Smallest height and width in pixels of what is taken away."""
MIN_CROSSED = 12
"""Pixels of dark print over a pale letter from which it lies under text: pale headings stand alone."""
FLAT = 12.0
"""Grey levels by which the pixels of a letter deviate at most: those of photos differ."""
MIN_LETTERS, MIN_SLANT = 2, 10.0
"""A watermark has so many such letters; half of them are turned by so many degrees or more, as upright print is not."""

BAND_LENGTH, BAND_WIDTH = 1.0, 1.4
"""A watermark that is small and repeated is cut to pieces by the lines that it crosses: each goes on in a band so many
times its length to both sides, so many times as wide as itself."""
MIN_PALE_LENGTH = 4.0
"""Of pale text beside its height: shorter ones are scraps of a watermark."""
SAME = 0.5
"""Share of a line that a piece of a watermark holds from which on it is the same."""


def find_page_lines(detect: Callable[[Pixels], list[TextLine]], pixels: Pixels) -> list[TextLine]:
    """The lines that `detect` finds in an RGB page, those under coloured stamps too, and those of pale watermarks once:
    where their pieces are found, the text is looked for once more without them."""
    lines = _find_unmarked(detect, pixels)
    return [*lines, *find_stamped_lines(detect, pixels, lines)]


def _find_unmarked(detect: Callable[[Pixels], list[TextLine]], pixels: Pixels) -> list[TextLine]:
    clean = erase_watermarks(pixels)
    lines = detect(clean)
    found = find_watermarks(lines, find_frame(lines, pixels.shape[1], pixels.shape[0]))
    marks = [lines[index] for index in sorted(found)]
    without = erase_pieces(clean, [mark.quad for mark in marks]) if marks else clean
    if without is clean:
        return lines
    again = [line for line in detect(without) if not any(_is_same(line, mark) for mark in marks)]
    lost = [line for index, line in enumerate(lines) if index not in found and _is_pale_text(line, again)]
    return [*again, *lost, *marks]


def _is_pale_text(line: TextLine, again: Sequence[TextLine]) -> bool:
    """Whether a line that is not found again is text as pale as the watermark, and longer than a scrap of that."""
    x1, y1, x2, y2 = line.box
    is_found = any(intersection_area(line.box, other.box) > SAME * area(line.box) for other in again)
    return not is_found and max(x2 - x1, y2 - y1) >= MIN_PALE_LENGTH * min(x2 - x1, y2 - y1)


def _is_same(line: TextLine, mark: TextLine) -> bool:
    """Whether a line is what is left of a watermark's piece. Upright boxes of level lines are no part of it."""
    (x1, y1), (x2, y2) = line_axis(line.quad.astype(np.float64))[:2]
    is_slanted = min(abs(x2 - x1), abs(y2 - y1)) > np.tan(np.radians(MIN_SLANT)) * max(abs(x2 - x1), abs(y2 - y1))
    return bool(is_slanted) and intersection_area(line.box, mark.box) > SAME * area(line.box)


def erase_pieces(pixels: Pixels, pieces: Sequence[Quad]) -> Pixels:
    """The RGB picture with pale print made paper along the pieces of slanted watermarks, or everywhere where there are
    many; itself where they are dark."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    sample = gray[::4, ::4]
    dark, paper = float(np.percentile(sample, 1)), float(np.percentile(sample, 90))
    low = dark + PALE[0] * (paper - dark)
    bands = np.zeros(gray.shape, dtype=np.uint8)
    pale_pieces = 0
    for piece in pieces:
        ink = _cut_out(gray, piece)
        ink = ink[ink < dark + PALE[1] * (paper - dark)]
        if len(ink) and np.median(ink) >= low:
            pale_pieces += 1
            cv2.fillConvexPoly(bands, _find_band(piece), (1,))
    if pale_pieces >= MIN_REPEATED:
        bands[:] = 1
    if paper - dark < MIN_RANGE or not bands.any():
        return pixels
    near_text = cv2.dilate((gray < low).astype(np.uint8), np.ones((3, 3), np.uint8))
    result = pixels.copy()
    result[(bands > 0) & (near_text == 0)] = np.median(pixels[gray >= paper], axis=0)
    return result


def _cut_out(gray: Pixels, piece: Quad) -> Pixels:
    """The pixels inside the outline of a piece."""
    outline = cv2.convexHull(piece.round().astype(np.int32))
    x, y, width, height = cv2.boundingRect(outline)
    left, top = max(x, 0), max(y, 0)
    part = gray[top : max(y + height, 0), left : max(x + width, 0)]
    if not part.size:
        return part.reshape(-1)
    own = cv2.fillConvexPoly(np.zeros_like(part), outline - np.array((left, top), np.int32), (1,))
    return np.asarray(part[own > 0], dtype=np.uint8)


def _find_band(piece: Quad) -> NDArray[np.int32]:
    start, end, half = line_axis(piece.astype(np.float64))
    run = end - start
    across = np.array((-run[1], run[0])) / max(float(np.linalg.norm(run)), 1.0) * half * BAND_WIDTH
    first, last = start - BAND_LENGTH * run, end + BAND_LENGTH * run
    corners = np.array((first + across, last + across, last - across, first - across))
    return corners.round().astype(np.int32)


def erase_watermarks(pixels: Pixels) -> Pixels:
    """The RGB picture with pale letters under dark text made paper; the picture itself where there are none."""
    sample = _to_gray(np.ascontiguousarray(pixels[::4, ::4]))
    dark, paper = float(np.percentile(sample, 1)), float(np.percentile(sample, 90))
    if paper - dark < MIN_RANGE:
        return pixels
    low, high = (dark + share * (paper - dark) for share in PALE)
    strokes = map_strips(pixels, lambda part: _find_strokes(part, low, high), 2 * (STROKE // 2))
    if not cv2.countNonZero(strokes):
        return pixels
    under = _find_crossed_letters(strokes, pixels, low)
    if under is None:
        return pixels
    del strokes
    grown = map_strips(under, lambda part: np.asarray(cv2.dilate(part, KERNEL), dtype=np.uint8), STROKE // 2)
    result, colour = pixels.copy(), _find_paper(pixels, paper)
    for rows in _list_strips(pixels):
        result[rows][(grown[rows] > 0) & (_to_gray(pixels[rows]) >= low)] = colour
    return result


def _to_gray(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _find_strokes(pixels: Pixels, low: float, high: float) -> Pixels:
    """1 where pale print is as thick as the strokes of a watermark, else 0."""
    pale = np.asarray(cv2.inRange(_to_gray(pixels), np.array(low), np.array(high)), dtype=np.uint8) & 1
    return np.asarray(cv2.morphologyEx(pale, cv2.MORPH_OPEN, KERNEL), dtype=np.uint8)


def _list_strips(pixels: Pixels) -> Iterator[slice]:
    rows = count_strip_rows(pixels)
    return (slice(start, start + rows) for start in range(0, pixels.shape[0], rows))


def _find_paper(pixels: Pixels, paper: float) -> NDArray[np.float64]:
    """Median red, green and blue of the pixels that are as light as `paper`."""
    counts = np.zeros((3, 256), dtype=np.int64)
    for rows in _list_strips(pixels):
        light = pixels[rows][_to_gray(pixels[rows]) >= paper]
        counts += [np.bincount(channel, minlength=256) for channel in light.T]
    ends = counts.cumsum(axis=1)
    middles = (int(ends[0, -1] - 1) // 2, int(ends[0, -1]) // 2)
    return np.array([np.searchsorted(channel, middles, side="right").mean() for channel in ends])


def _find_crossed_letters(strokes: Pixels, pixels: Pixels, low: float) -> Pixels | None:
    """1 in the letters of slanted print that dark print crosses, else 0; None where there are none. What a line of text
    cuts into pieces is one letter."""
    bridged = map_strips(
        strokes, lambda part: np.asarray(cv2.morphologyEx(part, cv2.MORPH_CLOSE, KERNEL)), 2 * (STROKE // 2)
    )
    letters, slants = [], []
    for x, y, width, height, size in _choose_components(find_components(bridged), bridged.size):
        part = slice(y, y + height), slice(x, x + width)
        letter = _cut_component(bridged[part], size)
        if _is_letter(letter, strokes[part] > 0, _to_gray(np.ascontiguousarray(pixels[part])), low):
            letters.append((part, np.packbits(letter, axis=1)))
            slants.append(_slant(letter))
    if len(letters) < MIN_LETTERS or np.median(slants) < MIN_SLANT:
        return None
    under = np.zeros_like(strokes)
    for part, packed in letters:
        under[part] |= np.unpackbits(packed, axis=1, count=part[1].stop - part[1].start)
    return under


def _choose_components(components: Components, size: int) -> list[list[int]]:
    """Those that may be letters, as many as MAX_LOOKS times the picture's `size` in pixels has room for: boxes in boxes
    have no end."""
    _, _, width, height, inked = components.T.astype(np.int64)
    fits = (np.minimum(width, height) >= MIN_SIZE) & (inked < MAX_FILL * width * height)
    looked_at = (width * height)[fits].cumsum()
    chosen: list[list[int]] = components[fits][looked_at <= MAX_LOOKS * size].tolist()
    return chosen


def _cut_component(part: Pixels, size: int) -> Mask:
    """Of what is connected in an upright box, that which fills it and has so many pixels."""
    # The algorithm for blocks takes half the time of the default.
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(part, 8, cv2.CV_32S, cv2.CCL_BBDT)
    fills = (stats[1:, 2:4] == (part.shape[1], part.shape[0])).all(axis=1) & (stats[1:, 4] == size)
    return np.asarray(labels == int(np.argmax(fills)) + 1)


def _is_letter(letter: Mask, is_stroke: Mask, gray: Pixels, low: float) -> bool:
    near = cv2.dilate(letter.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return bool((near & (gray < low)).sum() >= MIN_CROSSED and gray[letter & is_stroke].std() <= FLAT)


def _slant(letter: Mask) -> float:
    """Degrees by which the smallest rectangle around the letter is turned, 0 to 45."""
    rows = np.flatnonzero(letter.any(axis=1))
    ends = letter[rows].argmax(axis=1), letter.shape[1] - 1 - letter[rows, ::-1].argmax(axis=1)
    points = np.concatenate([np.stack([rows, columns], axis=1) for columns in ends]).astype(np.float32)
    angle = cv2.minAreaRect(points)[2] % 90
    return float(min(angle, 90 - angle))
