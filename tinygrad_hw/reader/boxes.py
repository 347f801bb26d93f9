"""The pieces of ink on a page, and the characters that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mark:
    """Connected ink, or what belongs together: its pixels, bool (height, width), and where they lie on the page."""

    left: int
    top: int
    ink: np.ndarray

    @property
    def width(self) -> int:
        return self.ink.shape[1]

    @property
    def height(self) -> int:
        return self.ink.shape[0]

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """The box's center, (x, y)."""
        return self.left + self.width / 2, self.top + self.height / 2

    def __add__(self, other: Mark) -> Mark:
        """Both as one mark."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right, bottom = max(self.right, other.right), max(self.bottom, other.bottom)
        ink = np.zeros((bottom - top, right - left), bool)
        for mark in (self, other):
            y, x = mark.top - top, mark.left - left
            ink[y : y + mark.height, x : x + mark.width] |= mark.ink
        return Mark(left, top, ink)

    def part(self, ink: np.ndarray) -> Mark | None:
        """The mark of these of its pixels, with its box drawn tight; None of no pixels."""
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        if not len(rows):
            return None
        y, x = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return Mark(self.left + int(columns[0]), self.top + int(rows[0]), ink[y, x])


def marks(ink: np.ndarray) -> list[Mark]:
    """The connected pieces of ink (pixels touch at edges and corners), bool (height, width)."""
    from scipy import ndimage

    labels, _ = ndimage.label(ink, np.ones((3, 3)))
    return [
        Mark(place[1].start, place[0].start, labels[place] == i)
        for i, place in enumerate(ndimage.find_objects(labels), 1)
    ]


def typical_size(found: list[Mark]) -> float:
    """The size of the characters on a page: the median height of its marks, dust and dots left aside; 0 of none."""
    if not found:
        return 0.0
    heights = np.array([mark.height for mark in found], float)
    # Most of a page's ink is in characters, however many specks there are.
    order = np.argsort(heights)
    ink = np.array([mark.ink.sum() for mark in found])[order].cumsum()
    middle = heights[order][np.searchsorted(ink, ink[-1] / 2)]
    return float(np.median(heights[heights >= 0.4 * middle]))


def characters(found: list[Mark], size: float, shape: tuple[int, int]) -> list[Mark]:
    """Marks of a page of this shape joined to characters: boxes that overlap, or stack; without edges and rules."""
    height, width = shape
    kept = []
    for mark in found:
        touches = mark.left == 0 or mark.top == 0 or mark.right == width or mark.bottom == height
        # The table beside the sheet, ruled lines: longer than characters, and no broad writing.
        longest = max(mark.width, mark.height)
        if longest > (3 if touches else 12) * size or (touches and longest < 0.5 * size):
            continue
        kept.append(mark)
    return _joined(kept, size)


def _joined(found: list[Mark], size: float) -> list[Mark]:
    """The marks with every two that belong together joined, until there are no more such."""
    found = sorted(found, key=lambda mark: mark.left)
    near = 0.1 * size + 2
    i = 0
    while i < len(found):
        for j, other in enumerate(found):
            if j != i and other.left < found[i].right + near and _belong(found[i], other, size):
                a, b = min(i, j), max(i, j)
                joined = found[a] + found[b]
                del found[b]
                found[a] = joined
                i = -1  # from the start: the joined mark may reach others
                break
        i += 1
    return found


def _belong(a: Mark, b: Mark, size: float) -> bool:
    """Whether two marks are pieces of one character: overlapping boxes, or one above the other and close."""
    across = min(a.right, b.right) - max(a.left, b.left)
    down = min(a.bottom, b.bottom) - max(a.top, b.top)
    narrow, low = min(a.width, b.width), min(a.height, b.height)
    if across < 0.5 * narrow:
        return _fragment(a, b, size)
    together = max(a.bottom, b.bottom) - min(a.top, b.top)
    if together > 1.6 * size and together > 1.15 * max(a.height, b.height):
        return False  # two lines of writing
    if down > 0:
        # One inside the box of the other; slanting neighbors overlap at a corner only.
        return across * down > 0.4 * narrow * low
    return -down < 0.35 * size and together <= 1.5 * size


def _fragment(a: Mark, b: Mark, size: float) -> bool:
    """Whether one of two marks beside each other is too low for a character, and touches the other but for a hair."""
    from scipy import ndimage

    near = max(2, round(0.06 * size))
    apart = max(a.left, b.left) - min(a.right, b.right)
    below = max(a.top, b.top) - min(a.bottom, b.bottom)
    if min(a.height, b.height) > 0.6 * size or max(apart, below) > near:
        return False
    if max(a.right, b.right) - min(a.left, b.left) > 1.2 * size:
        return False
    left, top = min(a.left, b.left) - near, min(a.top, b.top) - near
    right, bottom = max(a.right, b.right) + near, max(a.bottom, b.bottom) + near
    canvas = np.zeros((2, bottom - top, right - left), bool)
    for layer, mark in zip(canvas, (a, b), strict=True):
        y, x = mark.top - top, mark.left - left
        layer[y : y + mark.height, x : x + mark.width] = mark.ink
    grown = ndimage.binary_dilation(canvas[0], np.ones((3, 3)), iterations=near)
    return bool((grown & canvas[1]).any())


def without_specks(found: list[Mark], size: float) -> tuple[list[Mark], list[Mark]]:
    """The marks that are large enough for characters, and the others: dots, commas, dust."""
    large = [mark for mark in found if max(mark.width, mark.height) >= 0.42 * size]
    return large, [mark for mark in found if max(mark.width, mark.height) < 0.42 * size]
